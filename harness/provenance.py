"""Where a result came from: code revision, versions, hardware, time and memory."""

from __future__ import annotations

import os
import platform
import resource
import subprocess
import sys
import time
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from harness.energy import cpu_joules, gpu_joules, read_energy

PACKAGES = ("aubench", "ray", "torch", "numpy", "pandas", "opencv-python", "scikit-learn")


@cache
def environment() -> dict[str, Any]:
    """Code revision, Python and package versions, host and processor, GPU if torch sees one."""
    return {
        "revision": _revision(),
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES},
        "host": platform.node(),
        "system": f"{platform.system()} {platform.machine()}",
        "cpus": os.cpu_count(),
        "gpu": _gpu(),
    }


class Meter:
    """Measures a job: wall seconds, CPU seconds of this process, peak memory, GPU seconds, and
    energy where it can be read (``harness/energy.py``)."""

    def __init__(self, gpus: float) -> None:
        self._gpus = gpus
        self._energy = read_energy(gpus > 0)
        self._wall = time.perf_counter()
        self._cpu = time.process_time()
        self.started = time.time()

    def read(self) -> dict[str, float]:
        """What was used since the start; ``peak_memory`` in bytes is the process's so far.
        ``cpu_joules`` and ``gpu_joules`` are there only where they can be read."""
        seconds = time.perf_counter() - self._wall
        cpu_seconds = time.process_time() - self._cpu
        now = read_energy(self._gpus > 0)
        energy = {
            "cpu_joules": cpu_joules(self._energy, now, cpu_seconds),
            "gpu_joules": gpu_joules(self._energy, now, self._gpus),
        }
        return {
            "started": self.started,
            "seconds": seconds,
            "cpu_seconds": cpu_seconds,
            "gpu_seconds": seconds * self._gpus,
            "peak_memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024.0,
            **{name: joules for name, joules in energy.items() if joules is not None},
        }


def _revision() -> str:
    """Commit of the checkout that this file stands in, with ``+changes`` if it is not clean."""
    root = Path(__file__).resolve().parent.parent
    if not (root / ".git").exists():
        return ""
    try:
        commit = _git(root, "rev-parse", "--short=12", "HEAD")
        return commit + ("+changes" if _git(root, "status", "--porcelain", "-uno") else "")
    except (OSError, subprocess.SubprocessError):
        return ""


def _git(root: Path, *arguments: str) -> str:
    found = subprocess.run(
        ["git", "-C", str(root), *arguments], capture_output=True, text=True, timeout=10, check=True
    )
    return found.stdout.strip()


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def _gpu() -> str:
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        return ""
    return str(torch.cuda.get_device_name(0))
