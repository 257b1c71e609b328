"""Scores of training subjects by networks that never saw them (A-5.11, ``oof``).

The networks are over-confident on the people whom they were trained on, so a fusion that learned
from those scores would trust the wrong stream. Here the training subjects are dealt into a few
parts; for each part a CNN and an LSTM stack learn from the other parts and score it. So the fusion
may learn from all training subjects instead of the few that validate. The price is one more
training of both networks a part, each on ``1 - 1 / parts`` of the subjects.

What always holds: a training subject is scored by the pair that did not see it; parts are by
subject, and alike on every worker; a part that was finished before an interruption is not trained
again.

Legend: S subjects, L action units.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.context import LocalContext
from harness.data.frames import FrameSet
from harness.errors import UserError
from harness.method import Context
from hybrid.checkpoints import load_model, save_model
from hybrid.cnn_training import train_cnn
from hybrid.draws import derived_seed
from hybrid.lstm_model import LstmModel, Streams
from hybrid.options import OutOfFoldOptions
from hybrid.sequence_training import train_lstm

KIND = "out_of_fold"
FOLDER = "parts"


@dataclass(frozen=True, kw_only=True)
class OutOfFoldModel:
    """``models[i]`` scores the subjects in ``subjects[i]``, whom it has not seen."""

    subjects: tuple[tuple[str, ...], ...]
    models: tuple[LstmModel, ...]

    @property
    def aus(self) -> tuple[int, ...]:
        """What the outputs stand for."""
        return self.models[0].aus

    def streams(self, frames: FrameSet) -> Streams:
        """What both networks say of frames of training subjects.

        fc7 and hidden states of different networks cannot be compared, so they are left empty.
        """
        shape = (len(frames), len(self.aus))
        logits_NL, scores_NL = np.empty(shape, np.float32), np.empty(shape, np.float32)
        names_N = frames.subjects.astype(str)
        unseen_N = np.zeros(len(frames), bool)
        for subjects, model in zip(self.subjects, self.models, strict=True):
            rows = np.flatnonzero(np.isin(names_N, subjects))
            streams = model.streams(frames.select(rows))
            logits_NL[rows], scores_NL[rows] = streams.logits_NL, streams.scores_NL
            unseen_N[rows] = True
        if not unseen_N.all():
            stranger = str(names_N[np.flatnonzero(~unseen_N)[0]])
            raise UserError(f"subject {stranger!r} was not dealt into a part: no scores of it")
        empty = np.empty((len(frames), 0), np.float32)
        return Streams(logits_NL=logits_NL, fc7_ND=empty, scores_NL=scores_NL, hidden_NH=empty)

    def scores(self, frames: FrameSet) -> np.ndarray:
        """float32 (N, L): the LSTMs' scores, so that the stage is a model like any other."""
        columns = [self.aus.index(au) for au in frames.aus]
        return np.ascontiguousarray(self.streams(frames).scores_NL[:, columns])

    def save(self, folder: Path) -> None:
        """Writes every pair into a folder of its own."""
        header = {"subjects": [list(s) for s in self.subjects]}
        save_model(folder, kind=KIND, aus=self.aus, options={}, tensors={}, about=header)
        for number, model in enumerate(self.models):
            (folder / str(number)).mkdir()
            model.save(folder / str(number))

    @classmethod
    def load(cls, folder: Path, device: str | None = None) -> OutOfFoldModel:
        """The model that ``save`` wrote."""
        header, _ = load_model(folder, KIND)
        subjects = tuple(tuple(part) for part in header["about"]["subjects"])
        models = tuple(LstmModel.load(folder / str(i), device) for i in range(len(subjects)))
        return cls(subjects=subjects, models=models)


def train_out_of_fold(
    train: FrameSet, validation: FrameSet, options: OutOfFoldOptions, context: Context
) -> OutOfFoldModel:
    """Trains a pair of networks for each part of the training subjects.

    ``validation`` chooses weights as it does in the final networks' training.
    """
    parts = dealt_subjects(train, options.parts, context.seed)
    models = []
    for number, held in enumerate(parts):
        names = train.subjects.astype(str)
        seen = train.select(~np.isin(names, held))
        models.append(_part(number, seen, validation, options, context))
    if context.rank == 0:
        shutil.rmtree(context.folder / FOLDER)
    return OutOfFoldModel(subjects=parts, models=tuple(models))


def dealt_subjects(train: FrameSet, num_parts: int, seed: int) -> tuple[tuple[str, ...], ...]:
    """Subjects of each part, as evenly as they go, dealt at random; the same on every worker. At
    most as many parts as there are subjects."""
    subjects = np.unique(train.subjects.astype(str))
    if len(subjects) < 2:
        raise UserError(
            "fusion data 'oof' scores each training subject by networks that learned from others, "
            f"and the training part of {train.dataset!r} has {len(subjects)} subject: take data "
            "'val'"
        )
    num_parts = min(num_parts, len(subjects))
    shuffled = np.random.default_rng(derived_seed(seed, "out of fold")).permutation(subjects)
    return tuple(tuple(sorted(part.tolist())) for part in np.array_split(shuffled, num_parts))


def _part(
    number: int,
    seen: FrameSet,
    validation: FrameSet,
    options: OutOfFoldOptions,
    context: Context,
) -> LstmModel:
    """The pair of one part, trained with checkpoints of its own, or read back if it is done."""
    place = context.folder / FOLDER / str(number)
    if (place / "model").is_dir():
        return LstmModel.load(place / "model", context.device)
    # Each training keeps its own history and checkpoints, and goes on from those.
    cnn = train_cnn(seen, validation, options.cnn, _within(context, place / "cnn"))
    lstm = train_lstm(cnn, seen, validation, options.sequence, _within(context, place / "lstm"))
    if context.rank == 0:
        aside = place / "model.part"
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir()
        lstm.save(aside)
        aside.rename(place / "model")
    outcome = _outcome(place) if context.rank == 0 else {}
    context.report({"step": number + 1, **outcome})
    return lstm


def _outcome(place: Path) -> dict[str, float]:
    """Loss and validation F1 at which a part's LSTMs ended, for the stage's own history."""
    file = place / "lstm" / "history.jsonl"
    last = json.loads(file.read_text(encoding="utf-8").splitlines()[-1])
    return {key: last[key] for key in ("loss", "validation_mean_f1") if key in last}


def _within(context: Context, folder: Path) -> LocalContext:
    """The same process, seed and fellows, at work in a folder below."""
    return LocalContext(
        folder,
        device=context.device,
        threads=context.threads,
        seed=context.seed,
        rank=context.rank,
        world_size=context.world_size,
    )
