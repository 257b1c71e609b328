"""Frames of some subjects, to which a test gives features of its own."""

import numpy as np
import pytest

from harness.context import LocalContext
from harness.data.frames import FrameSet, FrameTable


@pytest.fixture(scope="session")
def toy_frames():
    rng = np.random.default_rng(5)
    subjects, frames = 6, 50
    labels = rng.choice([-1, 1], (subjects * frames, 2)).astype(np.int8)
    labels[rng.random(labels.shape) < 0.1] = 0
    names = np.repeat([f"toy:S{s}" for s in range(subjects)], frames).astype(object)
    table = FrameTable(
        aus=(1, 12),
        subjects=names,
        sequences=np.array([f"{name}/T1" for name in names], object),
        numbers=np.tile(np.arange(frames, dtype=np.int32), subjects),
        tracked=np.ones(len(names), bool),
        labels=labels,
    )
    return FrameSet(
        dataset="toy",
        index=np.arange(len(names)),
        aus=(1, 12),
        _table=table,
        _labels=labels,
        _faces=np.zeros((len(names), 4, 4, 3), np.uint8),
        _landmarks=np.zeros((len(names), 49, 2), np.float32),
        open_feature=lambda name: np.zeros((len(names), 1), np.float16),
    )


@pytest.fixture
def context(tmp_path):
    return LocalContext(tmp_path / "job", seed=3)
