"""Jobs, cells and plans: values that can be listed, costed and stored before anything runs.

A job's key is a hash of everything that can change its result. Same key, same result: finished jobs
are never run again, and methods that ask for the same stage on the same split share it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from harness.method import Needs
from harness.protocol import Split

PLAN_VERSION = 1
Kind = Literal["dataset", "feature", "stage", "cell"]


def digest(*parts: Any) -> str:
    """Key of anything that JSON can hold: 20 hexadecimal digits."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.blake2b(text.encode(), digest_size=10).hexdigest()


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """A unit of work that several cells may share.

    Attributes:
        key: hash of everything that can change the result.
        kind: make a dataset, extract a feature, train a shared stage, or fit and score a cell.
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


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A whole sweep as a value.

    Attributes:
        jobs: by key, each after those that it needs.
        splits: by key; many jobs share one.
        datasets: by the suite's name for it: folder, identity, AUs, subjects, sequences, frames.
    """

    suite: str
    description: str
    methods: tuple[str, ...]
    settings: tuple[str, ...]
    jobs: Mapping[str, Job]
    cells: tuple[Cell, ...]
    splits: Mapping[str, Split]
    datasets: Mapping[str, Mapping[str, Any]]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON, read back by ``from_json``."""
        return {
            "plan_version": PLAN_VERSION,
            "suite": self.suite,
            "description": self.description,
            "methods": list(self.methods),
            "settings": list(self.settings),
            "jobs": [asdict(job) for job in self.jobs.values()],
            "cells": [asdict(cell) for cell in self.cells],
            "splits": {key: asdict(split) for key, split in self.splits.items()},
            "datasets": {name: dict(entry) for name, entry in self.datasets.items()},
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
        )


def _split(entry: Mapping[str, Any]) -> Split:
    parts = {part: tuple(entry[part]) for part in ("train", "validation", "test")}
    return Split(protocol=entry["protocol"], fold=entry["fold"], **parts)
