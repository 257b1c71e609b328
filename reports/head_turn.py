"""F1 by how far the head is turned: the test frames in three equal parts, from frontal to turned.

The yaw of each frame was estimated from its landmarks when it was scored, and stands with the
scores; runs from before that have none, and no such table. Frontal is the median of the setting's
test frames, so a camera that stands to one side does not count as turning.

Legend: N frames, K = 3 parts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.metrics import ScoredFrames
from harness.metrics.confusion import confusion_counts
from harness.metrics.frame_measures import f1_of
from harness.metrics.undefined import mean_of_defined

PARTS = ("frontal", "between", "turned")
FEWEST_FRAMES = 30
LEAST_TURN = 1.0  # degrees between the outer thirds; below that, yaw is a tracker's noise


@dataclass(frozen=True, kw_only=True, eq=False)
class HeadTurn:
    """Mean F1 over AUs in each third of the frames.

    Attributes:
        f1_K: (3,), NaN where no AU is defined.
        angle_K: (3,) mean degrees away from frontal in each.
    """

    f1_K: np.ndarray
    angle_K: np.ndarray


def by_head_turn(test: ScoredFrames, yaws: Sequence[np.ndarray | None]) -> HeadTurn | None:
    """``yaws`` are those of each fold's test frames, in the order of ``test``; None without,
    or where nobody turned: landmarks found by the eyes alone say nothing of it."""
    known = [yaw_N for yaw_N in yaws if yaw_N is not None]
    if len(known) < len(yaws):
        return None
    yaw_N = np.concatenate(known)
    seen_N = np.flatnonzero(np.isfinite(yaw_N))
    if len(seen_N) < FEWEST_FRAMES:
        return None
    angle_N = np.abs(yaw_N[seen_N] - np.median(yaw_N[seen_N]))
    thirds = np.array_split(np.argsort(angle_N, kind="stable"), len(PARTS))
    angle_K = np.array([float(angle_N[third].mean()) for third in thirds])
    if angle_K[-1] - angle_K[0] < LEAST_TURN:
        return None
    f1_K = []
    for third in thirds:
        rows = np.sort(seen_N[third])
        counts = confusion_counts(test.labels[rows], test.scores[rows])
        f1_K.append(float(mean_of_defined(f1_of(counts), axis=0)))
    return HeadTurn(f1_K=np.array(f1_K), angle_K=angle_K)


def mean_head_turn(seeds: Sequence[HeadTurn | None]) -> HeadTurn | None:
    """The mean over seeds, which were tested on the same frames."""
    found = [turn for turn in seeds if turn is not None]
    if len(found) < len(seeds) or not found:
        return None
    f1_K = mean_of_defined(np.stack([turn.f1_K for turn in found]), axis=0)
    return HeadTurn(f1_K=f1_K, angle_K=found[0].angle_K)
