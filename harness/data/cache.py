"""Where this machine keeps what can be made or fetched again."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """Where made datasets and timings are kept: ``$AUBENCH_CACHE``, or ``~/.cache/aubench``."""
    return Path(os.environ.get("AUBENCH_CACHE") or Path.home() / ".cache" / "aubench").absolute()
