"""Jobs, cells and plans: values that can be listed, costed and stored before anything runs.

A job's key is a hash of everything that can change its result. Same key, same result: finished jobs
are never run again, and methods that ask for the same stage on the same split share it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from operator import attrgetter
from typing import Any, Literal

from harness.method import Needs
from harness.protocol import Split

PLAN_VERSION = 1
Kind = Literal["dataset", "feature", "stage", "cell", "study"]


def digest(*parts: Any) -> str:
    """Key of anything that JSON can hold: 20 hexadecimal digits."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.blake2b(text.encode(), digest_size=10).hexdigest()


@lru_cache(maxsize=1024)
def job_seed(seed: int, *parts: Any) -> int:
    """Seed of a job: the same for every method on one split, so that methods differ by method."""
    return int(digest(seed, *parts)[:15], 16)


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """A unit of work that several cells may share.

    Attributes:
        key: hash of everything that can change the result.
        kind: make a dataset, extract a feature, train a shared stage, fit and score a cell, or make
            a study.
        title: for people: ``"hybrid · lab 3-fold · fold 2"``.
        group: what progress is counted under: a method's row, or the kind.
        needs: keys of the jobs whose results it reads.
        resources: what it holds while it runs.
        split: key of its split in ``Plan.splits``; empty where it has none.
        num_frames: frames that it reads, for estimates.
        spec: everything that the worker needs to do it, as plain JSON.
    """

    key: str
    kind: Kind
    title: str
    group: str
    needs: tuple[str, ...]
    resources: Needs
    split: str
    num_frames: int
    spec: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Its fields; ``asdict`` copies every value, which costs seconds for a large plan."""
        entry: dict[str, Any] = dict(zip(_JOB, _job_values(self), strict=True))
        entry["resources"] = vars(self.resources)
        return entry


@dataclass(frozen=True, kw_only=True, slots=True)
class Cell:
    """One method × setting × fold × seed, and the job that gives its scores."""

    setting: str
    train_dataset: str
    test_dataset: str
    protocol: str
    fold: str
    method: str
    seed: int
    job: str


@dataclass(frozen=True, kw_only=True, slots=True)
class StudyCell:
    """One study of one setting and seed, and the job that makes it.

    ``study`` is the suite's name for it, ``kind`` the registered name or dotted path; ``fold`` is
    the setting's first, whose trained stages it looks at.
    """

    study: str
    kind: str
    setting: str
    train_dataset: str
    test_dataset: str
    protocol: str
    fold: str
    seed: int
    job: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Omitted:
    """A method (or study) that does not apply to a setting, and why, in one line."""

    name: str
    setting: str
    reason: str


_JOB, _CELL = (tuple(field.name for field in fields(kind)) for kind in (Job, Cell))
_job_values, _cell_values = attrgetter(*_JOB), attrgetter(*_CELL)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A whole sweep as a value.

    Attributes:
        suite, description: the suite's name and what it says it is for.
        methods, settings: rows and titles, in the suite's order.
        jobs: by key, each after those that it needs.
        splits: by key; many jobs share one.
        datasets: by the suite's name for it: folder, identity, AUs, subjects, sequences, frames.
        studies: analyses that the run makes beside its cells.
        omitted: what the suite asks for and cannot be, without being a mistake.
    """

    suite: str
    description: str
    methods: tuple[str, ...]
    settings: tuple[str, ...]
    jobs: Mapping[str, Job]
    cells: tuple[Cell, ...]
    splits: Mapping[str, Split]
    datasets: Mapping[str, Mapping[str, Any]]
    studies: tuple[StudyCell, ...] = ()
    omitted: tuple[Omitted, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain JSON, read back by ``from_json``."""
        return {
            "plan_version": PLAN_VERSION,
            "suite": self.suite,
            "description": self.description,
            "methods": list(self.methods),
            "settings": list(self.settings),
            "jobs": [job.to_json() for job in self.jobs.values()],
            "cells": [dict(zip(_CELL, _cell_values(cell), strict=True)) for cell in self.cells],
            "splits": {key: asdict(split) for key, split in self.splits.items()},
            "datasets": {name: dict(entry) for name, entry in self.datasets.items()},
            "studies": [asdict(study) for study in self.studies],
            "omitted": [asdict(entry) for entry in self.omitted],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Plan:
        """The plan that ``to_json`` wrote."""
        jobs = {}
        for entry in data["jobs"]:
            fields = {
                **entry,
                "needs": tuple(entry["needs"]),
                "resources": Needs(**entry["resources"]),
            }
            jobs[entry["key"]] = Job(**fields)
        return cls(
            suite=data["suite"],
            description=data["description"],
            methods=tuple(data["methods"]),
            settings=tuple(data["settings"]),
            jobs=jobs,
            cells=tuple(Cell(**entry) for entry in data["cells"]),
            splits={key: _split(entry) for key, entry in data["splits"].items()},
            datasets=data["datasets"],
            # Plans of runs that were made before there were studies have neither.
            studies=tuple(StudyCell(**entry) for entry in data.get("studies", ())),
            omitted=tuple(Omitted(**entry) for entry in data.get("omitted", ())),
        )


def _split(entry: Mapping[str, Any]) -> Split:
    parts = {part: tuple(entry[part]) for part in ("train", "validation", "test")}
    return Split(protocol=entry["protocol"], fold=entry["fold"], **parts)
