"""Runs of frames in time: what belongs to one event, and what a missing frame does to it.

Legend: N frames.
"""

from __future__ import annotations

import numpy as np

from harness.errors import UserError
from harness.metrics.id_codes import id_codes
from harness.metrics.undefined import check_choice

MISSING = ("break", "concat", "bridge")
FEWEST_RISES = 8  # of frame numbers, by which a sequence has a step of its own


def runs_of(flags: np.ndarray, fresh: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First positions of runs of True, and the positions after their last."""
    goes_on = np.zeros(len(flags) + 1, dtype=bool)  # between position i-1 and i
    goes_on[1:-1] = flags[1:] & flags[:-1] & ~fresh[1:-1]
    return np.flatnonzero(flags & ~goes_on[:-1]), np.flatnonzero(flags & ~goes_on[1:]) + 1


def longest_gap(event_missing: str, bridge_frames: int | None) -> float:
    """How many unknown frames a run may step over."""
    check_choice("event_missing", event_missing, MISSING)
    if (event_missing == "bridge") != (bridge_frames is not None):
        raise UserError(
            "event_missing='bridge' needs bridge_frames, the longest gap to step over, and nothing "
            "else takes it"
        )
    if bridge_frames is not None:
        if bridge_frames < 1:
            raise UserError(f"bridge_frames={bridge_frames} must be at least 1")
        return bridge_frames
    return 0 if event_missing == "break" else np.inf


def in_order_of_time(
    sequences: np.ndarray, numbers: np.ndarray | None
) -> tuple[np.ndarray | None, np.ndarray, np.ndarray]:
    """Order of the rows (None: as they stand), then per row in that order: its sequence, and how
    many frames are missing before it."""
    codes_N = id_codes(sequences)
    together = len(np.flatnonzero(np.diff(codes_N))) + 1 == codes_N.max(initial=-1) + 1
    if numbers is None:
        order = None if together else np.argsort(codes_N, kind="stable")
        return order, codes_N if order is None else codes_N[order], np.zeros(len(codes_N), int)
    numbers = np.asarray(numbers, np.int64)
    if len(numbers) != len(codes_N):
        raise UserError(f"{len(numbers)} frame numbers do not fit {len(codes_N)} frames")
    same = np.diff(codes_N) == 0
    order = None
    if not together or (np.diff(numbers)[same] < 0).any():
        order = np.lexsort((numbers, codes_N))
        codes_N, numbers = codes_N[order], numbers[order]
        same = np.diff(codes_N) == 0
    rises = np.diff(numbers)
    missing = np.zeros(len(codes_N), int)
    if same.any():
        values, counts = np.unique(rises[same & (rises > 0)], return_counts=True)
        step = values[np.argmax(counts)] if len(values) else 1
        if len(values) > 1:
            step = _steps(codes_N[:-1], rises, same & (rises > 0), int(step))
        missing[1:] = np.where(same, np.maximum(-(-rises // step) - 1, 0), 0)
    return order, codes_N, missing


def _steps(
    codes_R: np.ndarray, rises_R: np.ndarray, counted_R: np.ndarray, usual: int
) -> np.ndarray:
    """For each rise the step between frames of its sequence ``codes_R``, whose rows stand together;
    only rises in ``counted_R`` (bool) count. A step of its own has a sequence that is long enough
    and whose rises are all multiples of the smallest; the others have the ``usual`` one."""
    codes, rises = codes_R[counted_R], rises_R[counted_R]
    starts = np.flatnonzero(np.r_[True, np.diff(codes) != 0])
    smallest = np.minimum.reduceat(rises, starts)
    regular = np.gcd.reduceat(rises, starts) == smallest
    own = regular & (np.diff(np.r_[starts, len(codes)]) >= FEWEST_RISES)
    step_of = np.full(int(codes_R.max()) + 1, usual, np.int64)
    step_of[codes[starts[own]]] = smallest[own]
    steps: np.ndarray = step_of[codes_R]
    return steps
