"""The suite: datasets, settings and methods, as frozen values.

A suite file is YAML of exactly this shape (see docs/suites.md); every name that is not listed here
is refused.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DatasetSpec(_Frozen):
    """A dataset: synthetic faces made by a recipe, or a prepared dataset on disk.

    Either ``synthetic`` (a preset) with the recipe's sizes, or ``prepared`` (a folder). ``groups``
    is a regular expression with a part ``(?P<group>...)`` over subject ids: people of one group
    stay on one side of every split. A prepared dataset that knows its groups needs none.
    """

    synthetic: str | None = None
    prepared: Path | None = None
    subjects: int | None = None
    tasks: int | None = None
    frames: int | None = None
    seed: int | None = None
    groups: str | None = None

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
    """Within one dataset under a protocol, or train on one dataset and test on another."""

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
    """What a method's jobs may hold, where the method's own word is not to count."""

    cpus: float | None = Field(default=None, gt=0)
    gpus: float | None = Field(default=None, ge=0)
    workers: int | None = Field(default=None, ge=1)
    memory: int | None = Field(default=None, ge=0)


class MethodSpec(_Frozen):
    """A row of the comparison: a registered method or dotted path, with its options."""

    method: str | None = None
    options: dict[str, Any] = Field(default_factory=dict)
    resources: ResourceSpec = ResourceSpec()


class TrackingSpec(_Frozen):
    """Where the run is mirrored in W&B; without a mode, it goes by whether a login is there."""

    mode: Literal["online", "offline", "disabled"] | None = None
    project: str = Field(default="aubench", pattern=r"^[^/\\#?%:]{1,128}$")
    entity: str | None = None


class SuiteSpec(_Frozen):
    """Everything that a run is made from."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    description: str = ""
    seeds: tuple[int, ...] = (0,)
    split_seed: int = 0
    aus: tuple[int, ...] | None = None
    validation_share: float = Field(default=0.2, gt=0, lt=1)
    tracking: TrackingSpec = TrackingSpec()
    datasets: dict[str, DatasetSpec] = Field(min_length=1)
    settings: tuple[SettingSpec, ...] = Field(min_length=1)
    methods: dict[str, MethodSpec] = Field(min_length=1)

    @field_validator("methods", mode="before")
    @classmethod
    def _bare_names(cls, value: Any) -> Any:
        """``svm:`` alone means the method of that name with its default options."""
        if isinstance(value, dict):
            return {name: {} if spec is None else spec for name, spec in value.items()}
        return value

    @field_validator("seeds", "aus")
    @classmethod
    def _distinct(cls, value: tuple[int, ...] | None) -> tuple[int, ...] | None:
        if value is not None and (len(set(value)) != len(value) or not value):
            raise ValueError("give at least one, each once")
        return value
