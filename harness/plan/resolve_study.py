"""A study of the suite, resolved: its class loaded, its options checked, its setting found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pydantic import BaseModel, ValidationError

from harness.errors import UserError
from harness.plan.resolve import (
    ResolvedMethod,
    ResolvedSetting,
    check_other_datasets,
    with_stages,
)
from harness.registry import load_study, study_path, suggestion
from harness.suite.load import LoadedSuite, first_error
from harness.suite.spec import StudySpec


@dataclass(frozen=True, kw_only=True)
class ResolvedStudy:
    """A study of the suite, what it is registered as, and the setting that it looks at."""

    row: ResolvedMethod
    kind: str
    setting: ResolvedSetting


def resolve_study(
    suite: LoadedSuite, name: str, entry: StudySpec, settings: Sequence[ResolvedSetting]
) -> ResolvedStudy:
    """A study of the suite: its class loaded, its options checked, its setting found."""
    place = ("studies", name)
    kind = entry.study or name
    try:
        path = study_path(kind)
        found = load_study(path)
    except UserError as error:
        raise suite.error(str(error), *place, "study") from error
    setting = _setting_named(suite, entry.on, settings, place)
    try:
        options: BaseModel = found.Options.model_validate(entry.options)
    except ValidationError as error:
        prefix = (*place, "options")
        raise first_error(error, suite.file, suite.lines, found.Options, prefix) from error
    if (entry.resources.workers or 1) > 1:
        raise suite.error(
            "a study is one process: leave 'workers' out", *place, "resources", "workers"
        )
    try:
        study = found(options)
        overrides = entry.resources.overrides()
        resources = replace(study.needs(), **overrides, train=False)
        row = with_stages(name, path, study, resources)
        check_other_datasets(suite, row)
    except UserError as error:
        raise suite.error(str(error), *place) from error
    return ResolvedStudy(row=row, kind=kind, setting=setting)


def _setting_named(
    suite: LoadedSuite,
    on: int | str,
    settings: Sequence[ResolvedSetting],
    place: tuple[str | int, ...],
) -> ResolvedSetting:
    titles = [setting.title for setting in settings]
    if isinstance(on, str):
        if on not in titles:
            raise suite.error(f"unknown setting {on!r}{suggestion(on, titles)}", *place, "on")
        return settings[titles.index(on)]
    if not 0 <= on < len(settings):
        raise suite.error(
            f"no setting at position {on}: the suite has {len(settings)}, counted from 0; or give "
            f"a title: {', '.join(titles)}",
            *place,
            "on",
        )
    return settings[on]
