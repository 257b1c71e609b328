"""The contract between a dataset on disk and the harness.

An adapter knows one official layout. It says which sequences there are, with every frame's label
known before a pixel is decoded; where their pictures are; and which landmarks came with them. All
of the rest (landmark detection, registration, writing) is the same for every dataset.

To add a dataset, derive from ``Adapter``, give ``name``, ``Options`` and ``discover``, and name the
class by its dotted path (``mypackage.mymodule:MyAdapter``) wherever ``bp4d`` could stand.

What always holds:
- a code that is missing, unreadable or unscorable is label 0 (unknown), never -1 (absent);
- frames are joined by their number, never by line order or file order;
- nothing that is wrong with the files is passed over: it is a ``Problem`` in the ``Discovery``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, field_validator

from harness.errors import UserError, first_complaint
from harness.prepare.decode import Pictures
from harness.registry import load_object, suggestion

PAPER_AUS = (1, 2, 4, 6, 7, 10, 12, 14, 15, 17, 23, 24)

ADAPTERS: dict[str, str] = {
    "bp4d": "harness.layouts.bp4d:Bp4d",
    "bp4dplus": "harness.layouts.bp4dplus:Bp4dPlus",
    "gft": "harness.layouts.gft:Gft",
    "disfa": "harness.layouts.disfa:Disfa",
    "disfaplus": "harness.layouts.disfaplus:DisfaPlus",
}

Kind = Literal[
    "code files",
    "code cells",
    "duplicate rows",
    "unmatched sequences",
    "unmatched frames",
    "pictures",
    "landmarks",
    "archives",
    "names",
]


class AdapterOptions(BaseModel):
    """Options that every layout has. Each is stored, as it was resolved, in ``dataset.json``.

    Attributes:
        aus: the AUs to keep, in the order of the label columns.
        missing_codes: codes that mean "not coded" or "cannot be scored": label 0.
        image_index_offset: picture number = coded frame number + this; None takes the layout's own.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    aus: tuple[int, ...] = PAPER_AUS
    missing_codes: tuple[int, ...] = (9,)
    image_index_offset: int | None = None

    @field_validator("aus", "missing_codes", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        return (value,) if isinstance(value, int) else value

    @field_validator("aus")
    @classmethod
    def _distinct(cls, aus: tuple[int, ...]) -> tuple[int, ...]:
        if not aus or len(set(aus)) != len(aus) or min(aus) < 1:
            raise ValueError("aus must name at least one AU, each once, as a positive number")
        return aus


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Something wrong with the files.

    Attributes:
        kind: the part of the dataset that it concerns.
        place: file or folder, with the line where there is one.
        what: what is wrong with it.
        frames: coded frames that become unknown if the problem is skipped.
        fault: False for what is only worth knowing (a note in the audit).
    """

    kind: Kind
    place: str
    what: str
    frames: int = 0
    fault: bool = True

    def __str__(self) -> str:
        return f"{self.place}: {self.what}"


class LandmarkFile(Protocol):
    """Landmarks that were distributed with a dataset; picklable."""

    def read(self, numbers: np.ndarray) -> np.ndarray:
        """float32 (T, 49, 2): (x, y) in pixels of the picture, counted from 0, for these coded
        frame numbers; NaN where tracking was lost.

        Raises:
            harness.prepare.decode.Damaged: the file cannot be used.
        """


@dataclass(frozen=True, kw_only=True)
class CodedSequence:
    """A sequence as found on disk, its labels known, its pictures not yet decoded; picklable.

    Attributes:
        subject: ``"bp4d:F001"``.
        sequence: ``"bp4d:F001/T1"``, unique in the dataset.
        numbers: int32 (T,) coded frame numbers, increasing.
        labels: int8 (T, L) in {-1, 0, +1}.
        pictures: where the pixels are.
        picture_numbers: int32 (T,) the picture that shows each coded frame.
        landmarks: the file distributed with the dataset, if there is one.
        stem: name under which tools name the sequence's files: ``"F001_T1"``.
        group: people who share a scene, for splits that must keep them together.
    """

    subject: str
    sequence: str
    numbers: np.ndarray
    labels: np.ndarray
    pictures: Pictures
    picture_numbers: np.ndarray
    landmarks: LandmarkFile | None = None
    stem: str = ""
    group: str | None = None


@dataclass(frozen=True, kw_only=True)
class Discovery:
    """What an adapter found: usable ``sequences`` sorted by subject and sequence, and ``problems``.

    ``counts`` are facts for the audit: pictures found, pictures without codes, sequences without
    pictures, and whatever else the layout counts.
    """

    sequences: Sequence[CodedSequence]
    problems: Sequence[Problem] = ()
    counts: dict[str, int] = field(default_factory=dict)


class Adapter:
    """Base of the layouts. A subclass gives ``name``, ``Options`` and ``discover``.

    Class attributes:
        name: short name; subject ids begin with it (``bp4d:F001``).
        Options: the pydantic model of its options.
    """

    name: ClassVar[str]
    Options: ClassVar[type[AdapterOptions]] = AdapterOptions

    def __init__(self, root: Path | str, options: Any = None) -> None:
        self.root = Path(root)
        self.options: Any = self.Options() if options is None else options
        if not self.root.is_dir():
            raise UserError(f"{self.root} is not a folder: give the folder that holds {self.name}")

    def discover(self) -> Discovery:
        """Finds every coded sequence under the root."""
        raise NotImplementedError

    def describe(self) -> dict[str, Any]:
        """Layout and resolved options, as they go into ``dataset.json``; no absolute paths, so
        that the same data prepared elsewhere is the same dataset."""
        return {"layout": self.name, **self.options.model_dump(mode="json")}

    def relative(self, path: Path) -> str:
        """The path as messages and the ``source`` column name it: relative to the root."""
        try:
            return path.relative_to(self.root).as_posix()
        except ValueError:
            return str(path)


def load_adapter(name: str) -> type[Adapter]:
    """The adapter class of a shipped layout, or of a dotted path ``package.module:Class``."""
    if name not in ADAPTERS and ":" not in name:
        raise UserError(f"unknown dataset {name!r}{suggestion(name, ADAPTERS)}")
    found = load_object(ADAPTERS.get(name, name))
    if not issubclass(found, Adapter):
        raise UserError(
            f"{name!r} is not an adapter: it does not derive from harness.layouts.adapter.Adapter"
        )
    return found


def open_adapter(name: str, root: Path | str, options: dict[str, Any] | None = None) -> Adapter:
    """The adapter of that name on that folder, with options checked.

    Raises:
        UserError: unknown dataset, unknown or impossible option, or no such folder.
    """
    from pydantic import ValidationError

    adapter = load_adapter(name)
    try:
        checked = adapter.Options(**(options or {}))
    except ValidationError as error:
        complaint = first_complaint(error)
        option = complaint.name or "options"
        valid = tuple(adapter.Options.model_fields)
        hint = suggestion(option, valid) if complaint.kind == "extra_forbidden" else ""
        message = f"dataset {name}, option {option!r}: {complaint.message}{hint}"
        raise UserError(message) from error
    return adapter(root, checked)


MissingFace = Literal["unknown", "carry", "keep"]
OnError = Literal["refuse", "skip"]

BinariseAt = Field(default=2, ge=1, le=5)
