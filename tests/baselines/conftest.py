"""Tiny prepared datasets with a planted feature, for tests of methods."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from harness.context import LocalContext
from harness.data.building import PreparedBuilder, SequenceFrames, SequenceHeader
from harness.data.frames import FrameSet, FrameTable

AUS = (1, 6, 12)


def build(
    folder: Path,
    *,
    num_subjects: int = 6,
    sequences_each: int = 1,
    num_frames: int = 40,
    aus: tuple[int, ...] = AUS,
    seed: int = 0,
) -> FrameSet:
    generator = np.random.default_rng(seed)
    headers = [
        SequenceHeader(
            subject=f"toy:S{s:02d}", sequence=f"toy:S{s:02d}/T{t}", num_frames=num_frames
        )
        for s in range(num_subjects)
        for t in range(sequences_each)
    ]
    builder = PreparedBuilder(
        folder, name="toy", aus=aus, sequences=headers, registration={}, source={}
    )
    for position in builder.pending():
        labels = generator.choice(
            np.array([-1, 0, 1], np.int8), (num_frames, len(aus)), p=[0.6, 0.05, 0.35]
        )
        builder.write(
            position,
            SequenceFrames(
                numbers=np.arange(num_frames, dtype=np.int32),
                labels=labels,
                landmarks=generator.uniform(40, 160, (num_frames, 49, 2)).astype(np.float32),
                faces=np.zeros((num_frames, 200, 200, 3), np.uint8),
                tracked=np.ones(num_frames, bool),
                source=[f"frame {i}" for i in range(num_frames)],
            ),
        )
    dataset = builder.finish()
    dataset.feature_file("x").parent.mkdir(exist_ok=True)
    return dataset.frames()


@pytest.fixture
def save_feature(tmp_path):
    """Writes a feature (float16) of the toy dataset that stands in ``tmp_path / "toy"``."""

    def save(name: str, values: np.ndarray) -> None:
        np.save(tmp_path / "toy" / "features" / f"{name}.npy", values.astype(np.float16))

    return save


@pytest.fixture
def build_toy(tmp_path):
    return lambda **options: build(tmp_path / "toy", **options)


@pytest.fixture
def planted(build_toy, save_feature):
    """A toy dataset whose feature ``hog`` tells the labels: (train, validation, test)."""
    frames = build_toy()
    generator = np.random.default_rng(1)
    directions = generator.standard_normal((len(AUS), 128 * 3))
    noise = generator.standard_normal((len(frames), 128 * 3))
    save_feature("hog", frames.labels @ directions + 2 * noise)
    subjects = np.unique(frames.subjects.astype(str))
    return (
        frames.of_subjects(subjects[:3]),
        frames.of_subjects(subjects[3:4]),
        frames.of_subjects(subjects[4:]),
    )


@pytest.fixture
def context(tmp_path):
    return LocalContext(tmp_path / "job", seed=3)


def in_memory(features, labels, subjects, *, aus, tracked=None, num_sequences=1) -> FrameSet:
    """Frames without faces and with the feature ``hog``; rows sorted by subject."""
    num_frames = len(labels)
    names = np.array([f"toy:S{s:02d}" for s in subjects], dtype=object)
    place = np.arange(num_frames) - np.searchsorted(subjects, subjects)
    counts = np.bincount(subjects)[subjects]
    task = place * num_sequences // counts
    table = FrameTable(
        aus=tuple(aus),
        subjects=names,
        sequences=np.array([f"{n}/T{t}" for n, t in zip(names, task, strict=True)], dtype=object),
        numbers=place.astype(np.int32),
        tracked=np.ones(num_frames, bool) if tracked is None else tracked,
        labels=labels.astype(np.int8),
    )
    stored = {"hog": features.astype(np.float16)}
    return FrameSet(
        dataset="toy",
        index=np.arange(num_frames),
        aus=tuple(aus),
        _table=table,
        _labels=table.labels,
        _faces=np.empty((num_frames, 0, 0, 3), np.uint8),
        _landmarks=np.zeros((num_frames, 49, 2), np.float32),
        open_feature=stored.__getitem__,
    )


@pytest.fixture
def frames_in_memory():
    return in_memory


@pytest.fixture
def shifted_subjects():
    """Subjects with offsets of their own and Markov labels: (train, validation, test) by seed."""

    def make(seed: int, *, num_frames: int = 120, num_subjects: int = 18, dimension: int = 40):
        generator = np.random.default_rng(seed)
        rates, stay = np.array([0.3, 0.15, 0.4]), 0.95
        directions = generator.standard_normal((3, dimension))
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        features, labels = [], []
        for _ in range(num_subjects):
            states = np.zeros((num_frames, 3))
            state = generator.random(3) < rates
            for t in range(num_frames):
                begin = (1 - stay) * rates / (1 - rates)
                state = generator.random(3) < np.where(state, stay, begin)
                states[t] = np.where(state, 1, -1)
            offset = generator.standard_normal(dimension)
            noise = generator.standard_normal((num_frames, dimension))
            features.append(offset + states @ directions * 1.35 + noise)
            labels.append(states)
        subjects = np.repeat(np.arange(num_subjects), num_frames)
        frames = in_memory(np.concatenate(features), np.concatenate(labels), subjects, aus=AUS)
        names = [f"toy:S{s:02d}" for s in range(num_subjects)]
        third = num_subjects // 6
        return (
            frames.of_subjects(names[: 3 * third]),
            frames.of_subjects(names[3 * third : 4 * third]),
            frames.of_subjects(names[4 * third :]),
        )

    return make
