"""From a suite file to a SuiteSpec, with the line of every key kept for error messages."""

from __future__ import annotations

import re
from collections.abc import Hashable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from harness.errors import UserError, first_complaint
from harness.registry import suggestion
from harness.suite.spec import (
    DatasetSpec,
    MethodSpec,
    ResourceSpec,
    SearchSpec,
    SettingSpec,
    StudySpec,
    SuiteSpec,
    TrackingSpec,
)

Place = tuple[Hashable, ...]
Lines = dict[Place, int | str]


class SuiteLoader(yaml.SafeLoader):
    """YAML without surprises: only true and false are booleans, so that the key ``on`` of a study
    is the word that a person wrote."""


SuiteLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:bool"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
SuiteLoader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"^(?:[Tt]rue|TRUE|[Ff]alse|FALSE)$"), list("tTfF")
)


@dataclass(frozen=True)
class LoadedSuite:
    """A suite, the file it came from, and the line on which each of its keys stands: a number for
    that file, ``"best.yaml:4"`` for a file that was laid over it."""

    spec: SuiteSpec
    file: Path
    lines: Lines

    def place(self, *keys: Hashable) -> str:
        """``"suite.yaml:12"``: where the innermost of the nested keys that the file names is."""
        return _place(self.file, self.lines, keys)

    def error(self, message: str, *keys: Hashable) -> UserError:
        """A UserError that begins with the place of ``keys``."""
        return UserError(f"{self.place(*keys)}: {message}")


def shipped_suites() -> dict[str, Path]:
    """Suites that ship with the package, by name."""
    return {file.stem: file for file in sorted(_shipped_folder().glob("*.yaml"))}


def _shipped_folder() -> Path:
    return Path(str(resources.files("harness") / "suites"))


def find_suite(suite: str) -> Path:
    """A suite file, or the shipped one of that name."""
    path = Path(suite)
    if path.suffix in {".yaml", ".yml"} or path.is_file():
        if not path.is_file():
            raise UserError(f"no suite file {suite}")
        return path
    shipped = shipped_suites()
    if suite not in shipped:
        raise UserError(
            f"no suite {suite!r}: neither a file nor one that ships"
            f"{suggestion(suite, list(shipped))}"
        )
    return shipped[suite]


def load_suite(suite: str | Path, overlay: str | Path | None = None) -> LoadedSuite:
    """Reads and checks a suite file; every mistake is one line with its place.

    ``overlay`` is a second file of the same shape that is laid over it: what both have as mappings
    is merged, everything else is the overlay's.
    """
    file = find_suite(str(suite))
    data, lines = _read(file, "a suite is a mapping with name, datasets, settings and methods")
    data = _anchored(data, _base(file))
    if overlay is not None:
        over = Path(overlay)
        if not over.is_file():
            raise UserError(f"no file {over} to lay over the suite")
        above, above_lines = _read(over, "what is laid over a suite is a mapping like a suite")
        data = lay_over(data, _anchored(above, over.parent))
        _lay_lines_over(lines, above_lines, above, over)
    try:
        spec = SuiteSpec.model_validate(data)
    except ValidationError as error:
        raise first_error(error, file, lines, SuiteSpec) from error
    return LoadedSuite(spec, file, lines)


def lay_over(below: Any, above: Any) -> Any:
    """Mappings merged key by key, all the way down; anything else is what lies above. A mapping
    over nothing (``svm:`` alone) is itself."""
    if not isinstance(below, dict) or not isinstance(above, dict):
        return below if above is None and isinstance(below, dict) else above
    merged = dict(below)
    for key, value in above.items():
        merged[key] = lay_over(merged[key], value) if key in merged else value
    return merged


def _read(file: Path, shape: str) -> tuple[Any, Lines]:
    """What a YAML file says, and the line of each of its keys."""
    try:
        text = file.read_text(encoding="utf-8")
        node = yaml.compose(text, Loader=SuiteLoader)
    except UnicodeDecodeError as error:
        raise UserError(f"{file}: not UTF-8 text ({error.reason} at byte {error.start})") from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise UserError(f"{file}:{line}: not valid YAML: {error.problem}") from error
    except yaml.YAMLError as error:
        raise UserError(f"{file}: not valid YAML: {str(error).splitlines()[0]}") from error
    if not isinstance(node, yaml.MappingNode):
        raise UserError(f"{file}:1: {shape}")
    lines: Lines = {}
    _collect_lines(node, (), lines, file)
    return yaml.load(text, Loader=SuiteLoader), lines  # a safe loader, see there


def _lay_lines_over(lines: Lines, above: Lines, data: Any, file: Path) -> None:
    """Places that the overlay names are the overlay's; what it replaces whole is gone."""
    for place, line in above.items():
        if not place:
            continue
        value = data
        for key in place:
            value = value[int(str(key))] if isinstance(value, list) else _by_name(value, key)
        if not isinstance(value, dict):
            for known in [known for known in lines if known[: len(place)] == place]:
                del lines[known]
        lines[place] = f"{file}:{line}"


def _by_name(mapping: Any, name: Hashable) -> Any:
    """The value of a key that YAML may have read as a number: ``1:`` stands as ``"1"``."""
    return next(value for key, value in mapping.items() if str(key) == str(name))


def first_error(
    error: ValidationError,
    file: Path,
    lines: Lines,
    model: type,
    prefix: Place = (),
) -> UserError:
    """The first of pydantic's complaints as one line: place, key, what is wrong, what is right."""
    complaint = first_complaint(error)
    location: Place = (*prefix, *complaint.place)
    where = _place(file, lines, location)
    key = str(location[-1]) if location else "suite"
    if complaint.kind == "extra_forbidden":
        valid = _fields_at(complaint.place, model)
        return UserError(f"{where}: unknown key {key!r}{suggestion(key, valid)}")
    if complaint.kind == "missing":
        return UserError(f"{where}: {key!r} is missing")
    path = ".".join(str(part) for part in location)
    named = f"{path}: {complaint.message}" if path else complaint.message
    return UserError(f"{where}: {named}")


def _fields_at(location: tuple[int | str, ...], model: type) -> list[str]:
    """The keys that are valid where an unknown one stood."""
    inside = {
        "datasets": DatasetSpec,
        "settings": SettingSpec,
        "methods": MethodSpec,
        "studies": StudySpec,
    }
    alone: dict[int | str, type] = {"tracking": TrackingSpec, "search": SearchSpec}
    if model is SuiteSpec and len(location) == 2 and location[0] in alone:
        model = alone[location[0]]
    elif model is SuiteSpec and len(location) >= 3 and location[0] in inside:
        model = ResourceSpec if "resources" in location else inside[str(location[0])]
    return list(getattr(model, "model_fields", {}))


def _base(file: Path) -> Path:
    """What relative paths mean: beside the file; for a suite that ships, the current folder."""
    return Path.cwd() if file.parent == _shipped_folder() else file.parent


def _anchored(data: Any, folder: Path) -> Any:
    """Paths in a suite file become absolute."""
    if not isinstance(data, dict):
        return data

    def anchor(entry: Any, key: str) -> Any:
        if isinstance(entry, dict) and isinstance(entry.get(key), str) and "://" not in entry[key]:
            return {**entry, key: str((folder / Path(entry[key]).expanduser()).resolve())}
        return entry

    anchored = dict(data)
    if isinstance(data.get("datasets"), dict):
        anchored["datasets"] = {k: anchor(v, "prepared") for k, v in data["datasets"].items()}
    if isinstance(data.get("settings"), list):
        anchored["settings"] = [anchor(entry, "lists") for entry in data["settings"]]
    return anchored


def _collect_lines(node: yaml.Node, place: Place, lines: Lines, file: Path) -> None:
    lines.setdefault(place, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            name = str(key.value)
            if name in seen:
                raise UserError(f"{file}:{key.start_mark.line + 1}: {name!r} is given twice")
            seen.add(name)
            lines[(*place, name)] = key.start_mark.line + 1
            _collect_lines(value, (*place, name), lines, file)
    elif isinstance(node, yaml.SequenceNode):
        for position, value in enumerate(node.value):
            _collect_lines(value, (*place, position), lines, file)


def _place(file: Path, lines: Lines, keys: Place) -> str:
    for depth in range(len(keys), -1, -1):
        if keys[:depth] in lines:
            found = lines[keys[:depth]]
            return found if isinstance(found, str) else f"{file}:{found}"
    return str(file)
