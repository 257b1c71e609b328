"""Reads a feature of a FrameSet into memory, checked, in half precision.

What always holds: the memory is asked for before it is taken, and a machine that has too little of
it says so first; a NaN or an infinity is reported with the sequence and number of its frame; rows
are scaled by a factor kept beside them (one over their length), never rounded a second time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.data.frames import FrameSet
from harness.errors import UserError

READ_ROWS = 4096
WIDE_BYTES = 1 << 30
"""Rows whose float32 copy is smaller than this are widened once, larger ones at every pass."""

MEMINFO = Path("/proc/meminfo")
CONTROL_GROUPS = (
    (Path("/sys/fs/cgroup"), "memory.max", "memory.current", "inactive_file"),
    (
        Path("/sys/fs/cgroup/memory"),
        "memory.limit_in_bytes",
        "memory.usage_in_bytes",
        "total_inactive_file",
    ),
)
"""Of the container: folder, limit, what is taken, and the statistic of what can be given back."""

LEADING_BYTES = 400
"""A row's coordinates along the leading directions of all rows (``preconditioner.py``)."""


@dataclass(frozen=True, kw_only=True)
class FeatureRows:
    """Features of some frames.

    Attributes:
        rows_ND: float16 (N, D) as they are stored.
        scale_N: float32 (N,) factor that each row is to be multiplied by.
    """

    rows_ND: np.ndarray
    scale_N: np.ndarray

    def wide(self, rows: slice | np.ndarray = slice(None)) -> np.ndarray:
        """float32 copies of the given rows, scaled."""
        wide: np.ndarray = self.rows_ND[rows].astype(np.float32)
        wide *= self.scale_N[rows, None]
        return wide


def read_feature(
    parts: Sequence[FrameSet],
    name: str,
    *,
    unit_norm: bool,
    wanted: Sequence[np.ndarray] | None = None,
) -> FeatureRows:
    """The feature ``name`` of all frames of ``parts``, one part after the other.

    Args:
        unit_norm: scale every row to unit length (a row of zeros stays).
        wanted: for each part, the positions to read, all if not given.
    """
    positions = [np.arange(len(part)) for part in parts] if wanted is None else list(wanted)
    num_rows, dimension = sum(map(len, positions)), parts[0].feature(name).shape[1]
    rows_ND = np.empty((num_rows, dimension), np.float16)
    scale_N = np.ones(num_rows, np.float32)
    start = 0
    for part, chosen in zip(parts, positions, strict=True):
        for stored_BD, scale_B in _checked_chunks(part, name, chosen, unit_norm):
            stop = start + len(stored_BD)
            rows_ND[start:stop], scale_N[start:stop] = stored_BD, scale_B
            start = stop
    return FeatureRows(rows_ND=rows_ND, scale_N=scale_N)


def feature_chunks(
    frames: FrameSet, name: str, *, unit_norm: bool
) -> Iterator[tuple[slice, np.ndarray]]:
    """(rows, float32 (B, D)) over all frames in order, checked and scaled."""
    start = 0
    for stored_BD, scale_B in _checked_chunks(frames, name, np.arange(len(frames)), unit_norm):
        rows = slice(start, start + len(stored_BD))
        yield rows, stored_BD.astype(np.float32) * scale_B[:, None]
        start = rows.stop


def _checked_chunks(
    part: FrameSet, name: str, chosen: np.ndarray, unit_norm: bool
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    source = part.feature(name)
    for first in range(0, len(chosen), READ_ROWS):
        taken = chosen[first : first + READ_ROWS]
        stored_BD = np.asarray(source[taken])
        wide_BD = stored_BD.astype(np.float32)
        squared_B = np.einsum("bd,bd->b", wide_BD, wide_BD)
        if not np.isfinite(squared_B).all():
            _refuse(part, name, int(taken[np.flatnonzero(~np.isfinite(squared_B))[0]]))
        scale_B = np.ones(len(taken), np.float32)
        if unit_norm:
            scale_B /= np.sqrt(np.where(squared_B > 0, squared_B, 1))
        yield stored_BD, scale_B


def _refuse(part: FrameSet, name: str, row: int) -> None:
    raise UserError(
        f"feature {name!r} holds NaN or infinity at frame {int(part.numbers[row])} of sequence "
        f"{part.sequences[row]}: extract it again, or mend its extractor"
    )


def working_memory(num_rows: int, dimension: int, columns: int) -> int:
    """Bytes that fitting ``columns`` linear problems at once takes: the rows in half precision, a
    widened copy where that is small, the leading directions, and six float32 numbers for each row
    and column."""
    wide = 4 * num_rows * dimension
    per_row = 2 * dimension + 24 * columns + LEADING_BYTES
    return num_rows * per_row + (wide if wide <= WIDE_BYTES else 0)


def require_memory(num_bytes: int, what: str) -> None:
    """Refuses, before anything is read, what the machine's free memory cannot hold."""
    free = free_memory()
    if free is not None and num_bytes > free:
        gib = 2**30
        raise UserError(
            f"{what} need {num_bytes / gib:.1f} GiB of memory, and {free / gib:.1f} GiB are free: "
            "train on fewer frames, or on a machine with more memory"
        )


def free_memory() -> int | None:
    """Bytes that can be taken without swapping, or without being ended by the container or batch
    system that this runs in; None where the system does not tell."""
    free = [allowance for folder, *files in CONTROL_GROUPS if (allowance := _left(folder, *files))]
    if MEMINFO.exists():
        for line in MEMINFO.read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                free.append(int(line.split()[1]) * 1024)
    return min(free, default=None)


def _left(folder: Path, limit: str, used: str, cache: str) -> int | None:
    """Bytes that a control group may still take, the files' pages it can give back included."""
    try:
        allowed = int((folder / limit).read_text(encoding="ascii"))
        taken = int((folder / used).read_text(encoding="ascii"))
        statistics = (folder / "memory.stat").read_text(encoding="ascii").split()
    except (OSError, ValueError):  # no such group, or no limit ("max")
        return None
    given_back = int(statistics[statistics.index(cache) + 1]) if cache in statistics else 0
    return max(1, allowed - taken + given_back)
