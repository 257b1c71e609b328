"""Writing generated faces in an official layout, so that the adapters have files to read.

A writer works subject by subject: each is a picklable call that any process may make, and leaves a
marker, so an interrupted run goes on where it stopped. Same source, same files, whatever the number
of processes.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np

from harness.data.building import SequenceFrames, SequenceHeader
from harness.errors import UserError
from harness.registry import load_object, suggestion

if TYPE_CHECKING:
    from harness.synthetic.recipe import SyntheticRecipe

WRITERS: dict[str, str] = {
    "bp4d": "harness.layouts.bp4d_writer:Bp4dWriter",
    "bp4dplus": "harness.layouts.bp4dplus:Bp4dPlusWriter",
    "gft": "harness.layouts.gft:GftWriter",
    "disfa": "harness.layouts.disfa:DisfaWriter",
    "disfaplus": "harness.layouts.disfaplus:DisfaPlusWriter",
}

MapUnits = Callable[[Callable[[Any], Any], Sequence[Any]], Iterable[Any]]
Progress = Callable[[int, int], None]


class FrameSource(Protocol):
    """Sequences to write; picklable."""

    @property
    def aus(self) -> tuple[int, ...]:
        """The AUs that the label columns stand for."""

    @property
    def headers(self) -> Sequence[SequenceHeader]:
        """Every sequence, sorted by subject."""

    def sequence(self, position: int) -> SequenceFrames:
        """The frames of the sequence at that position in ``headers``."""


@dataclass(frozen=True)
class RecipeSource:
    """The sequences of a recipe of synthetic faces."""

    recipe: SyntheticRecipe

    @cached_property
    def aus(self) -> tuple[int, ...]:
        """The recipe's AUs."""
        return self.recipe.label_aus

    @cached_property
    def headers(self) -> Sequence[SequenceHeader]:
        """The recipe's sequences."""
        from harness.synthetic.recipe import headers

        return headers(self.recipe)

    def sequence(self, position: int) -> SequenceFrames:
        """One sequence, rendered."""
        from harness.synthetic.making import sequence

        return sequence(self.recipe, position)


class LayoutWriter:
    """Base of the writers: who is written under which name.

    Class attributes:
        subjects: the layout's own subject names, in the order in which they are given out.
        size: default (width, height) of the pictures.
    """

    layout: ClassVar[str]
    subjects: ClassVar[tuple[str, ...]]
    size: ClassVar[tuple[int, int]]

    def __init__(
        self,
        source: FrameSource,
        folder: Path,
        *,
        size: tuple[int, int] | None = None,
        quality: int = 92,
    ) -> None:
        self.source = source
        self.folder = Path(folder)
        self.picture_size = size or self.size
        self.quality = quality
        own = self.source_subjects
        if len(own) > len(self.subjects):
            raise UserError(
                f"the {self.layout} layout has {len(self.subjects)} subjects, and "
                f"{len(own)} were asked for"
            )

    @cached_property
    def source_subjects(self) -> list[str]:
        """Subjects of the source, in order of appearance."""
        return list(dict.fromkeys(h.subject for h in self.source.headers))

    @cached_property
    def names(self) -> dict[str, str]:
        """Name in the layout by subject of the source."""
        return dict(zip(self.source_subjects, self.subjects, strict=False))

    def positions(self, subject: str) -> list[int]:
        """Positions of the source subject's sequences."""
        return [i for i, h in enumerate(self.source.headers) if h.subject == subject]

    def write_subject(self, subject: str) -> None:
        """Writes everything that the layout holds of one source subject."""
        raise NotImplementedError

    def encode(self, picture_HWC: np.ndarray) -> bytes:
        """A picture (blue first) as JPEG."""
        import cv2

        done, data = cv2.imencode(".jpg", picture_HWC, [cv2.IMWRITE_JPEG_QUALITY, self.quality])
        assert done
        return bytes(data)


def load_writer(layout: str) -> type[LayoutWriter]:
    """The writer of a layout."""
    if layout not in WRITERS:
        raise UserError(f"no layout {layout!r} can be written{suggestion(layout, WRITERS)}")
    found = load_object(WRITERS[layout])
    assert issubclass(found, LayoutWriter)
    return found


def write_layout(
    layout: str,
    source: FrameSource,
    folder: Path,
    *,
    size: tuple[int, int] | None = None,
    description: dict[str, Any] | None = None,
    map_units: MapUnits = map,
    progress: Progress | None = None,
) -> None:
    """Writes a source of sequences in an official layout.

    Args:
        folder: must not exist, be empty, or hold an unfinished run of the very same call.
        size: (width, height) of the pictures; None takes the layout's default.
        description: what is being written (the recipe), kept in ``synthetic.json``.
        map_units: applies a picklable function to each subject, in any order.
        progress: called with (subjects done, subjects in all).

    Raises:
        UserError: unknown layout, too many subjects, or a folder that holds something else.
    """
    folder = Path(folder)
    writer = load_writer(layout)(source, folder, size=size)
    about = {"layout": layout, "size": list(writer.picture_size), **(description or {})}
    text = json.dumps(about, indent=1, sort_keys=True) + "\n"
    markers = folder / ".writing"
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        begun = markers / "synthetic.json"
        if not begun.is_file() or begun.read_text(encoding="utf-8") != text:
            raise UserError(f"{folder} exists and holds something else: give another --out")
    markers.mkdir(parents=True, exist_ok=True)
    (markers / "synthetic.json").write_text(text, encoding="utf-8")
    subjects = writer.source_subjects
    pending = [s for s in subjects if not (markers / writer.names[s]).exists()]
    done = len(subjects) - len(pending)
    if progress:
        progress(done, len(subjects))
    for _ in map_units(partial(_write_one, writer), pending):
        done += 1
        if progress:
            progress(done, len(subjects))
    (folder / "synthetic.json").write_text(text, encoding="utf-8")
    shutil.rmtree(markers)


def _write_one(writer: LayoutWriter, subject: str) -> str:
    writer.write_subject(subject)
    (writer.folder / ".writing" / writer.names[subject]).touch()
    return subject
