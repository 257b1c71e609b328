"""Methods for `benchmarks.faults`: small, exact, and every execution of theirs is written down.

What each adds to the side file (its place is in the environment) says which process was at which
job, and when; nothing of it is a result.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from harness.data.frames import FrameSet
from harness.method import Context, Feature, Method, Needs, Options, Stage

SIDE_FILE = "AUBENCH_SIDE_FILE"
PACE = "AUBENCH_PACE"  # seconds of a step; no option, since it changes no result
BEAT = 0.05


class Brightness:
    """A feature: mean and spread of each face."""

    dimension = 2

    def __call__(self, faces: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
        """(N, 200, 200, 3) → (N, 2)."""
        values = faces.reshape(len(faces), -1).astype(np.float32)
        return np.stack([values.mean(axis=1), values.std(axis=1)], axis=1)


class LineModel:
    """A line through two features for every AU."""

    def __init__(self, weights_DL: np.ndarray) -> None:
        self.weights_DL = weights_DL

    def scores(self, frames: FrameSet) -> np.ndarray:
        """float32 (N, L)."""
        features = np.asarray(frames.feature("brightness"), np.float32)
        return np.asarray(features @ self.weights_DL, np.float32)

    def save(self, folder: Path) -> None:
        """One array."""
        np.save(folder / "weights.npy", self.weights_DL)


class CountedOptions(Options):
    """``steps`` of half a tenth of a second each; ``megabytes`` that the model takes on disk."""

    steps: int = 10
    megabytes: int = 0


class Counted(Method):
    """A few steps of gradient descent, each from a checkpoint; every execution is written down."""

    Options = CountedOptions
    options: CountedOptions

    def features(self) -> tuple[Feature, ...]:
        """Brightness, made once for all."""
        return (Feature(name="brightness", extractor="benchmarks.fault_methods:Brightness"),)

    def fit(self, train: FrameSet, validation: FrameSet, context: Context) -> LineModel:
        """Goes on from the last checkpoint, if there is one."""
        note(context, "begin")
        features = np.asarray(train.feature("brightness"), np.float64) / 100
        labels = train.labels.astype(np.float64)
        rng = np.random.default_rng(context.seed)
        weights, step = rng.normal(size=(features.shape[1], labels.shape[1])), 0
        if (found := context.restore()) is not None:
            weights, step = np.load(found / "weights.npy"), int((found / "step").read_text())
        while step < self.options.steps:
            time.sleep(float(os.environ.get(PACE, BEAT)))
            weights = weights + 0.01 * features.T @ (labels - features @ weights) / len(labels)
            step += 1

            def keep(folder: Path, weights: np.ndarray = weights, step: int = step) -> None:
                np.save(folder / "weights.npy", weights)
                (folder / "step").write_text(str(step))

            context.report({"step": step, "sum": float(weights.sum())}, keep)
            note(context, "beat")
        if self.options.megabytes:
            (context.folder / "ballast").write_bytes(bytes(self.options.megabytes << 20))
        return LineModel((weights / 100).astype(np.float32))

    @classmethod
    def load(cls, folder: Path) -> LineModel:
        """The saved line."""
        return LineModel(np.load(folder / "weights.npy"))


class Trained(Counted):
    """The same under Ray Train."""

    def needs(self) -> Needs:
        """One training process."""
        return Needs(train=True)


class OnStage(Counted):
    """Goes on from a stage that others could share."""

    def stages(self) -> Mapping[str, Stage]:
        """The first half."""
        return {"first": Stage(method="benchmarks.fault_methods:Counted", options={"steps": 3})}


def note(context: Context, word: str) -> None:
    """Adds a line to the side file, in one write: job, process, word, time."""
    line = f"{context.folder.name.removesuffix('.partial')} {os.getpid()} {word} {time.time()}\n"
    side = os.open(os.environ[SIDE_FILE], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(side, line.encode())
    os.close(side)
