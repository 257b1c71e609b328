"""What W&B is told of a job: id, name, group, type, tags, configuration, summary.

Cells and stages are runs (a stage holds the training curves that several cells rest on); making
datasets and features is not. All of it is read from the plan and the run folder.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from harness.plan.jobs import Cell, Job, Plan

TAG_LENGTH = 64
NAME_LENGTH = 128


@dataclass(frozen=True, kw_only=True)
class Description:
    """How a run is shown."""

    id: str
    name: str
    group: str
    job_type: str
    tags: tuple[str, ...]
    config: Mapping[str, Any]


def describe_job(plan: Plan, job: Job, group: str) -> Description:
    """A cell or stage as a W&B run; its id is the job's key."""
    cells = [cell for cell in plan.cells if cell.job == job.key]
    split = plan.splits.get(job.split)
    tags: list[str] = [job.kind]
    if split is not None:
        tags += [split.protocol, f"fold {split.fold}"]
    config: dict[str, Any] = {
        "suite": plan.suite,
        "job": {name: value for name, value in asdict(job).items() if name != "spec"},
        **dict(job.spec),
        "split": asdict(split) if split is not None else {},
    }
    config["key"] = job.key
    if cells:
        config["cell"] = asdict(cells[0])
        tags += _of_cells(cells)
    else:
        tags += _datasets_by_folder(plan, job)
    return Description(
        id=job.key,
        name=job.title[:NAME_LENGTH],
        group=group,
        job_type=job.group[:TAG_LENGTH],
        tags=tuple(dict.fromkeys(tag[:TAG_LENGTH] for tag in tags if tag)),
        config=config,
    )


def describe_report(plan: Plan, group: str) -> Description:
    """The summary run of a sweep."""
    return Description(
        id=f"{group}-report"[:TAG_LENGTH],
        name=f"{plan.suite} · report"[:NAME_LENGTH],
        group=group,
        job_type="report",
        tags=("report", *(name[:TAG_LENGTH] for name in plan.datasets)),
        config={
            "suite": plan.suite,
            "description": plan.description,
            "methods": list(plan.methods),
            "settings": list(plan.settings),
            "datasets": {name: dict(entry) for name, entry in plan.datasets.items()},
            "cells": len(plan.cells),
        },
    )


def flat_numbers(result: Mapping[str, Any], prefix: str = "") -> dict[str, float | int | str]:
    """Numbers and texts of a result, nested ones as ``cost/seconds``; lists of texts as lines."""
    found: dict[str, float | int | str] = {}
    for name, value in result.items():
        key = f"{prefix}{name}"
        if isinstance(value, Mapping):
            found |= flat_numbers(value, f"{key}/")
        elif isinstance(value, bool | int | float | str):
            found[key] = value
        elif isinstance(value, list) and value and all(isinstance(item, str) for item in value):
            found[key] = "\n".join(value)
    return found


def _of_cells(cells: list[Cell]) -> list[str]:
    """A job that several rows share (they differ by name alone) carries the names of all."""
    names = [cell.method for cell in cells[1:]]
    return [cells[0].train_dataset, cells[0].test_dataset, f"seed {cells[0].seed}", *names]


def _datasets_by_folder(plan: Plan, job: Job) -> list[str]:
    folder = job.spec.get("train_dataset")
    return [name for name, entry in plan.datasets.items() if entry.get("folder") == folder]
