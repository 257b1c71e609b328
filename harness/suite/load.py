"""From a suite file to a SuiteSpec, with the line of every key kept for error messages."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from harness.errors import UserError
from harness.registry import suggestion
from harness.suite.spec import (
    DatasetSpec,
    MethodSpec,
    ResourceSpec,
    SettingSpec,
    SuiteSpec,
    TrackingSpec,
)

Place = tuple[Hashable, ...]


@dataclass(frozen=True)
class LoadedSuite:
    """A suite, the file it came from, and the line on which each of its keys stands."""

    spec: SuiteSpec
    file: Path
    lines: dict[Place, int]

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


def load_suite(suite: str | Path) -> LoadedSuite:
    """Reads and checks a suite file; every mistake is one line with its place."""
    file = find_suite(str(suite))
    try:
        text = file.read_text(encoding="utf-8")
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except UnicodeDecodeError as error:
        raise UserError(f"{file}: not UTF-8 text ({error.reason} at byte {error.start})") from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise UserError(f"{file}:{line}: not valid YAML: {error.problem}") from error
    except yaml.YAMLError as error:
        raise UserError(f"{file}: not valid YAML: {str(error).splitlines()[0]}") from error
    if not isinstance(node, yaml.MappingNode):
        raise UserError(f"{file}:1: a suite is a mapping with name, datasets, settings and methods")
    lines: dict[Place, int] = {}
    _collect_lines(node, (), lines, file)
    data = yaml.safe_load(text)
    try:
        spec = SuiteSpec.model_validate(_anchored(data, _base(file)))
    except ValidationError as error:
        raise first_error(error, file, lines, SuiteSpec) from error
    return LoadedSuite(spec, file, lines)


def first_error(
    error: ValidationError,
    file: Path,
    lines: dict[Place, int],
    model: type,
    prefix: Place = (),
) -> UserError:
    """The first of pydantic's complaints as one line: place, key, what is wrong, what is right."""
    complaint = error.errors()[0]
    location: Place = (*prefix, *complaint["loc"])
    where = _place(file, lines, location)
    key = str(location[-1]) if location else "suite"
    if complaint["type"] == "extra_forbidden":
        valid = _fields_at(complaint["loc"], model)
        return UserError(f"{where}: unknown key {key!r}{suggestion(key, valid)}")
    if complaint["type"] == "missing":
        return UserError(f"{where}: {key!r} is missing")
    message = complaint["msg"].removeprefix("Value error, ")
    path = ".".join(str(part) for part in location)
    return UserError(f"{where}: {path}: {message}" if path else f"{where}: {message}")


def _fields_at(location: tuple[int | str, ...], model: type) -> list[str]:
    """The keys that are valid where an unknown one stood."""
    inside = {"datasets": DatasetSpec, "settings": SettingSpec, "methods": MethodSpec}
    if model is SuiteSpec and len(location) == 2 and location[0] == "tracking":
        model = TrackingSpec
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
        if isinstance(entry, dict) and isinstance(entry.get(key), str):
            return {**entry, key: str((folder / Path(entry[key]).expanduser()).resolve())}
        return entry

    anchored = dict(data)
    if isinstance(data.get("datasets"), dict):
        anchored["datasets"] = {k: anchor(v, "prepared") for k, v in data["datasets"].items()}
    if isinstance(data.get("settings"), list):
        anchored["settings"] = [anchor(entry, "lists") for entry in data["settings"]]
    return anchored


def _collect_lines(node: yaml.Node, place: Place, lines: dict[Place, int], file: Path) -> None:
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


def _place(file: Path, lines: dict[Place, int], keys: Place) -> str:
    for depth in range(len(keys), -1, -1):
        if keys[:depth] in lines:
            return f"{file}:{lines[keys[:depth]]}"
    return str(file)
