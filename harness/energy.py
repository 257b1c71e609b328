"""Energy that a job used, where the machine lets it be read.

Processor: the counters of Linux's powercap (RAPL: Intel, newer AMD), one a processor package. They
count everything that runs on the package; a job is given the share of it that it has of all busy
processor time in between. Many systems let only root read them.

GPU: NVML's counters of the GPUs that the job may see, times the share of them that it holds.

What always holds: what cannot be read is None, never 0, and reading it raises nothing. Memory,
fans and the power supply's losses are in no counter.
"""

from __future__ import annotations

import ctypes
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

POWERCAP = Path("/sys/class/powercap")
STAT = Path("/proc/stat")
NVML = "libnvidia-ml.so.1"


@dataclass(frozen=True, kw_only=True)
class Readings:
    """Counters at one moment.

    Attributes:
        packages: joules by package name, and where that counter starts again from 0.
        busy: processor seconds that anything on the machine used; None if not readable.
        gpus: joules of each GPU that this process may see; empty if one is not readable.
    """

    packages: dict[str, tuple[float, float]]
    busy: float | None
    gpus: tuple[float, ...]


def read_energy(with_gpus: bool) -> Readings:
    """The counters now; those of GPUs only if asked for (loading NVML takes some milliseconds)."""
    return Readings(
        packages=_packages(), busy=_busy_seconds(), gpus=_gpu_joules() if with_gpus else ()
    )


def cpu_joules(before: Readings, after: Readings, cpu_seconds: float) -> float | None:
    """Joules of a job that used so much processor time between two readings."""
    shared = before.packages.keys() & after.packages.keys()
    if not shared or before.busy is None or after.busy is None:
        return None
    used = 0.0
    for name in shared:
        joules = after.packages[name][0] - before.packages[name][0]
        used += joules if joules >= 0 else joules + after.packages[name][1]
    busy = max(after.busy - before.busy, cpu_seconds)  # ticks are coarse
    return used * cpu_seconds / busy if busy > 0 else 0.0


def gpu_joules(before: Readings, after: Readings, held: float) -> float | None:
    """Joules of a job that holds so many (or such a part) of the GPUs that it sees."""
    if not after.gpus or len(before.gpus) != len(after.gpus):
        return None
    return (sum(after.gpus) - sum(before.gpus)) * min(1.0, held / len(after.gpus))


def _packages() -> dict[str, tuple[float, float]]:
    """Joules of every package; its parts (cores, memory) have names with a second colon."""
    found = {}
    try:
        folders = sorted(POWERCAP.glob("intel-rapl:*"))
        for folder in folders:
            if folder.name.count(":") == 1:
                joules, largest = (
                    int((folder / name).read_text()) / 1e6
                    for name in ("energy_uj", "max_energy_range_uj")
                )
                found[folder.name] = (joules, largest)
    except (OSError, ValueError):
        return {}
    return found


def _busy_seconds() -> float | None:
    """Processor seconds in which no processor idled or waited, since the machine started."""
    try:
        ticks = [int(word) for word in STAT.read_text().split("\n", 1)[0].split()[1:9]]
        return (sum(ticks) - ticks[3] - ticks[4]) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return None


def _gpu_joules() -> tuple[float, ...]:
    try:
        nvml = ctypes.CDLL(NVML)
    except OSError:
        return ()
    if nvml.nvmlInit_v2():
        return ()
    try:
        return _counters(nvml, os.environ.get("CUDA_VISIBLE_DEVICES"))
    finally:
        nvml.nvmlShutdown()


def _counters(nvml: Any, visible: str | None) -> tuple[float, ...]:
    """Joules of the GPUs that are named (numbers or UUIDs), else of all; nothing if one of them has
    no counter."""
    if visible is None:
        count = ctypes.c_uint()
        if nvml.nvmlDeviceGetCount_v2(ctypes.byref(count)):
            return ()
        names = [str(i) for i in range(count.value)]
    else:
        names = [name.strip() for name in visible.split(",") if name.strip()]
    found = []
    for name in names:
        device, millijoules = ctypes.c_void_p(), ctypes.c_ulonglong()
        if name.isdigit():
            failed = nvml.nvmlDeviceGetHandleByIndex_v2(int(name), ctypes.byref(device))
        else:
            failed = nvml.nvmlDeviceGetHandleByUUID(name.encode(), ctypes.byref(device))
        if failed or nvml.nvmlDeviceGetTotalEnergyConsumption(device, ctypes.byref(millijoules)):
            return ()
        found.append(millijoules.value / 1000)
    return tuple(found)
