"""The suite: datasets, settings, methods and studies, as frozen values.

A suite file is YAML of exactly this shape (see docs/suites.md); every name that is not listed here
is refused.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from harness.storage import plain_address

TIME_UNITS = {"hours": 3600.0, "minutes": 60.0, "seconds": 1.0}


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DatasetSpec(_Frozen):
    """A dataset: synthetic faces made by a recipe, or a prepared dataset on disk.

    Either ``synthetic`` (a preset) with the recipe's sizes (``subjects``, ``tasks`` of each,
    ``frames`` of a task on average) and ``seed``, or ``prepared`` (a folder, or an
    address on object storage such as ``s3://bucket/folder``). ``groups`` is a regular expression
    with a part ``(?P<group>...)`` over subject ids: people of one group stay on one side of every
    split. A prepared dataset that knows its groups needs none.
    """

    synthetic: str | None = None
    prepared: str | None = None
    subjects: int | None = None
    tasks: int | None = None
    frames: int | None = None
    seed: int | None = None
    groups: str | None = None

    @field_validator("prepared", mode="before")
    @classmethod
    def _address(cls, value: Any) -> Any:
        text = str(value) if isinstance(value, Path) else value
        return plain_address(text) if isinstance(text, str) and "://" in text else text

    @model_validator(mode="after")
    def _one_source(self) -> DatasetSpec:
        if (self.synthetic is None) == (self.prepared is None):
            raise ValueError("give either 'synthetic: PRESET' or 'prepared: FOLDER'")
        if self.prepared is not None:
            extra = [
                f for f in ("subjects", "tasks", "frames", "seed") if getattr(self, f) is not None
            ]
            if extra:
                raise ValueError(f"{extra[0]!r} belongs to synthetic datasets only")
        return self


class SettingSpec(_Frozen):
    """``within`` one dataset under a ``protocol`` (with ``lists``, a file, if that is ``list``), or
    ``train`` on one dataset and ``test`` on another."""

    within: str | None = None
    protocol: str | None = None
    train: str | None = None
    test: str | None = None
    lists: Path | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> SettingSpec:
        if self.within is not None:
            if self.train is not None or self.test is not None:
                raise ValueError("give either 'within' or 'train' and 'test', not both")
            if self.protocol is None:
                raise ValueError("'within' needs a protocol, for example 'protocol: 3-fold'")
            if (self.protocol == "list") != (self.lists is not None):
                raise ValueError("'lists: FILE' goes with 'protocol: list', and only with it")
        elif self.train is None or self.test is None:
            raise ValueError("give 'within: DATASET' or both 'train: DATASET' and 'test: DATASET'")
        elif self.protocol is not None or self.lists is not None:
            raise ValueError("a cross-dataset setting takes no protocol")
        elif self.train == self.test:
            raise ValueError("train and test are the same dataset: use 'within'")
        return self

    @property
    def title(self) -> str:
        """``"lab 3-fold"`` or ``"lab → group"``."""
        return f"{self.within} {self.protocol}" if self.within else f"{self.train} → {self.test}"


class ResourceSpec(_Frozen):
    """What a method's jobs may hold, where the method's own word is not to count; and the time that
    one job may take, in one of three units.

    Attributes:
        cpus, gpus: shares are allowed (0.5).
        workers: processes that train together, each holding that much.
        memory: bytes.
        hours, minutes, seconds: of one job.
    """

    cpus: float | None = Field(default=None, gt=0)
    gpus: float | None = Field(default=None, ge=0)
    workers: int | None = Field(default=None, ge=1)
    memory: int | None = Field(default=None, ge=0)
    hours: float | None = Field(default=None, gt=0)
    minutes: float | None = Field(default=None, gt=0)
    seconds: float | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _one_unit(self) -> ResourceSpec:
        given = [unit for unit in TIME_UNITS if getattr(self, unit) is not None]
        if len(given) > 1:
            raise ValueError(f"give the time limit in one unit, not in {' and '.join(given)}")
        return self

    def overrides(self) -> dict[str, Any]:
        """The fields of ``harness.method.Needs`` that are given here; the time in seconds."""
        found = self.model_dump(exclude_none=True)
        limits = [found.pop(unit) * size for unit, size in TIME_UNITS.items() if unit in found]
        return found | ({"seconds": limits[0]} if limits else {})


class MethodSpec(_Frozen):
    """A row of the comparison: a registered method or dotted path, with its options; ``resources``
    go over the method's own word.

    ``folds``: by a setting's title and a fold, options that go over ``options`` there; this is how
    what a search has found inside one fold's training part stays with that fold.
    """

    method: str | None = None
    options: dict[str, Any] = Field(default_factory=dict)
    folds: dict[str, dict[str, dict[str, Any]]] = Field(default_factory=dict)
    resources: ResourceSpec = ResourceSpec()

    @field_validator("folds", mode="before")
    @classmethod
    def _fold_names(cls, value: Any) -> Any:
        """A fold's name that YAML reads as a number is a name all the same."""
        if not isinstance(value, dict):
            return value
        return {
            title: {str(fold): own for fold, own in folds.items()}
            if isinstance(folds, dict)
            else folds
            for title, folds in value.items()
        }


class StudySpec(_Frozen):
    """A study: a registered one or a dotted path, where it looks, and its options.

    ``on`` is the position (from 0) or the title of one of the suite's settings; ``resources`` as of
    ``MethodSpec``.
    """

    study: str | None = None
    on: int | str = 0
    options: dict[str, Any] = Field(default_factory=dict)
    resources: ResourceSpec = ResourceSpec()


class SearchSpec(_Frozen):
    """What `aubench tune` looks for (docs/search.md).

    Attributes:
        method: the row whose options are searched.
        setting: position (from 0) or title of the setting inside whose folds it is searched.
        space: by option (``sequence.margin``): a list of choices, or one of ``choices``,
            ``uniform``, ``loguniform``, ``int``, ``logint``. Without it, the method's own space.
        algorithm: how points are suggested; ``grid`` tries every one.
        reference: options that are tried first and marked in the report; without it (and without a
            space), the method's own.
        metric, mode: what is to be large (``max``) or small (``min``) on validation subjects.
        trials: for each fold; a grid has as many as it has points.
        epochs, seconds: a trial ends after so many reports, or so much time.
        stop_early: whether unpromising trials are stopped; by default unless it is a grid.
        grace: reports that every trial is let make first.
        seed: of the suggestions.
        parallel: trials at once at most; by default as many as find room.
        cpus, gpus: that a trial holds (a share, 0.25); by default what the row's jobs hold.
    """

    method: str
    setting: int | str = 0
    space: dict[str, Any] = Field(default_factory=dict)
    reference: dict[str, Any] = Field(default_factory=dict)
    algorithm: Literal["tpe", "random", "grid"] = "tpe"
    metric: str = "validation_mean_f1"
    mode: Literal["max", "min"] = "max"
    trials: int | None = Field(default=None, ge=1)
    epochs: int | None = Field(default=None, ge=1)
    seconds: float | None = Field(default=None, gt=0)
    stop_early: bool | None = None
    grace: int = Field(default=1, ge=1)
    seed: int = Field(default=0, ge=0)
    parallel: int | None = Field(default=None, ge=1)
    cpus: float | None = Field(default=None, gt=0)
    gpus: float | None = Field(default=None, ge=0)

    @model_validator(mode="after")
    def _grid_is_counted(self) -> SearchSpec:
        if self.algorithm == "grid" and self.trials is not None:
            raise ValueError("a grid has as many trials as it has points: leave 'trials' out")
        return self


class TrackingSpec(_Frozen):
    """Where the run is mirrored in W&B (``project``, ``entity``); without a ``mode``, it goes by
    whether a login is there."""

    mode: Literal["online", "offline", "disabled"] | None = None
    project: str = Field(default="aubench", pattern=r"^[^/\\#?%:]{1,128}$")
    entity: str | None = None


class SuiteSpec(_Frozen):
    """Everything that a run is made from.

    Attributes:
        name: of the run's folder; ``description`` is shown in the report.
        seeds: every cell once per seed; ``split_seed`` is that of the folds.
        aus: those to learn and to score; None: all that a setting's datasets share.
        validation_share: of the training subjects, held out to choose on.
        metrics: further metrics of the report, by name or as ``package.module:function``.
        datasets, settings, methods, studies: what is compared, on what.
        tracking, search: W&B; what `aubench tune` looks for.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    description: str = ""
    seeds: tuple[int, ...] = (0,)
    split_seed: int = 0
    aus: tuple[int, ...] | None = None
    validation_share: float = Field(default=0.2, gt=0, lt=1)
    metrics: tuple[str, ...] = ()
    tracking: TrackingSpec = TrackingSpec()
    datasets: dict[str, DatasetSpec] = Field(min_length=1)
    settings: tuple[SettingSpec, ...] = Field(min_length=1)
    methods: dict[str, MethodSpec] = Field(min_length=1)
    studies: dict[str, StudySpec] = Field(default_factory=dict)
    search: SearchSpec | None = None

    @field_validator("methods", "studies", mode="before")
    @classmethod
    def _bare_names(cls, value: Any) -> Any:
        """``svm:`` alone means the method or study of that name with its default options."""
        if isinstance(value, dict):
            return {name: {} if spec is None else spec for name, spec in value.items()}
        return value

    @field_validator("seeds", "aus")
    @classmethod
    def _distinct(cls, value: tuple[int, ...] | None) -> tuple[int, ...] | None:
        if value is not None and (len(set(value)) != len(value) or not value):
            raise ValueError("give at least one, each once")
        return value
