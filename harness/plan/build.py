"""Suite → plan: which jobs fill the suite's cells, with their keys, needs and resources.

Told from top to bottom: open the datasets, split them, resolve the methods; then, for every
setting, fold, seed and method, one cell with the stages and features that it rests on. Everything
that can be wrong with a suite is found here, before anything is written, with its line.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from pydantic import BaseModel, ValidationError

from harness.data.frames import FrameTable
from harness.data.prepared import PreparedDataset
from harness.data.sources import DatasetSource, PreparedSource, SyntheticSource
from harness.errors import UserError
from harness.method import Feature, Method, Needs
from harness.plan.jobs import Cell, Job, Plan, digest
from harness.protocol import (
    Split,
    check_disjoint,
    cross_dataset_split,
    groups_by_pattern,
    make_splits,
)
from harness.registry import dotted_path, load_method, load_object, suggestion
from harness.suite.load import LoadedSuite, first_error
from harness.suite.spec import DatasetSpec, MethodSpec, SettingSpec


@dataclass(frozen=True, kw_only=True)
class _Row:
    """A method of the suite, resolved: its checked options, what its jobs hold, the stages it rests
    on, and the stored names of all features that it or a stage of it reads."""

    name: str
    path: str
    code_version: int
    options: Mapping[str, Any]
    resources: Needs
    stages: Mapping[str, _Row]
    features: Mapping[str, Feature]
    stored: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class _Setting:
    """A setting, resolved: its datasets, shared AUs and splits."""

    title: str
    train: str
    test: str
    protocol: str
    aus: tuple[int, ...]
    splits: Mapping[str, Split]


def build_plan(suite: LoadedSuite) -> Plan:
    """The plan of a suite; raises UserError with file and line for anything that cannot be."""
    spec = suite.spec
    sources = {name: open_source(suite, name) for name in spec.datasets}
    rows = [_row(suite, name, entry) for name, entry in spec.methods.items()]
    settings = [_setting(suite, i, entry, sources) for i, entry in enumerate(spec.settings)]
    _refuse_twins(suite, settings)
    builder = _PlanBuilder(sources)
    for setting in settings:
        for seed in spec.seeds:
            for split_key, split in setting.splits.items():
                for row in rows:
                    builder.add_cell(setting, split_key, split, row, seed)
    return Plan(
        suite=spec.name,
        description=spec.description,
        methods=tuple(row.name for row in rows),
        settings=tuple(setting.title for setting in settings),
        jobs=builder.jobs,
        cells=tuple(builder.cells),
        splits=builder.splits,
        datasets={name: _summary(source) for name, source in sources.items()},
    )


def open_source(suite: LoadedSuite, name: str) -> DatasetSource:
    """The dataset that a suite calls ``name``."""
    entry: DatasetSpec = suite.spec.datasets[name]
    try:
        if entry.prepared is not None:
            return PreparedSource(PreparedDataset(entry.prepared))
        from harness.synthetic.recipe import SyntheticRecipe

        sizes = entry.model_dump(exclude_none=True, exclude={"synthetic", "prepared", "groups"})
        recipe = {"preset": entry.synthetic, "name": name, **sizes}
        return SyntheticSource(SyntheticRecipe.model_validate(recipe))
    except ValidationError as error:
        complaint = error.errors()[0]
        field = str(complaint["loc"][0]) if complaint["loc"] else ""
        key = "synthetic" if field == "preset" else field
        message = complaint["msg"].removeprefix("Value error, ")
        raise suite.error(f"{key}: {message}" if key else message, "datasets", name, key) from error
    except UserError as error:
        key = "synthetic" if entry.prepared is None else "prepared"
        raise suite.error(str(error), "datasets", name, key) from error


def _row(suite: LoadedSuite, name: str, entry: MethodSpec) -> _Row:
    place = ("methods", name)
    try:
        path = dotted_path(entry.method or name)
        found = load_method(path)
    except UserError as error:
        raise suite.error(str(error), *place, "method") from error
    try:
        options: BaseModel = found.Options.model_validate(entry.options)
    except ValidationError as error:
        prefix = (*place, "options")
        raise first_error(error, suite.file, suite.lines, found.Options, prefix) from error
    try:
        method = found(options)
    except UserError as error:
        raise suite.error(str(error), *place, "options") from error
    overrides = entry.resources.model_dump(exclude_none=True)
    try:
        return _resolved(name, path, method, replace(method.needs(), **overrides))
    except UserError as error:
        raise suite.error(str(error), *place) from error


def _resolved(name: str, path: str, method: Method, resources: Needs) -> _Row:
    """A method with its stages and features; a network's stages train on as many workers as it."""
    stages = {}
    features = {feature.name: feature for feature in method.features()}
    for stage_name, stage in method.stages().items():
        found = load_method(stage.method)
        inner = found(found.Options.model_validate(dict(stage.options)))
        needs = inner.needs()
        if needs.train:
            needs = replace(needs, workers=resources.workers, gpus=resources.gpus)
        row = _resolved(
            stage.method.partition(":")[2] or stage.method, dotted_path(stage.method), inner, needs
        )
        stages[stage_name] = row
        for feature in row.features.values():
            if features.setdefault(feature.name, feature) != feature:
                raise UserError(
                    f"method {name!r} and its stage {stage_name!r} mean different features by "
                    f"{feature.name!r}"
                )
    return _Row(
        name=name,
        path=path,
        code_version=method.code_version,
        options=method.options.model_dump(mode="json"),
        resources=resources,
        stages=stages,
        features=features,
        stored={feature.name: stored_name(feature) for feature in features.values()},
    )


def _setting(
    suite: LoadedSuite, position: int, entry: SettingSpec, sources: Mapping[str, DatasetSource]
) -> _Setting:
    spec = suite.spec
    place = ("settings", position)
    names = {"within": entry.within} if entry.within else {"train": entry.train, "test": entry.test}
    for key, name in names.items():
        if name not in sources:
            message = f"unknown dataset {name!r}{suggestion(str(name), list(sources))}"
            raise suite.error(message, *place, key)
    train, test = str(entry.within or entry.train), str(entry.within or entry.test)
    aus = _shared_aus(suite, place, sources[train].table, sources[test].table)
    try:
        if entry.within:
            splits = make_splits(
                str(entry.protocol),
                sources[train].table,
                seed=spec.split_seed,
                validation_share=spec.validation_share,
                group_of=_group_of(suite, train, sources[train]),
                lists=entry.lists,
            )
        else:
            splits = [
                cross_dataset_split(
                    sources[train].table,
                    sources[test].table,
                    seed=spec.split_seed,
                    validation_share=spec.validation_share,
                    group_of=_group_of(suite, train, sources[train]),
                )
            ]
        for split in splits:
            check_disjoint(split)
    except UserError as error:
        key = "protocol" if entry.within else "test"
        raise suite.error(str(error), *place, key) from error
    return _Setting(
        title=entry.title,
        train=train,
        test=test,
        protocol=entry.protocol or "cross-dataset",
        aus=aus,
        splits={digest(train, test, asdict(split)): split for split in splits},
    )


def _group_of(
    suite: LoadedSuite, name: str, source: DatasetSource
) -> Callable[[str], str] | None:
    """Which people must stay together: by the suite's pattern, else as the dataset knows them."""
    pattern = suite.spec.datasets[name].groups
    if pattern is not None:
        try:
            return groups_by_pattern(pattern)
        except UserError as error:
            raise suite.error(str(error), "datasets", name, "groups") from error
    groups = source.groups
    return (lambda subject: groups.get(subject, subject)) if groups else None


def _shared_aus(
    suite: LoadedSuite, place: tuple[str | int, ...], train: FrameTable, test: FrameTable
) -> tuple[int, ...]:
    shared = [au for au in train.aus if au in test.aus]
    wanted = suite.spec.aus
    if wanted is None:
        if not shared:
            raise suite.error(
                f"the datasets share no AU: {list(train.aus)} and {list(test.aus)}", *place
            )
        return tuple(shared)
    missing = [au for au in wanted if au not in shared]
    if missing:
        raise suite.error(
            f"no labels for AU{missing[0]} in this setting's datasets; they have "
            f"{', '.join(map(str, shared))}",
            "aus",
            wanted.index(missing[0]),
        )
    return wanted


def _refuse_twins(suite: LoadedSuite, settings: list[_Setting]) -> None:
    seen: dict[str, int] = {}
    for position, setting in enumerate(settings):
        if setting.title in seen:
            first = suite.place("settings", seen[setting.title])
            raise suite.error(
                f"setting {setting.title!r} is given twice (first at {first})", "settings", position
            )
        seen[setting.title] = position


def _summary(source: DatasetSource) -> dict[str, Any]:
    table = source.table
    known = np.maximum((table.labels != 0).sum(axis=0), 1)
    rates = (table.labels > 0).sum(axis=0) / known
    return {
        "folder": str(source.folder),
        "identity": source.identity,
        "aus": list(table.aus),
        "subjects": len(set(table.subjects.tolist())),
        "sequences": len(set(table.sequences.tolist())),
        "frames": len(table.subjects),
        "base_rates": [round(float(rate), 4) for rate in rates],
    }


class _PlanBuilder:
    """Gathers jobs and cells; asks for each shared job once."""

    def __init__(self, sources: Mapping[str, DatasetSource]) -> None:
        self.sources = sources
        self.jobs: dict[str, Job] = {}
        self.cells: list[Cell] = []
        self.splits: dict[str, Split] = {}
        self._frames_of = {name: _frames_by_subject(s.table) for name, s in sources.items()}
        self._num_frames: dict[tuple[str, str], int] = {}

    def add_cell(
        self, setting: _Setting, split_key: str, split: Split, row: _Row, seed: int
    ) -> None:
        """One cell, with the features and stages it rests on."""
        self.splits.setdefault(split_key, split)
        where = (
            f"{setting.title} · fold {split.fold}"
            if setting.train == setting.test
            else setting.title
        )
        key = self._trained(setting, split_key, split, row, seed, where, is_cell=True)
        self.cells.append(
            Cell(
                setting=setting.title,
                train_dataset=setting.train,
                test_dataset=setting.test,
                protocol=setting.protocol,
                fold=split.fold,
                method=row.name,
                seed=seed,
                job=key,
            )
        )

    def _trained(
        self,
        setting: _Setting,
        split_key: str,
        split: Split,
        row: _Row,
        seed: int,
        where: str,
        *,
        is_cell: bool,
    ) -> str:
        """Key of the job that trains ``row`` on a split (and, for a cell, scores its test part)."""
        stages = {
            name: self._trained(setting, split_key, split, stage, seed, where, is_cell=False)
            for name, stage in row.stages.items()
        }
        datasets = [setting.train, setting.test] if is_cell else [setting.train]
        train = self.sources[setting.train]
        test = self.sources[setting.test]
        identity = {
            "method": row.path,
            "code_version": row.code_version,
            "options": row.options,
            "workers": row.resources.workers,
            "aus": setting.aus,
            "train": [train.identity, split.train, split.validation],
            "seed": seed,
            "stages": stages,
            "features": row.stored,
        }
        if is_cell:
            identity["test"] = [test.identity, split.test]
        key = digest(identity)
        if key in self.jobs:
            return key
        needs = [
            *self._dataset_jobs(datasets),
            *self._feature_jobs(row, datasets),
            *stages.values(),
        ]
        spec = {
            "method": row.path,
            "options": row.options,
            "aus": list(setting.aus),
            "train_dataset": str(train.folder),
            "test_dataset": str(test.folder) if is_cell else "",
            "features": row.stored,
            "stages": stages,
            "seed": job_seed(seed, train.identity, split.train),
        }
        kind_of_part = ("train", "validation", "test") if is_cell else ("train", "validation")
        self.jobs[key] = Job(
            key=key,
            kind="cell" if is_cell else "stage",
            title=f"{row.name} · {where}",
            group=row.name,
            needs=tuple(dict.fromkeys(needs)),
            resources=row.resources,
            split=split_key,
            num_frames=sum(self._count(setting, split_key, split, part) for part in kind_of_part),
            spec=spec,
        )
        return key

    def _count(self, setting: _Setting, split_key: str, split: Split, part: str) -> int:
        cached = self._num_frames.get((split_key, part))
        if cached is None:
            frames_of = self._frames_of[setting.test if part == "test" else setting.train]
            cached = sum(frames_of[subject] for subject in getattr(split, part))
            self._num_frames[split_key, part] = cached
        return cached

    def _dataset_jobs(self, names: list[str]) -> list[str]:
        """Jobs that make the synthetic ones among the datasets."""
        keys = []
        for name in dict.fromkeys(names):
            source = self.sources[name]
            if not isinstance(source, SyntheticSource):
                continue
            key = digest("dataset", source.identity)
            keys.append(key)
            if key not in self.jobs:
                self.jobs[key] = Job(
                    key=key,
                    kind="dataset",
                    title=f"make dataset {name}",
                    group="datasets",
                    needs=(),
                    resources=Needs(),
                    split="",
                    num_frames=len(source.table.subjects),
                    spec={
                        "recipe": source.recipe.model_dump(mode="json"),
                        "folder": str(source.folder),
                    },
                )
        return keys

    def _feature_jobs(self, row: _Row, datasets: list[str]) -> list[str]:
        """Jobs that extract the features of a method and of its stages."""
        keys = []
        for dataset in dict.fromkeys(datasets):
            source = self.sources[dataset]
            for feature in row.features.values():
                key = digest("feature", source.identity, row.stored[feature.name])
                keys.append(key)
                if key not in self.jobs:
                    self.jobs[key] = Job(
                        key=key,
                        kind="feature",
                        title=f"feature {feature.name} · {dataset}",
                        group="features",
                        needs=tuple(self._dataset_jobs([dataset])),
                        resources=Needs(),
                        split="",
                        num_frames=len(source.table.subjects),
                        spec={
                            "dataset": str(source.folder),
                            "extractor": feature.extractor,
                            "options": dict(feature.options),
                            "name": row.stored[feature.name],
                        },
                    )
        return keys


def stored_name(feature: Feature) -> str:
    """Name of a feature's file in a dataset's folder: its name and a hash of its recipe."""
    version = getattr(load_object(feature.extractor), "code_version", 1)
    return f"{feature.name}-{digest(feature.extractor, version, dict(feature.options))[:12]}"


def job_seed(seed: int, *parts: Any) -> int:
    """Seed of a job: the same for every method on one split, so that methods differ by method."""
    return int(digest(seed, *parts)[:15], 16)


def _frames_by_subject(table: FrameTable) -> dict[str, int]:
    subjects, counts = np.unique(table.subjects.astype(str), return_counts=True)
    return dict(zip(subjects.tolist(), counts.tolist(), strict=True))
