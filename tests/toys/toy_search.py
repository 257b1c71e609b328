"""A method with a planted best depth and margin, for tests of the search.

It learns nothing: its model says the validation labels back, with as many wrong as the options are
away from the planted best; so its F1 on validation is known. It reports an F1 that rises with its
epochs, goes on from checkpoints, and does what its options say when it is to fail.
"""

import json
import os
import time
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from harness.method import Method, Options, Stage

BEST_DEPTH, BEST_MARGIN = 4, 0.7


class Inner(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    depth: int = Field(default=2, ge=1)
    margin: float = Field(default=0.5, gt=0)


class Planted(Method):
    """Right in proportion to how near its depth and margin are to the planted ones."""

    class Options(Options):
        inner: Inner = Inner()
        epochs: int = 3
        sleep: float = 0.0
        costs: tuple[float, ...] = (1.0,)
        metric: str = "validation_mean_f1"
        log: str = ""
        fail_when_deeper: int = 99

    @classmethod
    def load(cls, folder):
        return PlantedModel(np.load(Path(folder) / "labels.npy"), 1.0)

    def fit(self, train, validation, context):
        options = self.options
        if options.inner.depth > options.fail_when_deeper:
            raise ArithmeticError(f"planted fault\nat depth {options.inner.depth}")
        if options.log:
            with Path(options.log).open("a") as log:
                log.write(json.dumps([os.getpid(), options.inner.model_dump()]) + "\n")
        away = abs(options.inner.depth - BEST_DEPTH) / 4 + abs(options.inner.margin - BEST_MARGIN)
        quality = max(0.0, 1 - away)
        found = context.restore()
        begun = json.loads((found / "epoch.json").read_text()) if found else 0
        for epoch in range(begun + 1, options.epochs + 1):
            time.sleep(options.sleep)
            context.report(
                {"step": epoch, options.metric: quality * epoch / (options.epochs + 1)},
                lambda folder, epoch=epoch: (folder / "epoch.json").write_text(json.dumps(epoch)),
            )
        return PlantedModel(np.array(validation.labels), quality)


class DyingOnce(Planted):
    """Its first process ends without a word, after two epochs of three."""

    class Options(Planted.Options):
        mark: str = ""

    def fit(self, train, validation, context):
        if not Path(self.options.mark).exists():
            context.report = _dying(context.report, Path(self.options.mark))
        return super().fit(train, validation, context)


def _dying(report, mark):
    def reported(metrics, checkpoint):
        report(metrics, checkpoint)
        if metrics["step"] == 2:
            mark.touch()
            os._exit(1)

    return reported


class PlantedModel:
    def __init__(self, labels, quality):
        self.labels, self.quality = labels, quality

    def scores(self, frames):
        assert len(frames) == len(self.labels)
        row = np.arange(len(self.labels))[:, None]
        wrong = (row * 37 % 100) / 100 >= 0.5 + self.quality / 2
        return np.where(wrong, -self.labels, self.labels).astype(np.float32)

    def save(self, folder):
        np.save(Path(folder) / "labels.npy", self.labels)


class NoLoad(Method):
    """Could learn, and never be read back."""

    def fit(self, train, validation, context):
        raise AssertionError("refused before")


class OnShared(Planted):
    """Rests on a stage that the searched options do not reach, and on one that they do."""

    class Options(Planted.Options):
        scale: float = 1.0

    def stages(self):
        return {
            "pixel": Stage(method="toy_methods:Pixel", options={"scale": self.options.scale}),
            "planted": Stage(
                method="toy_search:Saved", options={"inner": self.options.inner.model_dump()}
            ),
        }

    def fit(self, train, validation, context):
        assert (context.stage("pixel") / "pixel.json").is_file()
        assert (context.stage("planted") / "labels.npy").is_file()
        return super().fit(train, validation, context)


class Saved(Planted):
    """Planted, as a stage."""
