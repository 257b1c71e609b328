"""The features that the paper compares (Figs. 3 and 4): shape, Gabor, HOG, and the CNN's fc7.

The hand-made ones are the files that methods read too. fc7 is that of a CNN trained on *another*
dataset of the suite, as in the paper, so that every frame may be looked at; where there is no other
dataset it is that of the CNN of the setting's first fold, and the study is given the frames of that
fold's test subjects only.

What always holds: rows come in the order of the frames; a network never represents people it has
seen (the harness checks it).

Legend: N frames, D features.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from harness.data.frames import FrameSet
from harness.errors import UserError
from harness.method import Context, Feature, Options, Stage
from harness.registry import load_method

CNN = "anet"
FRAMES_AT_ONCE = 1024

FEATURES: Mapping[str, Feature] = {
    "shape": Feature(name="shape", extractor="baselines.features.shape:Shape"),
    "gabor": Feature(
        name="gabor", extractor="baselines.features.gabor:Gabor", options={"pool": 16}
    ),
    "hog": Feature(
        name="hog",
        extractor="baselines.features.landmark_hog:LandmarkHog",
        options={"patch": 36},
    ),
}
SHAPE_IN_PIXELS = Feature(
    name="shape_pixels", extractor="baselines.features.shape:Shape", options={"units": "pixels"}
)


class NetworkFileOptions(Options):
    """A network file whose output is a feature, as the method ``svm-network`` takes it.

    Attributes:
        file: TorchScript or ONNX.
        size: side in pixels that faces are resized to.
        channels, mean, scale: order of the colours; what is subtracted from each (0 to 255); what
            multiplies the rest.
    """

    file: str
    size: int = Field(default=224, ge=1)
    channels: Literal["rgb", "bgr"] = "rgb"
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    scale: float = 1.0


class ComparedOptions(Options):
    """Which features are compared, and the CNN whose fc7 is one of them.

    Attributes:
        features: in the order of the report.
        cnn: options of the CNN, as the method ``anet`` takes them.
        cnn_dataset: the suite's name of the dataset that the CNN is trained on, where the suite has
            several others.
        network: a file whose output is the feature ``network``; the paper shows a face recognition
            network beside its own.
    """

    features: tuple[Literal["shape", "gabor", "hog", "fc7", "network"], ...] = Field(
        default=("shape", "gabor", "hog", "fc7"), min_length=1
    )
    cnn: dict[str, Any] = Field(default_factory=dict)
    cnn_dataset: str | None = None
    network: NetworkFileOptions | None = None

    @model_validator(mode="after")
    def _named_once_and_given(self) -> Self:
        if len(set(self.features)) != len(self.features):
            raise ValueError("name each feature once")
        if ("network" in self.features) != (self.network is not None):
            raise ValueError("the feature 'network' goes with 'network: {file: FILE}'")
        return self


class ComparedFeatures:
    """The features of ``options``, read for some frames; ``pixels`` gives shape as coordinates."""

    def __init__(self, options: ComparedOptions, *, pixels: bool = False) -> None:
        self.options = options
        self._stored = dict(FEATURES)
        if pixels:
            self._stored["shape"] = SHAPE_IN_PIXELS
        if options.network is not None:
            file = Feature(
                name="network",
                extractor="baselines.features.network_file:NetworkFile",
                options=options.network.model_dump(),
            )
            self._stored["network"] = file

    def features(self) -> tuple[Feature, ...]:
        """Those that are extracted once a dataset."""
        return tuple(self._stored[name] for name in self.options.features if name != "fc7")

    def stages(self) -> Mapping[str, Stage]:
        """The CNN, if its fc7 is compared."""
        if "fc7" not in self.options.features:
            return {}
        return {
            "cnn": Stage(
                method=CNN,
                options=self.options.cnn,
                on="other",
                dataset=self.options.cnn_dataset,
                fallback=True,
            )
        }

    def chunks(
        self, name: str, frames: FrameSet, context: Context
    ) -> Iterator[tuple[slice, np.ndarray]]:
        """(rows, float32 (B, D)) over all frames in order."""
        network = None
        if name == "fc7":
            network = load_method(CNN).load(context.stage("cnn"))
        for start in range(0, len(frames), FRAMES_AT_ONCE):
            rows = slice(start, min(start + FRAMES_AT_ONCE, len(frames)))
            if network is None:
                chunk_BD = frames.feature(self._stored[name].name)[rows].astype(np.float32)
            else:
                some = frames.select(np.arange(rows.start, rows.stop)).unlabelled()
                chunk_BD = network.represent(some)  # type: ignore[attr-defined]
            if not np.isfinite(chunk_BD).all():
                raise UserError(f"feature {name!r} holds NaN or infinity: extract it again")
            yield rows, chunk_BD

    def note(self, name: str, frames: FrameSet, context: Context) -> str:
        """What a reader must know of a feature: whose network fc7 is from."""
        if name != "fc7":
            return ""
        card = json.loads((context.stage("cnn") / "card.json").read_text(encoding="utf-8"))
        trained_on = str(card["train_subjects"][0]).partition(":")[0]
        own = {str(subject).partition(":")[0] for subject in frames.subjects[:1]}
        if trained_on in own:
            return (
                f"fc7 of the CNN trained on the first fold of {trained_on}; only that fold's test "
                "subjects are shown"
            )
        return f"fc7 of the CNN trained on {trained_on}"
