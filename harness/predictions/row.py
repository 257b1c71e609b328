"""Predictions as cells of a run: a row in its report, beside every method that was computed there.

The cells are planned like any others (setting, folds, keys), and what stands in their job folders
is what a computed cell leaves: scores of the validation and test parts with labels and keys. AUs
that are not predicted get unknown labels in this row, so no number is made up for them.

    new run     the dataset's folder and a protocol make it; its plan holds this row alone
    old run     the row joins the setting of that dataset and protocol, on the very same folds

Across datasets, ``train`` names what the others of the setting are trained on. The predictions are
of the tested dataset only, so such a row has no validation part, and thresholds cannot be chosen.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from harness.data.frames import FrameSet
from harness.data.prepared import PreparedDataset
from harness.errors import UserError, first_complaint
from harness.plan.jobs import Cell, Job, Plan
from harness.predictions.matching import Matched
from harness.predictions.method import PATH, PredictedOptions, matched_scores
from harness.registry import suggestion
from harness.store import RunStore
from harness.suite.load import LoadedSuite, load_suite
from harness.suite.spec import DatasetSpec, MethodSpec, SettingSpec, SuiteSpec

_MARK = "# predictions "


@dataclass(frozen=True, kw_only=True)
class Target:
    """Where a row goes: a suite of one setting, and the plan that the run has already, if any."""

    suite: LoadedSuite
    dataset: PreparedDataset
    setting: str
    old: Plan | None


def new_target(
    dataset: Path,
    protocol: str | None,
    *,
    name: str,
    train: Path | None = None,
    split_seed: int = 0,
    aus: tuple[int, ...] | None = None,
    lists: Path | None = None,
) -> Target:
    """A run that does not exist yet, of one prepared dataset under one protocol, or tested on it
    and trained on another."""
    prepared = PreparedDataset(dataset.absolute())
    datasets = {prepared.name: DatasetSpec(prepared=str(prepared.folder))}
    setting = {"within": prepared.name, "protocol": protocol}
    if train is not None:
        other = PreparedDataset(train.absolute())
        if other.name == prepared.name:
            raise UserError(
                f"{train} and {dataset} are both called {other.name!r}: give --protocol for a "
                "setting within one dataset, or prepare one of them under another --name"
            )
        datasets[other.name] = DatasetSpec(prepared=str(other.folder))
        setting = {"train": other.name, "test": prepared.name}
    try:
        spec = SuiteSpec(
            name=re.sub(r"[^A-Za-z0-9._-]+|^[._-]+", "-", name).strip("-") or "scored",
            description="Predictions that were scored by aubench score.",
            split_seed=split_seed,
            aus=aus,
            datasets=datasets,
            settings=(SettingSpec(**setting, lists=lists.absolute() if lists else None),),
            methods={"predictions": MethodSpec()},
        )
    except ValidationError as error:
        raise UserError(first_complaint(error).message) from error
    return Target(
        suite=LoadedSuite(spec, Path("aubench score"), {}),
        dataset=prepared,
        setting=spec.settings[0].title,
        old=None,
    )


def old_target(
    store: RunStore, dataset: str, protocol: str | None, train: str | None = None
) -> Target:
    """A run that exists: its setting of that dataset under that protocol, or trained on another
    (datasets by their names in the suite, or their folders).

    Raises:
        UserError: the run has no such dataset or setting, or its dataset has changed.
    """
    plan = store.plan()
    name = _dataset_name(plan, dataset)
    entry = plan.datasets[name]
    prepared = PreparedDataset(Path(entry["folder"]))
    if prepared.fingerprint != entry["identity"]:
        raise UserError(f"{prepared.folder} has changed since the run {store.folder} was planned")
    setting = f"{name} {protocol}" if train is None else f"{_dataset_name(plan, train)} → {name}"
    if setting not in plan.settings:
        raise UserError(
            f"the run {store.folder} has no setting {setting!r}"
            f"{suggestion(setting, list(plan.settings))}"
        )
    suite = load_suite(str(store.folder / "suite.yaml"))
    spec = suite.spec.model_copy(
        update={
            "settings": tuple(s for s in suite.spec.settings if s.title == setting),
            "seeds": suite.spec.seeds[:1],
            "studies": {},
        }
    )
    return Target(
        suite=LoadedSuite(spec, suite.file, suite.lines),
        dataset=prepared,
        setting=setting,
        old=plan,
    )


def _dataset_name(plan: Plan, dataset: str) -> str:
    """What the plan calls a dataset, given that name, its folder, or a copy of it elsewhere."""
    if dataset in plan.datasets:
        return dataset
    if (Path(dataset) / "dataset.json").is_file():
        fingerprint = PreparedDataset(Path(dataset)).fingerprint
        for name, entry in plan.datasets.items():
            if entry["identity"] == fingerprint:
                return name
        raise UserError(
            f"the run was not made on the dataset {dataset}; its datasets are "
            f"{', '.join(plan.datasets)}"
        )
    raise UserError(f"no dataset {dataset!r} in the run{suggestion(dataset, list(plan.datasets))}")


def add_row(
    store: RunStore, target: Target, name: str, options: PredictedOptions, *, drop_extra: bool
) -> Matched:
    """Scores predictions and puts them into the run as the row ``name``; gives what matched.

    Nothing is written before everything has been read and checked. A row of that name that was
    itself made of predictions is replaced; a computed method of that name is an error.
    """
    _check_name(target.old, name)
    plan = _planned(target, name, options)
    aus = tuple(next(plan.jobs[cell.job] for cell in plan.cells).spec["aus"])
    matched = matched_scores(options, target.dataset.table, aus, drop_extra=drop_extra)
    store.check_place()
    with store.driver_lock():
        joined = plan if target.old is None else _joined(target.old, plan, name)
        store.begin(joined, _suite_text(store, target, name, options))
        frames = target.dataset.frames().with_aus(aus)
        for cell in plan.cells:
            job = plan.jobs[cell.job]
            if not store.is_done(job):
                _write_cell(store, plan, cell, frames, matched)
    return matched


def _check_name(old: Plan | None, name: str) -> None:
    if not name.strip() or any(c in name for c in "\n/\\"):
        raise UserError(f"--as {name!r}: give the row a name of one line without slashes")
    if old is None or name not in old.methods:
        return
    specs = [old.jobs[cell.job].spec for cell in old.cells if cell.method == name]
    if any(spec["method"] != PATH for spec in specs):
        raise UserError(f"the run computed a method {name!r} itself: give another --as NAME")


def _planned(target: Target, name: str, options: PredictedOptions) -> Plan:
    """The plan of the one setting with the one row."""
    from harness.plan.build import build_plan

    entry = MethodSpec(method=PATH, options=json.loads(options.model_dump_json()))
    row = {"methods": {name: entry}, "studies": {}}
    spec = target.suite.spec.model_copy(update=row)
    try:
        return build_plan(LoadedSuite(spec, target.suite.file, target.suite.lines))
    except UserError as error:
        raise UserError(str(error).removeprefix(f"{target.suite.file}: ")) from error


def _joined(old: Plan, new: Plan, name: str) -> Plan:
    """The old plan with the new row in place of an older one of that name in its setting."""
    settings = set(new.settings)
    kept = [c for c in old.cells if c.method != name or c.setting not in settings]
    dropped = {c.job for c in old.cells} - {c.job for c in kept}
    jobs: dict[str, Job] = {k: j for k, j in old.jobs.items() if k not in dropped}
    jobs |= {cell.job: new.jobs[cell.job] for cell in new.cells}
    for cell in new.cells:
        split = new.jobs[cell.job].split
        if split not in old.splits:
            raise UserError(
                f"the folds of {cell.setting!r} in the run are not those that this aubench makes: "
                "run the suite again, then score"
            )
    cells: list[Cell] = [*kept, *new.cells]
    methods = old.methods if name in old.methods else (*old.methods, name)
    return replace(old, methods=methods, jobs=jobs, cells=tuple(cells))


def _suite_text(store: RunStore, target: Target, name: str, options: PredictedOptions) -> str:
    """The run's suite, with a line about the row: a comment, as a suite cannot make it again."""
    from harness.sweep import frozen_suite

    line = f"{_MARK}{name}: {options.model_dump_json(exclude_none=True)}"
    if target.old is None:
        entry = MethodSpec(method=PATH, options=json.loads(options.model_dump_json()))
        spec = target.suite.spec.model_copy(update={"methods": {name: entry}})
        return frozen_suite(LoadedSuite(spec, target.suite.file, {}))
    text = (store.folder / "suite.yaml").read_text(encoding="utf-8")
    own = f"{_MARK}{name}: "
    kept = [row for row in text.splitlines() if not row.startswith(own)]
    return "\n".join([*kept, line]) + "\n"


def _write_cell(
    store: RunStore, plan: Plan, cell: Cell, frames: FrameSet, matched: Matched
) -> None:
    """One finished cell, as the engine would have left it."""
    from harness.engine.work import finish, summarise, write_scores
    from harness.provenance import Meter

    meter = Meter(0)
    job = plan.jobs[cell.job]
    split = plan.splits[job.split]
    across = cell.train_dataset != cell.test_dataset
    names = ("test",) if across else ("validation", "test")
    parts = {part: frames.of_subjects(split.part(part)) for part in names}
    scores = {part: matched.scores[rows.index] for part, rows in parts.items()}
    with store.work_folder(job) as work:
        unknown = set(matched.aus) - set(matched.predicted)
        write_scores(work / "scores.parquet", parts, scores, job.title, unknown)
        columns = [matched.aus.index(au) for au in matched.predicted]
        test = parts["test"].with_aus(matched.predicted)
        summary: Mapping[str, Any] = {
            "notes": list(matched.notes),
            **summarise(test, scores["test"][:, columns]),
        }
        finish(store, job, split, work, summary, meter)
