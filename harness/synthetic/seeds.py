"""Random streams named by what they are for: every part can be made alone and in any order.

The stream of ``("pose", "lab", 0, 3, 1)`` is the same whether its sequence is made first or last,
by one process or by eight. Nothing here depends on Python's own hash, which changes between runs.
"""

from __future__ import annotations

import hashlib

import numpy as np


def stream(*parts: str | int) -> np.random.Generator:
    """A generator that depends on nothing but ``parts``."""
    digest = hashlib.blake2b(repr(parts).encode(), digest_size=16).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest, "little")))
