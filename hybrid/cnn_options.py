"""Options of ANet and its training, with the paper's settings as defaults (A-5.1 to A-5.3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from harness.method import Options
from hybrid.presets import Size, with_preset

Sampler = Literal[
    "random",
    "stratified",
    "momu",
    "class_aware",
    "weighted",
    "ml_ros",
    "ml_rus",
    "lp_ros",
    "lp_rus",
]

SMALL: Mapping[str, Any] = {
    "resolution": 72,
    "crop": 64,
    "norm": "bn",
    "init": "he",
    "widths": (24, 32, 32, 32, 32),
    "fc": 128,
    "pixels": "local",
    "sampler": "momu",
    "batch": 48,
    "iterations": 600,
    "lr": 0.05,
    "schedule": "cosine",
    "evaluate_every": 150,
    "keep": "last",
    "training_probe": 300,
}
ANET_PRESETS: Mapping[str, Mapping[str, Any]] = {
    "paper": {},
    "medium": {**SMALL, "backbone": "hybrid.pyramid:Pyramid", "fc": 1024},
    "small": SMALL,
}


class CnnOptions(Options):
    """ANet and its training (section 3.1, section 4.2).

    Attributes:
        size: preset, see the module.
        geometry: strides and padding of the convolutions, which Fig. 2(b) does not print (A-5.1).
        norm: after pool1 ``lrn`` (as AlexNet), ``none``; ``bn`` a batch norm after every
            convolution (A-5.2).
        init: ``caffe`` (Gaussian, biases 0 and 1, as AlexNet's) or ``he``.
        widths: channels of conv1 to conv5.
        fc: size of fc6 and fc7, the representation.
        dropout: after fc6 and fc7.
        backbone: another network up to fc7 as ``module:callable``; geometry, norm, init and widths
            then do not apply. ``backbone_options`` are its keyword arguments.
        resolution: side to which the 200 px faces are reduced first (area average), 200 for none.
        crop: side of the random crop in training and the centre crop in test, in reduced pixels.
        flip: whether training faces are mirrored half of the time.
        pixels: ``caffe`` takes 0 to 255 less the training mean colour; ``unit`` divides that by the
            standard deviation over all training pixels; ``local`` takes grey levels to
            their local contrast, which evens out light and complexion where there are few subjects.
        labels: ``multi`` trains one network for all AUs (the paper), ``single`` one for each.
        ce_norm: what Eq. 1 divides by (A-5.3): ``L`` as printed, ``batch_only``, ``valid``.
        sampler: how mini-batches are drawn (section 5, or a rival), with ``sampler_options``.
        positive_weights: a present label weighs as much more in the loss as absent ones are more
            frequent in the training part; the rival of sampling that leaves the batches alone.
        batch, iterations, lr, momentum, weight_decay: stochastic gradient descent as stated; biases
            take twice the rate and no decay.
        schedule: the stand-in for "reduced manually whenever the validation loss stopped
            decreasing": ``plateau`` multiplies the rate by 0.1 after ``patience`` evaluations
            without a lower validation loss, ``max_drops`` times, then stops; ``step`` every
            ``step_every`` iterations; ``cosine`` falls to 0 at the last; ``constant``.
        evaluate_every: iterations between evaluations on the validation subjects; each is also a
            checkpoint.
        training_probe: training frames on which F1 is reported at each evaluation, drawn once,
            evenly from all that have a label, whatever the sampler draws (Fig. 7); 0 for none.
            Changes nothing of what is learned.
        keep: ``best`` keeps the weights with the best mean F1 of all evaluations, ``last`` the
            last, for where one or two validation subjects cannot tell good from lucky.
        prior_correction: subtract from each logit the log-odds by which the sampler raised its AU,
            as measured over one epoch of batches.
        precision: ``auto`` is bfloat16 autocast on CUDA and float32 elsewhere.
        residence: where the faces are during training: ``device`` all of them as bytes, ``stream``
            gathered, pinned and prefetched, ``auto`` on the device if half its free memory holds
            them.
    """

    size: Size = "paper"
    geometry: Literal["alexnet_pad", "valid", "s2_valid", "s1_valid"] = "alexnet_pad"
    norm: Literal["lrn", "none", "bn"] = "lrn"
    init: Literal["caffe", "he"] = "caffe"
    widths: tuple[int, int, int, int, int] = (96, 96, 72, 48, 32)
    fc: int = Field(default=4096, ge=1)
    dropout: float = Field(default=0.5, ge=0, lt=1)
    backbone: str | None = None
    backbone_options: dict[str, Any] = Field(default_factory=dict)
    resolution: int = Field(default=200, ge=16, le=200)
    crop: int = Field(default=176, ge=16, le=200)
    flip: bool = True
    pixels: Literal["caffe", "unit", "local"] = "caffe"
    labels: Literal["multi", "single"] = "multi"
    ce_norm: Literal["L", "batch_only", "valid"] = "L"
    sampler: Sampler = "random"
    sampler_options: dict[str, Any] = Field(default_factory=dict)
    positive_weights: bool = False
    batch: int = Field(default=196, ge=1)
    iterations: int = Field(default=8000, ge=1)
    lr: float = Field(default=1e-3, gt=0)
    momentum: float = Field(default=0.9, ge=0, lt=1)
    weight_decay: float = Field(default=5e-4, ge=0)
    schedule: Literal["plateau", "step", "cosine", "constant"] = "plateau"
    step_every: int = Field(default=4000, ge=1)
    patience: int = Field(default=3, ge=1)
    max_drops: int = Field(default=3, ge=0)
    evaluate_every: int = Field(default=500, ge=1)
    training_probe: int = Field(default=1000, ge=0)
    keep: Literal["best", "last"] = "best"
    prior_correction: bool = False
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    residence: Literal["auto", "device", "stream"] = "auto"

    @model_validator(mode="before")
    @classmethod
    def _fill(cls, data: Any) -> Any:
        return with_preset(data, ANET_PRESETS)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.crop > self.resolution:
            raise ValueError(
                f"crop {self.crop} is larger than resolution {self.resolution}: faces cannot be "
                "cropped to more than they have"
            )
        if self.labels == "single" and self.ce_norm == "valid":
            raise ValueError(
                "ce_norm 'valid' counts the known labels of all AUs, which separate networks do "
                "not share: take 'L' or 'batch_only' with labels 'single'"
            )
        if self.backbone_options and self.backbone is None:
            raise ValueError("backbone_options need a backbone")
        if self.backbone is not None and ":" not in self.backbone:
            raise ValueError(
                f"backbone {self.backbone!r} is not module:callable, such as "
                "'torchvision.models:resnet18'"
            )
        return self


class AnetOptions(CnnOptions):
    """The method ``anet``: its network's options, and the decision threshold.

    Attributes:
        threshold: ``fixed`` is probability one half; ``val_f1`` the one of each AU that gives the
            best F1 on the validation subjects, taken off the scores (A-5.12).
    """

    threshold: Literal["fixed", "val_f1"] = "fixed"

    def cnn(self) -> CnnOptions:
        """The options of the network alone."""
        return CnnOptions(**self.model_dump(exclude={"threshold"}))
