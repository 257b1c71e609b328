"""The paper's networks as methods: ``anet``, ``lstm`` and ``hybrid``, and the stages they share.

    Cnn            trains ANet                       (stage, section 3.1)
    LstmStack      trains the LSTMs on its fc7       (stage, section 3.2; rests on Cnn)
    Anet           the CNN's own scores              rests on Cnn
    Lstm           the LSTMs' scores                 rests on LstmStack
    Hybrid         trains the fusion of both         rests on Cnn and LstmStack (section 3.3)

The trained parts are stages so that each is trained once a split, whoever asks for it. A method
with threshold ``val_f1`` takes per-AU thresholds, chosen on the validation subjects, off its
scores.

What always holds: importing this module imports no torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.data.frames import FrameSet
from harness.method import Context, Method, Model, Needs, Stage
from hybrid.options import (
    AnetOptions,
    CnnOptions,
    HybridOptions,
    LstmOptions,
    TemporalOptions,
)


def cnn_stage(options: CnnOptions) -> Stage:
    """The stage that trains the CNN with these options."""
    return Stage(method="hybrid.methods:Cnn", options=options.model_dump(mode="json"))


def lstm_stage(options: TemporalOptions) -> Stage:
    """The stage that trains the LSTMs of these options."""
    own = TemporalOptions(**options.model_dump(include={"size", "cnn", "sequence"}))
    return Stage(method="hybrid.methods:LstmStack", options=own.model_dump(mode="json"))


class Cnn(Method):
    """Trains ANet on still faces."""

    Options = CnnOptions
    options: CnnOptions

    def needs(self) -> Needs:
        """A training process; a suite's ``resources`` give it more workers or a GPU."""
        return Needs(train=True)

    def fit(self, train: FrameSet, validation: FrameSet, context: Context) -> Model:
        """ANet with the weights that did best on ``validation``."""
        from hybrid.cnn_training import train_cnn

        return train_cnn(train, validation, self.options, context)

    @classmethod
    def load(cls, folder: Path) -> Model:
        """The saved network."""
        from hybrid.anet_model import AnetModel

        return AnetModel.load(folder)


class LstmStack(Method):
    """Trains the LSTMs on the fc7 of the shared CNN."""

    Options = TemporalOptions
    options: TemporalOptions

    def needs(self) -> Needs:
        """A training process."""
        return Needs(train=True)

    def stages(self) -> Mapping[str, Stage]:
        """The CNN."""
        return {"cnn": cnn_stage(self.options.cnn)}

    def fit(self, train: FrameSet, validation: FrameSet, context: Context) -> Model:
        """The stack with the weights that did best on ``validation``."""
        from hybrid.anet_model import AnetModel
        from hybrid.sequence_training import train_lstm

        cnn = AnetModel.load(context.stage("cnn"), context.device)
        return train_lstm(cnn, train, validation, self.options.sequence, context)

    @classmethod
    def load(cls, folder: Path) -> Model:
        """The saved stack, with the CNN that it reads."""
        from hybrid.lstm_model import LstmModel

        return LstmModel.load(folder)


class Anet(Method):
    """Method ``anet``: the multi-label CNN alone."""

    Options = AnetOptions
    options: AnetOptions

    def stages(self) -> Mapping[str, Stage]:
        """The CNN."""
        return {"cnn": cnn_stage(self.options.cnn())}

    def fit(self, train: FrameSet, validation: FrameSet, context: Context) -> Model:
        """The trained stage, with thresholds where asked for."""
        from hybrid.anet_model import AnetModel
        from hybrid.thresholds import with_thresholds

        cnn = AnetModel.load(context.stage("cnn"), context.device)
        return with_thresholds(cnn, validation, self.options.threshold)

    @classmethod
    def load(cls, folder: Path) -> Model:
        """The saved network."""
        return _loaded(folder)


class Lstm(Method):
    """Method ``lstm``: the stacked LSTMs alone."""

    Options = LstmOptions
    options: LstmOptions

    def stages(self) -> Mapping[str, Stage]:
        """The trained stack, which holds its CNN."""
        return {"lstm": lstm_stage(self.options)}

    def fit(self, train: FrameSet, validation: FrameSet, context: Context) -> Model:
        """The trained stage, with thresholds where asked for."""
        from hybrid.lstm_model import LstmModel
        from hybrid.thresholds import with_thresholds

        lstm = LstmModel.load(context.stage("lstm"), context.device)
        return with_thresholds(lstm, validation, self.options.threshold)

    @classmethod
    def load(cls, folder: Path) -> Model:
        """The saved stack, with the CNN that it reads."""
        return _loaded(folder)


class Hybrid(Method):
    """Method ``hybrid``: CNN and LSTMs, fused."""

    Options = HybridOptions
    options: HybridOptions

    def stages(self) -> Mapping[str, Stage]:
        """The trained stack, which holds the CNN that both streams share."""
        return {"lstm": lstm_stage(self.options)}

    def fit(self, train: FrameSet, validation: FrameSet, context: Context) -> Model:
        """The fusion of both streams, which stay as they are."""
        from hybrid.fusion_training import train_fusion
        from hybrid.lstm_model import LstmModel
        from hybrid.thresholds import with_thresholds

        lstm = LstmModel.load(context.stage("lstm"), context.device)
        fused = train_fusion(lstm, train, validation, self.options.fusion, context)
        return with_thresholds(fused, validation, self.options.threshold)

    @classmethod
    def load(cls, folder: Path) -> Model:
        """The saved hybrid, with both its streams."""
        return _loaded(folder)


def _loaded(folder: Path) -> Any:
    from hybrid.thresholds import load_any

    return load_any(folder)
