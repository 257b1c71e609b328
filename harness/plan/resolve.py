"""A suite's names, resolved: datasets opened, methods loaded with checked options, settings split.

Everything that can be wrong with a suite is found here, with its file and line, before a single job
is planned.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from pydantic import BaseModel, ValidationError

from harness.data.frames import FrameTable
from harness.data.prepared import PreparedDataset
from harness.data.sources import DatasetSource, PreparedSource, SyntheticSource
from harness.errors import UserError
from harness.method import Feature, Method, Needs
from harness.plan.jobs import digest
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
class ResolvedMethod:
    """A method of the suite, resolved: its checked options, what its jobs hold, the stages it rests
    on, and the stored names of all features that it or a stage of it reads."""

    name: str
    path: str
    code_version: int
    options: Mapping[str, Any]
    resources: Needs
    stages: Mapping[str, ResolvedMethod]
    features: Mapping[str, Feature]
    stored: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class ResolvedSetting:
    """A setting, resolved: its datasets, shared AUs and splits."""

    title: str
    train: str
    test: str
    protocol: str
    aus: tuple[int, ...]
    splits: Mapping[str, Split]


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


def resolve_method(suite: LoadedSuite, name: str, entry: MethodSpec) -> ResolvedMethod:
    """A row of the suite: its class loaded, its options checked, its stages and features found."""
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
        return _with_stages(name, path, method, replace(method.needs(), **overrides))
    except UserError as error:
        raise suite.error(str(error), *place) from error


def _with_stages(name: str, path: str, method: Method, resources: Needs) -> ResolvedMethod:
    """A method with its stages and features; a network's stages train on as many workers as it."""
    stages = {}
    features = {feature.name: feature for feature in method.features()}
    for stage_name, stage in method.stages().items():
        found = load_method(stage.method)
        inner = found(found.Options.model_validate(dict(stage.options)))
        needs = inner.needs()
        if needs.train:
            needs = replace(needs, workers=resources.workers, gpus=resources.gpus)
        row = _with_stages(
            stage.method.partition(":")[2] or stage.method, dotted_path(stage.method), inner, needs
        )
        stages[stage_name] = row
        for feature in row.features.values():
            if features.setdefault(feature.name, feature) != feature:
                raise UserError(
                    f"method {name!r} and its stage {stage_name!r} mean different features by "
                    f"{feature.name!r}"
                )
    return ResolvedMethod(
        name=name,
        path=path,
        code_version=method.code_version,
        options=method.options.model_dump(mode="json"),
        resources=resources,
        stages=stages,
        features=features,
        stored={feature.name: stored_name(feature) for feature in features.values()},
    )


def resolve_setting(
    suite: LoadedSuite, position: int, entry: SettingSpec, sources: Mapping[str, DatasetSource]
) -> ResolvedSetting:
    """A setting of the suite: its datasets, the AUs that they share, and its splits, guarded."""
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
    return ResolvedSetting(
        title=entry.title,
        train=train,
        test=test,
        protocol=entry.protocol or "cross-dataset",
        aus=aus,
        splits={digest(train, test, asdict(split)): split for split in splits},
    )


def _group_of(suite: LoadedSuite, name: str, source: DatasetSource) -> Callable[[str], str] | None:
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


def refuse_twins(suite: LoadedSuite, settings: list[ResolvedSetting]) -> None:
    """Two settings of one title would be one column of the report."""
    seen: dict[str, int] = {}
    for position, setting in enumerate(settings):
        if setting.title in seen:
            first = suite.place("settings", seen[setting.title])
            raise suite.error(
                f"setting {setting.title!r} is given twice (first at {first})", "settings", position
            )
        seen[setting.title] = position


def stored_name(feature: Feature) -> str:
    """Name of a feature's file in a dataset's folder: its name and a hash of its recipe."""
    version = getattr(load_object(feature.extractor), "code_version", 1)
    return f"{feature.name}-{digest(feature.extractor, version, dict(feature.options))[:12]}"
