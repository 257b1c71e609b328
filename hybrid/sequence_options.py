"""Options of the stacked LSTMs (A-5.4 to A-5.8), and of training them and the CNN as one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from harness.method import Options
from hybrid.presets import Size, with_preset

SMALL: Mapping[str, Any] = {
    "pca": 48,
    "scale": "unit",
    "hidden": 48,
    "layers": 1,
    "dropout": 0.5,
    "window": 40,
    "windows": 25,
    "updates": 200,
    "evaluate_every": 50,
    "keep": "last",
    "lr": 1e-3,
}
SMALL_JOINT = {"window": 24, "windows": 6, "burn_in": 4, "updates": 60, "evaluate_every": 20}
SEQUENCE_PRESETS: Mapping[str, Mapping[str, Any]] = {"paper": {}, "medium": SMALL, "small": SMALL}

JOINT_PRESETS: Mapping[str, Mapping[str, Any]] = {
    "paper": {},
    "medium": SMALL_JOINT,
    "small": SMALL_JOINT,
}


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
        return with_preset(data, SEQUENCE_PRESETS)

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


class JointOptions(Options):
    """Training of CNN and LSTMs as one network (section 7 names it as future work).

    Attributes:
        size: preset, see the module.
        window, windows: frames of a training sub-sequence, and how many make a mini-batch; every
            frame of them passes through the CNN with its gradient, so the product is what memory
            bounds.
        burn_in: first frames after each reset that carry no loss.
        updates: training steps after those of both stages.
        lr: of the LSTMs; cnn_rate: the CNN's rate as a share of it.
        clip: largest length of the gradient of all weights.
        evaluate_every: updates between evaluations; the best of them, and the state before the
            first update, decide which weights are kept.
    """

    size: Size = "paper"
    window: int = Field(default=40, ge=2)
    windows: int = Field(default=5, ge=1)
    burn_in: int = Field(default=10, ge=0)
    updates: int = Field(default=1000, ge=1)
    lr: float = Field(default=1e-4, gt=0)
    cnn_rate: float = Field(default=0.1, ge=0)
    clip: float = Field(default=1.0, gt=0)
    evaluate_every: int = Field(default=100, ge=1)

    @model_validator(mode="before")
    @classmethod
    def _fill(cls, data: Any) -> Any:
        return with_preset(data, JOINT_PRESETS)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.burn_in >= self.window:
            raise ValueError(
                f"burn_in {self.burn_in} leaves nothing of a window of {self.window} frames"
            )
        return self
