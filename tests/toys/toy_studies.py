"""Studies, and methods on a stage from another dataset, small enough to test the harness with."""

from typing import Literal

import numpy as np
from pydantic import Field
from toy_methods import Pixel

from harness.method import Feature, Options, Stage
from harness.study import Study, StudyResult

PIXEL = "toy_methods:Pixel"


class Elsewhere(Pixel):
    """Rests on a Pixel that was trained on another dataset."""

    class Options(Pixel.Options):
        dataset: str | None = None
        fallback: bool = False

    def stages(self):
        return {
            "pixel": Stage(
                method=PIXEL,
                options={"scale": 3.0},
                on="other",
                dataset=self.options.dataset,
                fallback=self.options.fallback,
            )
        }

    def fit(self, train, validation, context):
        Pixel.load(context.stage("pixel"))
        return super().fit(train, validation, context)


class OnElsewhere(Pixel):
    """Rests on another dataset by a stage that itself asks for another dataset."""

    def stages(self):
        return {"inner": Stage(method="toy_studies:Elsewhere", on="other")}


class MeanFace:
    """A feature: the mean colour."""

    dimension = 3

    def __call__(self, faces, landmarks):
        return faces.mean(axis=(1, 2)).astype(np.float32)


class Brightness(Study):
    """Mean brightness by subject, and what a stage (if any) says of the frames."""

    class Options(Options):
        stage: Literal["none", "train", "other", "other or train"] = "none"
        give: Literal["numbers", "objects", "nan"] = "numbers"
        bins: int = Field(default=4, ge=1)

    def features(self):
        return (Feature(name="mean_face", extractor="toy_studies:MeanFace"),)

    def stages(self):
        if self.options.stage == "none":
            return {}
        on, _, fallback = self.options.stage.partition(" or ")
        return {"pixel": Stage(method=PIXEL, on=on, fallback=bool(fallback))}

    def study(self, frames, context):
        brightness = np.asarray(frames.feature("mean_face")[:], np.float32).mean(axis=1)
        subjects = np.unique(frames.subjects.astype(str)).tolist()
        values = {"subjects": subjects, "positives": int((frames.labels > 0).sum())}
        if self.options.stage != "none":
            trained = Pixel.load(context.stage("pixel"))
            values["score"] = float(trained.scores(frames.unlabelled()).mean())
        if self.options.give == "nan":
            values["mean"] = float("nan")
        counts = np.histogram(brightness, self.options.bins)[0]
        if self.options.give == "objects":
            counts = counts.astype(object)
        return StudyResult(values=values, arrays={"counts/all": counts})
