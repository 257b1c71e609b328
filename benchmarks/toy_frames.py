"""A FrameSet of arrays in memory: what the benchmarks train on, where only sizes matter."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from harness.data.frames import FrameSet, FrameTable

AUS = (1, 2, 4, 6, 7, 10, 12, 14, 15, 17, 23, 24)
FRAMES_OF_A_SUBJECT = 500


def toy_frames(
    labels: np.ndarray,
    *,
    faces: np.ndarray | None = None,
    features: Mapping[str, np.ndarray] | None = None,
) -> FrameSet:
    """Frames with these labels, 500 a subject, in one sequence each.

    ``labels`` int8 (N, 12); ``faces`` uint8 (N, 200, 200, 3), none by default; ``features`` arrays
    (N, D) by name.
    """
    num = len(labels)
    subjects = np.array([f"toy:S{i // FRAMES_OF_A_SUBJECT:03d}" for i in range(num)], dtype=object)
    table = FrameTable(
        aus=AUS,
        subjects=subjects,
        sequences=np.array([f"{subject}/T1" for subject in subjects], dtype=object),
        numbers=(np.arange(num) % FRAMES_OF_A_SUBJECT).astype(np.int32),
        tracked=np.ones(num, bool),
        labels=labels,
    )
    return FrameSet(
        dataset="toy",
        index=np.arange(num),
        aus=AUS,
        _table=table,
        _labels=labels,
        _faces=np.empty((num, 0, 0, 3), np.uint8) if faces is None else faces,
        _landmarks=np.zeros((num, 49, 2), np.float32),
        open_feature=dict(features or {}).__getitem__,
    )
