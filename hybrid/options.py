"""Options of the hybrid network's parts, with the paper's settings as defaults.

Every place where the paper can be read in more than one way is one option here; ``docs/paper.md``
lists the readings under the labels A-5.1 to A-5.12. ``size`` presets many at once: ``paper`` is the
paper's network and training, ``small`` a network for small sets of faces that one CPU core trains
in seconds. An option given beside ``size`` overrides the preset.

What always holds: importing this module imports no torch; options are frozen, and dumping them
gives every value, so that ``{"size": "small"}`` and its explicit twin are the same options.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from harness.method import Options

Size = Literal["paper", "small"]
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

ANET_PRESETS: Mapping[str, Mapping[str, Any]] = {
    "paper": {},
    "small": {
        "resolution": 72,
        "crop": 64,
        "norm": "bn",
        "init": "he",
        "widths": (24, 32, 32, 32, 32),
        "fc": 128,
        "pixels": "local",
        "sampler": "momu",
        "batch": 48,
        "iterations": 200,
        "lr": 0.03,
        "schedule": "cosine",
        "evaluate_every": 50,
        "keep": "last",
        "training_probe": 300,
    },
}
SEQUENCE_PRESETS: Mapping[str, Mapping[str, Any]] = {
    "paper": {},
    "small": {
        "pca": 48,
        "scale": "unit",
        "hidden": 48,
        "layers": 2,
        "dropout": 0.2,
        "window": 100,
        "updates": 80,
        "evaluate_every": 20,
        "keep": "last",
        "lr": 1e-3,
    },
}
FUSION_PRESETS: Mapping[str, Mapping[str, Any]] = {
    "paper": {},
    # One or two validation subjects say little: the fusion stays close to the sum it starts as.
    "small": {"lr": 1e-4, "init": "weighted"},
}


def _with_preset(data: Any, presets: Mapping[str, Mapping[str, Any]]) -> Any:
    """The preset's values under those that were given; wrong sizes are left to the field check."""
    if not isinstance(data, Mapping):
        return data
    return {**presets.get(str(data.get("size", "paper")), {}), **data}


def _size_handed_down(data: Any, *parts: str) -> Any:
    """``size`` of the whole is the ``size`` of each part that does not name its own."""
    if not isinstance(data, Mapping) or "size" not in data:
        return data
    handed = dict(data)
    for part in parts:
        inner = handed.get(part, {})
        if isinstance(inner, Mapping):
            handed[part] = {"size": data["size"], **inner}
    return handed


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
        return _with_preset(data, ANET_PRESETS)

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


class SequenceOptions(Options):
    """The stacked LSTMs and their training (section 3.2, section 4.2).

    Attributes:
        size: preset, see the module.
        pca: components that fc7 is reduced to; fewer where there are fewer frames or features.
        scale: ``none`` leaves the projections as they are (a few hundredths each, since fc7 has
            length 1); ``unit`` divides all by one number so that their root mean square is 1.
        hidden, layers: cells of each LSTM, and how many are stacked.
        bidirectional: also read each sequence backwards; the paper names this as future work.
        dropout: on the input, between layers and after the last; never on the recurrence.
        head: ``linear_tanh`` a linear layer and tanh, ``last_h`` the first L cells (A-5.4).
        init_range: every parameter starts uniform in plus or minus this.
        forget_bias: whether the forget gates' bias starts at 1.
        margin: k of the loss.
        gate: where the loss passes a gradient (A-5.5): ``k`` or ``1``.
        window: frames of a training sub-sequence; ``windows``: how many make a mini-batch.
        min_active: windows with fewer present AUs a labelled frame are not drawn; where none is
            left, the tenth with the most is.
        short: how windows longer than one sequence are made (A-5.6): ``concat_subject`` and
            ``concat_noreset`` run through a subject's sequences in order, with and without a reset
            of the state at their borders; ``pad`` stays within one sequence.
        burn_in: first frames after each reset that carry no loss; ``burnin`` says how (A-5.7):
            ``mask_loss`` or ``detach``.
        lr, momentum, rms_alpha: RMSProp.
        rms: what "weight decay 0.97" means (A-5.8): ``lr_decay`` the factor of the rate in each
            epoch after the tenth, ``rms_alpha`` the smoothing of RMSProp, ``weight_decay`` an L2
            penalty; ``decay`` is the number.
        momentum_is: ``momentum``, or ``rms_alpha`` where 0.9 was the smoothing.
        clip: largest absolute value of a gradient's element.
        updates: training steps; an epoch is as many as draw the training frames once.
        evaluate_every: updates between evaluations; ``patience``: evaluations without a better
            mean F1 before training stops.
        keep: ``best`` or ``last`` weights, as in ``CnnOptions``.
    """

    size: Size = "paper"
    pca: int = Field(default=1024, ge=1)
    scale: Literal["none", "unit"] = "none"
    hidden: int = Field(default=256, ge=1)
    layers: int = Field(default=3, ge=1)
    bidirectional: bool = False
    dropout: float = Field(default=0.5, ge=0, lt=1)
    head: Literal["linear_tanh", "last_h"] = "linear_tanh"
    init_range: float = Field(default=0.08, gt=0)
    forget_bias: bool = True
    margin: float = Field(default=0.5, gt=0)
    gate: Literal["k", "1"] = "k"
    window: int = Field(default=1300, ge=2)
    windows: int = Field(default=10, ge=1)
    min_active: float = Field(default=1.5, ge=0)
    short: Literal["concat_subject", "concat_noreset", "pad"] = "concat_subject"
    burn_in: int = Field(default=10, ge=0)
    burnin: Literal["mask_loss", "detach"] = "mask_loss"
    lr: float = Field(default=1e-3, gt=0)
    momentum: float = Field(default=0.9, ge=0, lt=1)
    rms_alpha: float = Field(default=0.95, gt=0, lt=1)
    rms: Literal["lr_decay", "rms_alpha", "weight_decay"] = "lr_decay"
    decay: float = Field(default=0.97, gt=0, lt=1)
    momentum_is: Literal["momentum", "rms_alpha"] = "momentum"
    clip: float = Field(default=5.0, gt=0)
    updates: int = Field(default=1500, ge=1)
    evaluate_every: int = Field(default=50, ge=1)
    patience: int = Field(default=10, ge=1)
    keep: Literal["best", "last"] = "best"

    @model_validator(mode="before")
    @classmethod
    def _fill(cls, data: Any) -> Any:
        return _with_preset(data, SEQUENCE_PRESETS)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.burn_in >= self.window:
            raise ValueError(
                f"burn_in {self.burn_in} leaves nothing of a window of {self.window} frames"
            )
        if self.bidirectional and self.burnin == "detach":
            raise ValueError(
                "burnin 'detach' cuts the gradient in the direction of time, so it cannot go with "
                "bidirectional: take 'mask_loss'"
            )
        if self.rms == "rms_alpha" and self.momentum_is == "rms_alpha":
            raise ValueError("rms and momentum_is cannot both be the smoothing of RMSProp")
        return self


class TemporalOptions(Options):
    """The network that turns the shared CNN's fc7 into scores over time, whole.

    Attributes:
        size: preset of both parts.
        cnn: the network whose fc7 is read.
        sequence: the LSTMs.
    """

    size: Size = "paper"
    cnn: CnnOptions = CnnOptions()
    sequence: SequenceOptions = SequenceOptions()

    @model_validator(mode="before")
    @classmethod
    def _fill(cls, data: Any) -> Any:
        return _size_handed_down(data, "cnn", "sequence")

    @model_validator(mode="after")
    def _one_representation(self) -> Self:
        if self.cnn.labels == "single":
            raise ValueError(
                "labels 'single' gives no shared fc7 for an LSTM to read: it is for anet alone"
            )
        return self


class LstmOptions(TemporalOptions):
    """The method ``lstm``: the LSTMs alone on the shared CNN's fc7.

    Attributes:
        threshold: ``fixed`` or ``val_f1`` (A-5.12).
    """

    threshold: Literal["fixed", "val_f1"] = "fixed"


class FusionOptions(Options):
    """The fusion network (section 3.3).

    Attributes:
        size: preset, see the module.
        mode: A-5.9. ``score_fc2`` stacks both L2-normalised scores under two fully connected
            layers; ``siamese`` puts the same first layer on each; ``feature`` fuses normalised
            fc7 with the LSTM's state; ``linear`` is one layer on the stacked scores.
        score: whether the CNN's score is its ``logit`` or its ``prob`` (A-5.10).
        data: what the fusion learns from (A-5.11): ``val`` the validation subjects, ``train`` the
            training subjects.
        hidden: units of the first layer.
        init: ``sum`` starts as the sum of both normalised scores; ``weighted`` as their weighted
            sum, with the one of five weights that has the best mean F1 on the frames it learns
            from; ``random`` as torch does, which is the default of mode ``feature``.
        loss: ``ce`` Eq. 1, or ``hinge`` the LSTM's loss.
        lr, momentum, weight_decay, batch, epochs: stochastic gradient descent.
        holdout: share of the frames, whole subjects where there are several and stretches of
            sequences else, on which the best epoch is chosen.
    """

    size: Size = "paper"
    mode: Literal["score_fc2", "siamese", "feature", "linear"] = "score_fc2"
    score: Literal["logit", "prob"] = "logit"
    data: Literal["val", "train"] = "val"
    hidden: int = Field(default=64, ge=1)
    init: Literal["sum", "weighted", "random"] = "sum"
    loss: Literal["ce", "hinge"] = "ce"
    lr: float = Field(default=1e-2, gt=0)
    momentum: float = Field(default=0.9, ge=0, lt=1)
    weight_decay: float = Field(default=5e-4, ge=0)
    batch: int = Field(default=196, ge=1)
    epochs: int = Field(default=30, ge=1)
    holdout: float = Field(default=0.2, gt=0, lt=1)

    @model_validator(mode="before")
    @classmethod
    def _fill(cls, data: Any) -> Any:
        filled = _with_preset(data, FUSION_PRESETS)
        if isinstance(filled, Mapping) and filled.get("mode") in ("feature", "siamese"):
            # The preset's own start does not fit these modes; one that was asked for is checked.
            start = "random" if filled["mode"] == "feature" else "sum"
            return {**filled, "init": data.get("init", start)}
        return filled

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.mode == "feature" and self.init != "random":
            raise ValueError(
                f"init {self.init!r} adds scores, and mode 'feature' reads none: take 'random'"
            )
        if self.mode == "siamese" and self.init == "weighted":
            raise ValueError(
                "init 'weighted' tells the streams apart, and mode 'siamese' does not: take 'sum'"
            )
        return self


class HybridOptions(TemporalOptions):
    """The method ``hybrid``: CNN, LSTMs and fusion.

    Attributes:
        fusion: the fusion network.
        threshold: ``fixed`` or ``val_f1`` (A-5.12).
    """

    fusion: FusionOptions = FusionOptions()
    threshold: Literal["fixed", "val_f1"] = "fixed"

    @model_validator(mode="before")
    @classmethod
    def _fill_fusion(cls, data: Any) -> Any:
        return _size_handed_down(data, "fusion")
