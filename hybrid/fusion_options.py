"""Options of the fusion network, with the paper's settings as defaults (A-5.9 to A-5.11)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from harness.method import Options
from hybrid.presets import Size, with_preset

# The few validation subjects of a small set are learned by heart in no time, so the fusion
# learns from all training subjects, as seen by networks that did not see them.
SMALL: Mapping[str, Any] = {
    "data": "oof",
    "normalise": "au",
    "init": "weighted",
    "positive_weights": True,
    "lr": 1e-3,
}
FUSION_PRESETS: Mapping[str, Mapping[str, Any]] = {"paper": {}, "medium": SMALL, "small": SMALL}


class FusionOptions(Options):
    """The fusion network (section 3.3).

    Attributes:
        size: preset, see the module.
        mode: A-5.9. ``score_fc2`` stacks both L2-normalised scores under two fully connected
            layers; ``siamese`` puts the same first layer on each; ``feature`` fuses normalised
            fc7 with the LSTM's state; ``linear`` is one layer on the stacked scores.
        normalise: along what the scores are L2-normalised: ``frame`` gives each frame's vector of
            AUs length 1, which leaves of a score only its share among the frame's AUs; ``au``
            divides each AU's scores by their root mean square over the frames that the fusion
            learns from, which leaves the order of the frames as it is.
        score: whether the CNN's score is its ``logit`` or its ``prob`` (A-5.10).
        data: what the fusion learns from (A-5.11): ``val`` the validation subjects, ``train`` the
            training subjects, ``oof`` the training subjects as scored by networks that did not see
            them (``parts`` more trainings of both networks).
        parts: into how many parts ``oof`` deals the training subjects, if there are as many.
        hidden: units of the first layer.
        init: ``sum`` starts as the sum of both normalised scores; ``weighted`` as their weighted
            sum, with the one of five weights that has the best mean F1 on the frames it learns
            from; ``random`` as torch does, which is the default of mode ``feature``.
        loss: ``ce`` Eq. 1, or ``hinge`` the LSTM's loss.
        positive_weights: as for the CNN; else the fusion, which sees frames as they come, unlearns
            what sampling and the choice of windows did for rare AUs.
        lr, momentum, weight_decay, batch, epochs: stochastic gradient descent.
        holdout: share of the frames, whole subjects where there are several and stretches of
            sequences else, on which the best epoch is chosen.
    """

    size: Size = "paper"
    mode: Literal["score_fc2", "siamese", "feature", "linear"] = "score_fc2"
    normalise: Literal["frame", "au"] = "frame"
    score: Literal["logit", "prob"] = "logit"
    data: Literal["val", "train", "oof"] = "val"
    parts: int = Field(default=3, ge=2)
    hidden: int = Field(default=64, ge=1)
    init: Literal["sum", "weighted", "random"] = "sum"
    loss: Literal["ce", "hinge"] = "ce"
    positive_weights: bool = False
    lr: float = Field(default=1e-2, gt=0)
    momentum: float = Field(default=0.9, ge=0, lt=1)
    weight_decay: float = Field(default=5e-4, ge=0)
    batch: int = Field(default=196, ge=1)
    epochs: int = Field(default=30, ge=1)
    holdout: float = Field(default=0.2, gt=0, lt=1)

    @model_validator(mode="before")
    @classmethod
    def _fill(cls, data: Any) -> Any:
        filled = with_preset(data, FUSION_PRESETS)
        if not isinstance(filled, Mapping):
            return filled
        # What of the preset does not fit an option that was asked for gives way to it; what was
        # asked for itself is checked.
        fitting: dict[str, Any] = {}
        if filled.get("mode") == "feature":
            fitting = {"init": "random", "normalise": "frame", "data": "val"}
        elif filled.get("mode") == "siamese":
            fitting = {"init": "sum"}
        if filled.get("loss") == "hinge":
            fitting["positive_weights"] = False
        return {**filled, **fitting, **data}

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
        if self.mode == "feature" and self.normalise == "au":
            raise ValueError("normalise 'au' is of scores, and mode 'feature' reads none")
        if self.positive_weights and self.loss == "hinge":
            raise ValueError("positive_weights weigh the terms of loss 'ce', not those of 'hinge'")
        if self.mode == "feature" and self.data == "oof":
            raise ValueError(
                "data 'oof' reads several networks, whose features cannot be compared, so it "
                "cannot go with mode 'feature': take data 'val'"
            )
        return self
