"""The contract between the harness and a method: fit, scores, save, load.

A method learns from a training part, may look at a validation part to choose among its options,
and gives a model. A model scores frames that it sees without labels. That is all that is asked;
the class attributes below have defaults, and a method overrides those that it needs.

Nothing in here imports ray, torch or any method.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol

import numpy as np
from pydantic import BaseModel, ConfigDict

from harness.data.frames import FrameSet


class Options(BaseModel):
    """Base of every method's options: frozen, keyword-only, and no unknown names."""

    model_config = ConfigDict(frozen=True, extra="forbid")


@dataclass(frozen=True, kw_only=True)
class Needs:
    """What one job of a method asks of the cluster.

    Attributes:
        cpus, gpus: share of a node that one worker holds (gpus may be a fraction, 0 for none).
        workers: processes that train together; more than one means a Ray Train worker group.
        train: whether ``fit`` runs under Ray Train (network training) or as a plain task.
        memory: bytes that one worker holds, where the method can tell; 0 leaves it to the engine.
        seconds: that one job may take before it is stopped and recorded as failed; 0 for no limit.
    """

    cpus: float = 1
    gpus: float = 0
    workers: int = 1
    train: bool = False
    memory: int = 0
    seconds: float = 0


@dataclass(frozen=True, kw_only=True)
class Feature:
    """A feature that a method reads: an extractor by dotted path, and its options.

    ``name`` is what ``frames.feature(name)`` is called with. The harness extracts it once per
    dataset, before any job that reads it.
    """

    name: str
    extractor: str
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A trained part that a method shares with others: itself a method, by registered name or
    dotted path, with options. Trained once for all who ask for the same on the same split.

    ``on`` says what it is trained on:

    - ``"train"``: the training and validation parts of the cell's own split.
    - ``"other"``: another dataset of the suite, all of its subjects but a validation share (the
      paper's ANet_T, section 4.2). Never a dataset that the cell trains or tests on, and never a
      person who is in one of those; so within A it is trained on B, and for A → B on a third
      dataset. One training serves all folds.

    Which other dataset that is, is clear where the suite has one; where it has several, ``dataset``
    (the suite's name for it) must say, usually by an option of the method. Where no other dataset
    may be used, the cell is not planned and `plan` says why; with ``fallback`` the stage is then
    trained as by ``"train"``. ``context.stage(name)`` is the same either way, and ``card.json`` in
    that folder names the ``train_dataset`` and the subjects that it has seen.
    """

    method: str
    options: Mapping[str, Any] = field(default_factory=dict)
    on: Literal["train", "other"] = "train"
    dataset: str | None = None
    fallback: bool = False


class Context(Protocol):
    """What a training loop may know of where it runs."""

    @property
    def device(self) -> str:
        """``"cpu"`` or ``"cuda:0"``."""

    @property
    def rank(self) -> int:
        """This process among those that train together, from 0."""

    @property
    def world_size(self) -> int:
        """How many train together."""

    @property
    def threads(self) -> int:
        """CPU threads that this process may use."""

    @property
    def seed(self) -> int:
        """Of this job; the same on every rank."""

    @property
    def folder(self) -> Path:
        """This job's own folder, which outlives a crash of the process."""

    def stage(self, name: str) -> Path:
        """Folder in which the model of the named stage was saved."""

    def report(
        self, metrics: Mapping[str, float], checkpoint: Callable[[Path], None] | None = None
    ) -> None:
        """Records a row of progress; with ``checkpoint``, a function that writes into a folder,
        also a place to go on from. Every rank calls it equally often; rank 0 writes."""

    def restore(self) -> Path | None:
        """Folder of the last complete checkpoint of this very job, or None."""


class Model(Protocol):
    """A trained model. ``load`` is a class method or static method beside ``save``."""

    def scores(self, frames: FrameSet) -> np.ndarray:
        """float32 (N, L), > 0 means present. ``frames`` carry no labels."""

    def save(self, folder: Path) -> None:
        """Writes everything that ``load`` needs into an existing, empty folder."""


class Method:
    """Base class of methods. A subclass gives ``fit``, and overrides what else it needs.

    Class attributes:
        Options: the pydantic model of its options.
        code_version: bumped by its author whenever the same inputs would give another result;
            finished jobs of an older version are then run again.
    """

    Options: ClassVar[type[BaseModel]] = Options
    code_version: ClassVar[int] = 1

    def __init__(self, options: Any = None) -> None:
        self.options = self.Options() if options is None else options

    def features(self) -> tuple[Feature, ...]:
        """Features that ``fit`` and ``scores`` read."""
        return ()

    def stages(self) -> Mapping[str, Stage]:
        """Shared stages that ``fit`` builds on, by the name ``context.stage`` is asked for."""
        return {}

    def needs(self) -> Needs:
        """What one job asks of the cluster."""
        return Needs()

    def fit(self, train: FrameSet, validation: FrameSet, context: Context) -> Model:
        """Learns from ``train``; chooses options on ``validation`` (other subjects) if at all."""
        raise NotImplementedError

    @classmethod
    def load(cls, folder: Path) -> Model:
        """The model that ``fit`` gave and that was saved into ``folder``."""
        raise NotImplementedError
