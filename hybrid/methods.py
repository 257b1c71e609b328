"""Methods ``anet``, ``lstm``, ``hybrid`` and ``end-to-end``, and the stages that they share.

    Cnn            trains ANet                       (stage, section 3.1)
    LstmStack      trains the LSTMs on its fc7       (stage, section 3.2; rests on Cnn)
    OutOfFold      trains both, once a part          (stage, for the fusion's data ``oof``)
    JointTraining  trains both on as one network     (stage, section 7; rests on LstmStack)
    Anet           the CNN's own scores              rests on Cnn
    Lstm           the LSTMs' scores                 rests on LstmStack
    Hybrid         trains the fusion of both         rests on LstmStack, which holds its Cnn
    EndToEnd       the LSTMs' scores                 rests on JointTraining

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
    EndToEndOptions,
    HybridOptions,
    JointTrainingOptions,
    LstmOptions,
    OutOfFoldOptions,
    TemporalOptions,
)
from hybrid.search_space import LSTM_SPACE, PAPER_CHOICE


def cnn_stage(options: CnnOptions) -> Stage:
    """The stage that trains the CNN with these options."""
    return Stage(method="hybrid.methods:Cnn", options=options.model_dump(mode="json"))


def lstm_stage(options: TemporalOptions) -> Stage:
    """The stage that trains the LSTMs of these options."""
    own = TemporalOptions(**options.model_dump(include={"size", "cnn", "sequence"}))
    return Stage(method="hybrid.methods:LstmStack", options=own.model_dump(mode="json"))


def joint_stage(options: JointTrainingOptions) -> Stage:
    """The stage that trains the networks of these options on, together."""
    shared = options.model_dump(include={"size", "cnn", "sequence", "joint"})
    own = JointTrainingOptions(**shared)
    return Stage(method="hybrid.methods:JointTraining", options=own.model_dump(mode="json"))


def out_of_fold_stage(options: HybridOptions) -> Stage:
    """The stage that scores the training subjects by networks that did not see them."""
    shared = options.model_dump(include={"size", "cnn", "sequence"})
    own = OutOfFoldOptions(**shared, parts=options.fusion.parts)
    return Stage(method="hybrid.methods:OutOfFold", options=own.model_dump(mode="json"))


class Cnn(Method):
    """Trains ANet on still faces."""

    code_version = 4
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


class OutOfFold(Method):
    """Trains CNN and LSTMs on parts of the training subjects, to score the others."""

    Options = OutOfFoldOptions
    options: OutOfFoldOptions

    def needs(self) -> Needs:
        """A training process."""
        return Needs(train=True)

    def fit(self, train: FrameSet, validation: FrameSet, context: Context) -> Model:
        """A pair of networks for each part."""
        from hybrid.out_of_fold import train_out_of_fold

        return train_out_of_fold(train, validation, self.options, context)

    @classmethod
    def load(cls, folder: Path) -> Model:
        """The saved pairs."""
        from hybrid.out_of_fold import OutOfFoldModel

        return OutOfFoldModel.load(folder)


class JointTraining(Method):
    """Trains CNN and LSTMs on, end to end."""

    Options = JointTrainingOptions
    options: JointTrainingOptions

    def needs(self) -> Needs:
        """A training process."""
        return Needs(train=True)

    def stages(self) -> Mapping[str, Stage]:
        """Both networks as trained one after the other."""
        return {"lstm": lstm_stage(self.options)}

    def fit(self, train: FrameSet, validation: FrameSet, context: Context) -> Model:
        """Both networks with the weights that did best on ``validation``."""
        from hybrid.end_to_end import train_end_to_end
        from hybrid.lstm_model import LstmModel

        lstm = LstmModel.load(context.stage("lstm"), context.device)
        return train_end_to_end(lstm, train, validation, self.options.joint, context)

    @classmethod
    def load(cls, folder: Path) -> Model:
        """The saved networks."""
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
    search_space = LSTM_SPACE
    search_reference = PAPER_CHOICE

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


class EndToEnd(Method):
    """Method ``end-to-end``: the LSTMs after both networks were trained on as one."""

    Options = EndToEndOptions
    options: EndToEndOptions

    def stages(self) -> Mapping[str, Stage]:
        """The jointly trained networks."""
        return {"joint": joint_stage(self.options)}

    def fit(self, train: FrameSet, validation: FrameSet, context: Context) -> Model:
        """The trained stage, with thresholds where asked for."""
        from hybrid.lstm_model import LstmModel
        from hybrid.thresholds import with_thresholds

        lstm = LstmModel.load(context.stage("joint"), context.device)
        return with_thresholds(lstm, validation, self.options.threshold)

    @classmethod
    def load(cls, folder: Path) -> Model:
        """The saved networks."""
        return _loaded(folder)


class Hybrid(Method):
    """Method ``hybrid``: CNN and LSTMs, fused."""

    code_version = 2
    Options = HybridOptions
    options: HybridOptions
    search_space = LSTM_SPACE
    search_reference = PAPER_CHOICE

    def stages(self) -> Mapping[str, Stage]:
        """The trained stack, which holds the CNN that both streams share; and what ``oof`` asks
        for."""
        stages = {"lstm": lstm_stage(self.options)}
        if self.options.fusion.data == "oof":
            stages["oof"] = out_of_fold_stage(self.options)
        return stages

    def fit(self, train: FrameSet, validation: FrameSet, context: Context) -> Model:
        """The fusion of both streams, which stay as they are."""
        from hybrid.fusion_training import train_fusion
        from hybrid.lstm_model import LstmModel
        from hybrid.out_of_fold import OutOfFoldModel
        from hybrid.thresholds import with_thresholds

        lstm = LstmModel.load(context.stage("lstm"), context.device)
        unseen = None
        if self.options.fusion.data == "oof":
            unseen = OutOfFoldModel.load(context.stage("oof"), context.device)
        fused = train_fusion(lstm, train, validation, self.options.fusion, context, unseen)
        return with_thresholds(fused, validation, self.options.threshold)

    @classmethod
    def load(cls, folder: Path) -> Model:
        """The saved hybrid, with both its streams."""
        return _loaded(folder)


def _loaded(folder: Path) -> Any:
    from hybrid.thresholds import load_any

    return load_any(folder)
