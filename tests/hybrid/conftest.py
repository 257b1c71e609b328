"""Toy faces: each AU lights up a blob of its own place, each subject has a complexion of his own."""

import numpy as np
import pytest

from harness.context import LocalContext
from harness.data.frames import FrameSet, FrameTable

AUS = (1, 6, 12)
PLACES = ((50, 60), (110, 140), (150, 90))  # row, column of each AU's blob


def _labels(rng, num_frames, num_aus):
    """Labels that stay for some frames, about 40% present."""
    labels = np.full((num_frames, num_aus), -1, np.int8)
    for au in range(num_aus):
        frame = 0
        while frame < num_frames:
            length = int(rng.integers(6, 14))
            labels[frame : frame + length, au] = 1 if rng.random() < 0.4 else -1
            frame += length
    return labels


def make_toy(subjects=4, tasks=2, frames=30, seed=0, unknown=0.05, pictures=True):
    rng = np.random.default_rng(seed)
    names, sequences, numbers, labels, faces = [], [], [], [], []
    rows, columns = np.mgrid[:200, :200]
    for subject in range(subjects):
        base = rng.normal(120, 15, (5, 5, 3)).repeat(40, 0).repeat(40, 1)
        for task in range(tasks):
            own = _labels(rng, frames, len(AUS))
            for frame in range(frames):
                if not pictures:
                    continue
                face = base + rng.normal(0, 4, (200, 200, 1))
                for au, (row, column) in enumerate(PLACES):
                    if own[frame, au] > 0:
                        blob = np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / 400)
                        blob += np.exp(-((rows - row) ** 2 + (columns - 200 + column) ** 2) / 400)
                        face = face + 60 * blob[..., None]
                faces.append(np.clip(face, 0, 255).astype(np.uint8))
            names += [f"toy:S{subject}"] * frames
            sequences += [f"toy:S{subject}/T{task}"] * frames
            numbers += range(1, frames + 1)
            labels.append(own)
    known = np.concatenate(labels)
    known[rng.random(known.shape) < unknown] = 0
    table = FrameTable(
        aus=AUS,
        subjects=np.array(names, object),
        sequences=np.array(sequences, object),
        numbers=np.array(numbers, np.int32),
        tracked=np.ones(len(names), bool),
        labels=known,
    )
    return FrameSet(
        dataset="toy",
        index=np.arange(len(names)),
        aus=AUS,
        _table=table,
        _labels=known,
        _faces=np.stack(faces) if pictures else np.zeros((len(names), 200, 200, 3), np.uint8),
        _landmarks=np.zeros((len(names), 49, 2), np.float32),
        open_feature=lambda name: np.zeros((len(names), 1), np.float16),
    )


@pytest.fixture(scope="session")
def toy():
    return make_toy()


@pytest.fixture(scope="session")
def toy_maker():
    return make_toy


@pytest.fixture(scope="session")
def toy_parts(toy):
    """(train, validation, test) by subject."""
    return (
        toy.of_subjects(["toy:S0", "toy:S1"]),
        toy.of_subjects(["toy:S2"]),
        toy.of_subjects(["toy:S3"]),
    )


@pytest.fixture
def context(tmp_path):
    def make(name="job", **fields):
        return LocalContext(tmp_path / name, **fields)

    return make
