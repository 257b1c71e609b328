"""Methods small enough to test the harness with; the suites of the tests name them by dotted path."""

import json
import os
import time
from pathlib import Path

import numpy as np

from harness.method import Feature, Method, Needs, Options, Stage


class PixelModel:
    """Scores an AU by how far the mean brightness is above a learned threshold."""

    def __init__(self, weights, threshold, notes=()):
        self.weights, self.threshold, self.notes = weights, threshold, list(notes)

    def scores(self, frames):
        assert not frames.has_labels
        means = np.asarray(frames.faces[:].mean(axis=(1, 2, 3)), np.float32)
        return (means[:, None] - self.threshold) * self.weights

    def save(self, folder):
        data = {"weights": self.weights.tolist(), "threshold": self.threshold}
        (Path(folder) / "pixel.json").write_text(json.dumps(data))


class Pixel(Method):
    """Thresholds the mean brightness at the training mean, with the sign of the correlation."""

    class Options(Options):
        scale: float = 1.0
        sleep: float = 0.0

    def fit(self, train, validation, context):
        time.sleep(self.options.sleep)
        means = train.faces[:].mean(axis=(1, 2, 3))
        labels = train.labels.astype(np.float32)
        sign = np.sign(((means - means.mean())[:, None] * labels).sum(axis=0))
        context.report({"step": 1, "known": float((labels != 0).mean())})
        weights = (np.where(sign == 0, 1, sign) * self.options.scale).astype(np.float32)
        return PixelModel(weights, float(means.mean()), ["brightness only"])

    @classmethod
    def load(cls, folder):
        data = json.loads((Path(folder) / "pixel.json").read_text())
        return PixelModel(np.asarray(data["weights"], np.float32), data["threshold"])


class Failing(Pixel):
    """Raises on every fold, or on one."""

    class Options(Options):
        message: str = "planted fault"

    def fit(self, train, validation, context):
        raise ArithmeticError(self.options.message)


class FailingOnce(Pixel):
    """Kills its own worker process the first time, and works when it is tried again."""

    class Options(Options):
        marker: str
        sleep: float = 0.0
        scale: float = 1.0

    def fit(self, train, validation, context):
        marker = Path(self.options.marker)
        if not marker.exists():
            marker.write_text("died once")
            os._exit(9)
        return super().fit(train, validation, context)


class OnStage(Pixel):
    """Rests on a shared Pixel stage."""

    class Options(Options):
        scale: float = 2.0

    def stages(self):
        return {"pixel": Stage(method="toy_methods:Pixel", options={"scale": 3.0})}

    def fit(self, train, validation, context):
        return Pixel.load(context.stage("pixel"))


class Stepping(Pixel):
    """Trains under Ray Train in steps, with a checkpoint after each; says in its history where it
    began, so that a test sees whether it went on or started again."""

    class Options(Options):
        steps: int = 4
        sleep: float = 0.0
        die_at: int | None = None
        workers: int = 1

    def needs(self):
        return Needs(train=True, workers=self.options.workers)

    def fit(self, train, validation, context):
        restored = context.restore()
        state = (
            json.loads((restored / "state.json").read_text())
            if restored
            else {"step": 0, "sum": 0.0}
        )
        while state["step"] < self.options.steps:
            time.sleep(self.options.sleep)
            state = {"step": state["step"] + 1, "sum": state["sum"] + 0.1 * (state["step"] + 1)}
            context.report(
                {"step": state["step"], "world": context.world_size},
                lambda folder, state=state: (folder / "state.json").write_text(json.dumps(state)),
            )
            marker = context.folder / "died"
            if self.options.die_at == state["step"] and not marker.exists():
                marker.write_text("")
                os._exit(9)
        weights = np.full(len(train.aus), state["sum"], np.float32)
        return PixelModel(weights, float(train.faces[:].mean()))


class WrongShape(Pixel):
    """Scores with a column missing."""

    def fit(self, train, validation, context):
        return WrongShapeModel()

    @classmethod
    def load(cls, folder):
        return WrongShapeModel()


class WrongShapeModel:
    def scores(self, frames):
        return np.zeros((len(frames), len(frames.aus) - 1), np.float32)

    def save(self, folder):
        pass


class OnBroken(Pixel):
    """Rests on a stage that raises."""

    def stages(self):
        return {"broken": Stage(method="toy_methods:Failing", options={"message": "stage fault"})}


class Threads(Pixel):
    """Says in its notes how many threads each numeric library would use."""

    def fit(self, train, validation, context):
        import cv2
        import torch  # noqa: F401 - its own pool counts too
        from threadpoolctl import threadpool_info

        model = super().fit(train, validation, context)
        pools = {pool["num_threads"] for pool in threadpool_info()}
        model.notes = [f"cv2 {cv2.getNumThreads()}", f"pools {sorted(pools)}", f"{context.threads}"]
        return model


class OnBrightness(Pixel):
    """Reads an extracted feature, and never a face."""

    def features(self):
        return (Feature(name="mean_face", extractor="toy_studies:MeanFace"),)

    def fit(self, train, validation, context):
        values = np.asarray(train.feature("mean_face")[:], np.float32)
        return BrightnessModel(len(train.aus), float(values.mean()))

    @classmethod
    def load(cls, folder):
        data = json.loads((Path(folder) / "bright.json").read_text())
        return BrightnessModel(data["aus"], data["threshold"])


class BrightnessModel:
    def __init__(self, aus, threshold):
        self.aus, self.threshold = aus, threshold

    def scores(self, frames):
        values = np.asarray(frames.feature("mean_face")[:], np.float32).mean(axis=1)
        return np.repeat((values - self.threshold)[:, None], self.aus, axis=1)

    def save(self, folder):
        data = {"aus": self.aus, "threshold": self.threshold}
        (Path(folder) / "bright.json").write_text(json.dumps(data))


class Endless(Pixel):
    """Never ends; leaves the process of each worker behind."""

    class Options(Options):
        train: bool = False

    def needs(self):
        return Needs(train=self.options.train)

    def fit(self, train, validation, context):
        (context.folder / f"pid-{context.rank}").write_text(str(os.getpid()))
        while True:
            time.sleep(0.1)


class Hungry(Pixel):
    """Asks for more memory than any machine has."""

    def fit(self, train, validation, context):
        np.ones(1 << 50, np.float64)
