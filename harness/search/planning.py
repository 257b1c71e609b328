"""From a suite's ``search`` block to what its trials are told, and the jobs that they rest on.

Told from top to bottom: find the row, the setting and the space (``searched_options.py``); then,
for every outer fold, one ``TrialTask`` whose split holds the training and validation subjects of
that fold's training part and no test subject.

Which stages trials share is read off the methods themselves: those that are the same whatever the
searched options are. They become ordinary jobs of the run, trained once for each fold.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from harness.errors import UserError
from harness.plan.build import build_plan
from harness.plan.jobs import Job, Plan, digest
from harness.plan.resolve import ResolvedMethod, method_with
from harness.registry import dotted_path, load_method, suggestion
from harness.search.records import SEARCH_VERSION
from harness.search.searched_options import searched_dimensions
from harness.search.space import (
    Dimension,
    get_option,
    with_choice,
)
from harness.search.trial_task import TrialTask, split_without_test, stage_identity
from harness.store import RunStore
from harness.suite.load import LoadedSuite
from harness.suite.spec import MethodSpec, SearchSpec

DEFAULT_TRIALS = 30


@dataclass(frozen=True, kw_only=True)
class SearchPlan:
    """A search as a value.

    Attributes:
        key: hash of everything that can change which trials are made.
        spec: as the suite has it; ``num_trials`` of each fold.
        dimensions: what is searched; ``reference``: what is tried first, complete.
        marked: the part of it to mark in figures.
        tasks: one for each outer fold.
        shared: datasets, features and stages that all trials rest on, as a plan of its own.
        cpus, gpus: that one trial holds.
    """

    key: str
    spec: SearchSpec
    num_trials: int
    dimensions: tuple[Dimension, ...]
    reference: Mapping[str, Any] | None
    marked: Mapping[str, Any]
    tasks: tuple[TrialTask, ...]
    shared: Plan
    cpus: float
    gpus: float

    @property
    def stops_early(self) -> bool:
        """Whether unpromising trials are stopped."""
        asked = self.spec.stop_early
        return self.spec.algorithm != "grid" if asked is None else asked

    def describe(self) -> dict[str, Any]:
        """``search.json`` as it is before anything was found."""
        spec = self.spec
        return {
            "search_version": SEARCH_VERSION,
            "key": self.key,
            "method": spec.method,
            "setting": self.tasks[0].setting,
            "folds": [task.fold for task in self.tasks],
            "algorithm": spec.algorithm,
            "metric": spec.metric,
            "mode": spec.mode,
            "trials": self.num_trials,
            "seed": spec.seed,
            "stops_early": self.stops_early,
            "dimensions": [dimension.to_json() for dimension in self.dimensions],
            "reference": dict(self.marked),
            "validation_subjects": [len(task.split.validation) for task in self.tasks],
            "complete": False,
        }


def plan_search(suite: LoadedSuite, store: RunStore) -> SearchPlan:
    """The search of a suite; raises UserError with file and line for anything that cannot be."""
    spec = suite.spec.search
    if spec is None:
        raise UserError(
            f"{suite.file} has no 'search' block; the shortest is `search: {{method: lstm}}`"
        )
    if spec.method not in suite.spec.methods:
        named = suggestion(spec.method, list(suite.spec.methods))
        raise suite.error(f"the suite has no method {spec.method!r}{named}", "search", "method")
    entry = suite.spec.methods[spec.method]
    path = dotted_path(entry.method or spec.method)
    dimensions = searched_dimensions(suite, spec, path, entry.options)
    reference = _reference(suite, spec, path, entry.options, dimensions)
    reduced = _reduced(suite, spec, entry, dimensions)
    plan = build_plan(reduced)
    shared = _shared_stages(spec.method, path, entry.options, dimensions)
    tasks = _tasks(suite, spec, plan, dimensions, shared, path, store)
    resources = plan.jobs[_cells(plan, spec.method)[0].job].resources
    cpus = resources.cpus if spec.cpus is None else spec.cpus
    gpus = resources.gpus if spec.gpus is None else spec.gpus
    needed = {Path(folder).parent.name for task in tasks for folder in task.stages.values()}
    num_trials = spec.trials or DEFAULT_TRIALS
    if spec.algorithm == "grid":
        num_trials = 1
        for dimension in dimensions:
            num_trials *= len(dimension.grid())
    key = digest(
        "search",
        SEARCH_VERSION,
        spec.model_dump(mode="json"),
        [dimension.to_json() for dimension in dimensions],
        [[task.identity, asdict(task.split), sorted(task.stages.items())] for task in tasks],
        [entry.options, path, list(tasks[0].aus), tasks[0].seed],
    )
    tasks = tuple(
        replace(task, search=key, threads=max(1, int(cpus)), device="cuda:0" if gpus else "cpu")
        for task in tasks
    )
    return SearchPlan(
        key=key,
        spec=spec,
        num_trials=num_trials,
        dimensions=dimensions,
        reference=reference,
        marked=_given_reference(spec, path),
        tasks=tasks,
        shared=_with_needs(plan, needed),
        cpus=cpus,
        gpus=gpus,
    )


def _given_reference(spec: SearchSpec, path: str) -> Mapping[str, Any]:
    """What the suite gives as the reference, else what the method does for its own space."""
    if spec.reference or spec.space:
        return spec.reference
    return dict(getattr(load_method(path), "search_reference", {}))


def _reference(
    suite: LoadedSuite,
    spec: SearchSpec,
    path: str,
    options: Mapping[str, Any],
    dimensions: tuple[Dimension, ...],
) -> Mapping[str, Any] | None:
    """The reference with the row's own value of what it does not say; None where there is none, or
    where the row's own values lie outside the space."""
    given = _given_reference(spec, path)
    by_name = {dimension.name: dimension for dimension in dimensions}
    for name, value in given.items():
        place = ("search", "reference", name)
        if name not in by_name:
            known = suggestion(name, list(by_name))
            raise suite.error(f"{name!r} is not among the searched options{known}", *place)
        if not by_name[name].holds(value):
            raise suite.error(f"{name}: {value!r} lies outside the search space", *place)
    if not given:
        return None
    own = method_with(spec.method, path, options).options
    complete = {}
    for dimension in dimensions:
        value = given.get(dimension.name, get_option(own, dimension.name))
        if isinstance(value, list) and dimension.listed and len(value) == 1:
            value = value[0]
        if not dimension.holds(value):
            return None
        complete[dimension.name] = value
    return complete


def _variations(
    options: Mapping[str, Any], dimensions: tuple[Dimension, ...]
) -> dict[str, Mapping[str, Any]]:
    """The row's options with each dimension at each of its ends or choices, one at a time."""
    return {
        f"{dimension.name} = {value!r}": with_choice(options, (dimension,), {dimension.name: value})
        for dimension in dimensions
        for value in dimension.ends()
    }


def _shared_stages(
    row: str, path: str, options: Mapping[str, Any], dimensions: tuple[Dimension, ...]
) -> set[str]:
    """Identities of the stages that are the same whatever is searched."""
    found = _stage_identities(method_with(row, path, options))
    for varied in _variations(options, dimensions).values():
        found &= _stage_identities(method_with(row, path, varied))
    return found


def _stage_identities(method: ResolvedMethod) -> set[str]:
    found = set()
    for stage in method.stages.values():
        found |= {stage_identity(stage.row, stage), *_stage_identities(stage.row)}
    return found


def _reduced(
    suite: LoadedSuite, spec: SearchSpec, entry: MethodSpec, dimensions: tuple[Dimension, ...]
) -> LoadedSuite:
    """The suite with the one setting, the row, and a row for every variation of it: its plan holds
    each feature that a trial can ask for."""
    method = entry.method or spec.method
    rows = {spec.method: _entry_with(entry, method, entry.options)}
    for name, options in _variations(entry.options, dimensions).items():
        rows[f"{spec.method}, {name}"] = _entry_with(entry, method, options)
    settings = suite.spec.settings
    titles = [setting.title for setting in settings]
    if isinstance(spec.setting, str):
        if spec.setting not in titles:
            named = suggestion(spec.setting, titles)
            raise suite.error(f"unknown setting {spec.setting!r}{named}", "search", "setting")
        setting = settings[titles.index(spec.setting)]
    elif spec.setting not in range(len(settings)):
        raise suite.error(
            f"no setting at position {spec.setting}: the suite has {len(settings)}, counted from 0",
            *("search", "setting"),
        )
    else:
        setting = settings[spec.setting]
    reduced = suite.spec.model_copy(
        update={
            "methods": rows,
            "settings": (setting,),
            "seeds": suite.spec.seeds[:1],
            "studies": {},
            "search": None,
        }
    )
    return LoadedSuite(reduced, suite.file, suite.lines)


def _entry_with(entry: MethodSpec, method: str, options: Mapping[str, Any]) -> MethodSpec:
    """A row with other options, the same in every fold."""
    changed = {"method": method, "options": dict(options), "folds": {}}
    return entry.model_copy(update=changed)


def _cells(plan: Plan, row: str) -> list[Any]:
    return [cell for cell in plan.cells if cell.method == row]


def _tasks(
    suite: LoadedSuite,
    spec: SearchSpec,
    plan: Plan,
    dimensions: tuple[Dimension, ...],
    shared: set[str],
    path: str,
    store: RunStore,
) -> tuple[TrialTask, ...]:
    """What the trials of each fold are told."""
    entry = suite.spec.methods[spec.method]
    method = method_with(spec.method, path, entry.options)
    tasks = []
    for position, cell in enumerate(_cells(plan, spec.method)):
        job = plan.jobs[cell.job]
        stages: dict[str, str] = {}
        _find_stages(suite, plan, job, method, shared, store, stages)
        task = TrialTask(
            search="",
            run_folder=store.folder,
            row=spec.method,
            path=path,
            options=dict(entry.options),
            dimensions=dimensions,
            metric=spec.metric,
            mode=spec.mode,
            epochs=spec.epochs,
            seconds=spec.seconds,
            setting=cell.setting,
            fold=cell.fold,
            fold_position=position,
            dataset=job.spec["train_dataset"],
            identity=plan.datasets[cell.train_dataset]["identity"],
            aus=tuple(job.spec["aus"]),
            split=split_without_test(plan.splits[job.split]),
            seed=job.spec["seed"],
            stages=stages,
            threads=1,
            device="cpu",
        )
        tasks.append(task)
    return tuple(tasks)


def _find_stages(
    suite: LoadedSuite,
    plan: Plan,
    job: Job,
    method: ResolvedMethod,
    shared: set[str],
    store: RunStore,
    stages: dict[str, str],
) -> None:
    """Where the model of each shared stage under a job will stand."""
    for name, stage in method.stages.items():
        inner = plan.jobs[job.spec["stages"][name]]
        identity = stage_identity(stage.row, stage)
        if identity in shared:
            stages[identity] = str(store.job_folder(inner.key) / "model")
        elif stage.asked.on != "train":
            raise suite.error(
                f"stage {name!r} is trained on another dataset, so what it is trained with cannot "
                "be searched",
                *("search", "space"),
            )
        else:
            _find_stages(suite, plan, inner, stage.row, shared, store, stages)


def _with_needs(plan: Plan, stages: set[str]) -> Plan:
    """The part of a plan that trials rest on: datasets, features, shared stages and their needs."""
    kept: set[str] = set()
    waiting = [
        key for key, job in plan.jobs.items() if job.kind in ("dataset", "feature") or key in stages
    ]
    while waiting:
        key = waiting.pop()
        if key not in kept:
            kept.add(key)
            waiting += plan.jobs[key].needs
    jobs = {key: job for key, job in plan.jobs.items() if key in kept}
    return replace(plan, jobs=jobs, cells=(), methods=(), omitted=())
