"""Options of the hybrid network's parts, with the paper's settings as defaults.

Every place where the paper can be read in more than one way is one option here; ``docs/paper.md``
lists the readings under the labels A-5.1 to A-5.12. ``size`` presets many at once: ``paper`` is the
paper's network and training, ``small`` the same layers for small sets of faces, which one CPU core
trains in seconds, ``medium`` small kernels in their place, for twice the time. An option given
beside ``size`` overrides the preset.

What always holds: importing this module imports no torch; options are frozen, and dumping them
gives every value, so that ``{"size": "small"}`` and its explicit twin are the same options.
"""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from harness.method import Options
from hybrid.cnn_options import AnetOptions, CnnOptions, Sampler
from hybrid.fusion_options import FusionOptions
from hybrid.presets import Size, size_handed_down
from hybrid.sequence_options import JointOptions, SequenceOptions

__all__ = [
    "AnetOptions",
    "CnnOptions",
    "EndToEndOptions",
    "FusionOptions",
    "HybridOptions",
    "JointOptions",
    "JointTrainingOptions",
    "LstmOptions",
    "OutOfFoldOptions",
    "Sampler",
    "SequenceOptions",
    "Size",
    "TemporalOptions",
]


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
        return size_handed_down(data, "cnn", "sequence")

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


class JointTrainingOptions(TemporalOptions):
    """The stage that trains both networks on, together.

    Attributes:
        joint: the training.
    """

    joint: JointOptions = JointOptions()

    @model_validator(mode="before")
    @classmethod
    def _fill_joint(cls, data: Any) -> Any:
        return size_handed_down(data, "joint")


class EndToEndOptions(JointTrainingOptions):
    """The method ``end-to-end``: the LSTMs' scores after joint training.

    Attributes:
        threshold: ``fixed`` or ``val_f1`` (A-5.12).
    """

    threshold: Literal["fixed", "val_f1"] = "fixed"


class OutOfFoldOptions(TemporalOptions):
    """The networks behind the fusion's data ``oof``.

    Attributes:
        parts: into how many the training subjects are dealt.
    """

    parts: int = Field(default=3, ge=2)


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
        return size_handed_down(data, "fusion")
