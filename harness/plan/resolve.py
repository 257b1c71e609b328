"""A suite's names, resolved: datasets opened, methods loaded with checked options, settings split.

Everything that can be wrong with a suite is found here, with its file and line, before a single job
is planned.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from pydantic import BaseModel, ValidationError

from harness.data.frames import FrameTable
from harness.data.places import open_dataset
from harness.data.sources import DatasetSource, PreparedSource, SyntheticSource
from harness.errors import UserError, first_complaint
from harness.method import Feature, Method, Needs, Stage
from harness.metrics.registry import tried_metric
from harness.plan.jobs import digest
from harness.protocol import (
    Split,
    check_disjoint,
    cross_dataset_split,
    groups_by_pattern,
    make_splits,
)
from harness.registry import (
    dotted_path,
    load_method,
    load_object,
    refuse_without,
    suggestion,
)
from harness.study import Study
from harness.suite.load import LoadedSuite, first_error, lay_over
from harness.suite.spec import DatasetSpec, MethodSpec, SettingSpec


@dataclass(frozen=True, kw_only=True)
class ResolvedMethod:
    """A method or study of the suite, resolved: its checked options, what its jobs hold, the
    stages it rests on, and the stored names of all features that it or a stage of it reads."""

    name: str
    path: str
    code_version: int
    options: Mapping[str, Any]
    resources: Needs
    stages: Mapping[str, ResolvedStage]
    features: Mapping[str, Feature]
    stored: Mapping[str, str]
    folds: Mapping[tuple[str, str], ResolvedMethod] = field(default_factory=dict)

    def at(self, setting: str, fold: str) -> ResolvedMethod:
        """The row as it is in one fold of a setting."""
        return self.folds.get((setting, fold), self)


@dataclass(frozen=True, kw_only=True)
class ResolvedStage:
    """A stage as its method asks for it, and the method that it is itself."""

    asked: Stage
    row: ResolvedMethod


@dataclass(frozen=True, kw_only=True)
class ResolvedSetting:
    """A setting, resolved: its datasets, shared AUs and splits.

    ``apart_from``: datasets that nothing in it may be trained on, beside its own two.
    """

    title: str
    train: str
    test: str
    protocol: str
    aus: tuple[int, ...]
    splits: Mapping[str, Split]
    apart_from: tuple[str, ...] = ()


def open_source(suite: LoadedSuite, name: str) -> DatasetSource:
    """The dataset that a suite calls ``name``."""
    entry: DatasetSpec = suite.spec.datasets[name]
    try:
        if entry.prepared is not None:
            return PreparedSource(open_dataset(entry.prepared, patient=False), entry.prepared)
        from harness.synthetic.recipe import SyntheticRecipe

        sizes = entry.model_dump(exclude_none=True, exclude={"synthetic", "prepared", "groups"})
        recipe = {"preset": entry.synthetic, "name": name, **sizes}
        return SyntheticSource(SyntheticRecipe.model_validate(recipe))
    except ValidationError as error:
        complaint = first_complaint(error)
        field = str(complaint.place[0]) if complaint.place else ""
        key = "synthetic" if field == "preset" else field
        message = f"{key}: {complaint.message}" if key else complaint.message
        raise suite.error(message, "datasets", name, key) from error
    except UserError as error:
        key = "synthetic" if entry.prepared is None else "prepared"
        raise suite.error(str(error), "datasets", name, key) from error


def resolve_method(suite: LoadedSuite, name: str, entry: MethodSpec) -> ResolvedMethod:
    """A row of the suite: its class loaded, its options checked, its stages and features found."""
    place = ("methods", name)
    row = _resolve_row(suite, name, entry, entry.options, (*place, "options"))
    folds = {}
    for setting, by_fold in entry.folds.items():
        titles = [known.title for known in suite.spec.settings]
        if setting not in titles:
            message = f"unknown setting {setting!r}{suggestion(setting, titles)}"
            raise suite.error(message, *place, "folds", setting)
        for fold, own in by_fold.items():
            options = lay_over(entry.options, own)
            where = (*place, "folds", setting, fold)
            folds[setting, fold] = _resolve_row(suite, name, entry, options, where)
    return replace(row, folds=folds)


def _resolve_row(
    suite: LoadedSuite,
    name: str,
    entry: MethodSpec,
    given: Mapping[str, Any],
    where: tuple[str, ...],
) -> ResolvedMethod:
    """A row with these of its options; ``where`` the file has them."""
    place = ("methods", name)
    try:
        path = dotted_path(entry.method or name)
        found = load_method(path)
        refuse_without(found, "load", path)
    except UserError as error:
        raise suite.error(str(error), *place, "method") from error
    try:
        options: BaseModel = found.Options.model_validate(given)
    except ValidationError as error:
        raise first_error(error, suite.file, suite.lines, found.Options, where) from error
    try:
        method = found(options)
    except UserError as error:
        raise suite.error(str(error), *where) from error
    overrides = entry.resources.overrides()
    try:
        row = with_stages(name, path, method, replace(method.needs(), **overrides))
        check_other_datasets(suite, row)
    except UserError as error:
        raise suite.error(str(error), *place) from error
    return row


def method_with(name: str, path: str, options: Mapping[str, Any]) -> ResolvedMethod:
    """A method by its path with these options, outside of any suite."""
    found = load_method(path)
    method = found(found.Options.model_validate(dict(options)))
    return with_stages(name, path, method, method.needs())


def refuse_unknown_folds(
    suite: LoadedSuite, rows: Sequence[ResolvedMethod], settings: Sequence[ResolvedSetting]
) -> None:
    """Options for a fold that a setting does not have would have no effect."""
    folds = {s.title: [split.fold for split in s.splits.values()] for s in settings}
    for row in rows:
        for setting, fold in row.folds:
            if fold not in folds[setting]:
                raise suite.error(
                    f"setting {setting!r} has no fold {fold!r}{suggestion(fold, folds[setting])}",
                    *("methods", row.name, "folds", setting, fold),
                )


def check_other_datasets(suite: LoadedSuite, row: ResolvedMethod) -> None:
    """Refuses a stage that names a dataset which the suite does not have."""
    for stage in row.stages.values():
        wanted = stage.asked.dataset
        if wanted is not None and wanted not in suite.spec.datasets:
            raise UserError(
                f"unknown dataset {wanted!r} to train on"
                f"{suggestion(wanted, list(suite.spec.datasets))}"
            )
        check_other_datasets(suite, stage.row)


def with_stages(name: str, path: str, method: Method | Study, resources: Needs) -> ResolvedMethod:
    """A method with its stages and features; a network's stages train on as many workers as it."""
    stages = {}
    for feature in method.features():
        if not isinstance(feature, Feature):
            raise UserError(f"features() of {name!r} holds {feature!r}: each is a Feature")
    features = {feature.name: feature for feature in method.features()}
    for stage_name, stage in method.stages().items():
        found = load_method(stage.method)
        try:
            inner = found(found.Options.model_validate(dict(stage.options)))
        except ValidationError as error:
            complaint = first_complaint(error)
            key = ".".join(str(part) for part in complaint.place)
            raise UserError(
                f"options of its stage {stage_name!r} ({stage.method}): "
                f"{f'{key}: ' if key else ''}{complaint.message}"
            ) from error
        needs = inner.needs()
        needs = replace(needs, seconds=resources.seconds or needs.seconds)
        if needs.train:
            needs = replace(needs, workers=resources.workers, gpus=resources.gpus)
        row = with_stages(
            stage.method.partition(":")[2] or stage.method, dotted_path(stage.method), inner, needs
        )
        stages[stage_name] = ResolvedStage(asked=stage, row=row)
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
                group_of=group_of(suite, train, sources[train]),
                lists=entry.lists,
            )
        else:
            splits = [
                cross_dataset_split(
                    sources[train].table,
                    sources[test].table,
                    seed=spec.split_seed,
                    validation_share=spec.validation_share,
                    group_of=group_of(suite, train, sources[train]),
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


def group_of(suite: LoadedSuite, name: str, source: DatasetSource) -> Callable[[str], str] | None:
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


def check_metrics(suite: LoadedSuite) -> None:
    """Refuses a metric that cannot be loaded or gives no number for each AU: hours before it would
    be missed in the report."""
    for position, name in enumerate(suite.spec.metrics):
        try:
            tried_metric(name)
        except UserError as error:
            raise suite.error(str(error), "metrics", position) from error


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
