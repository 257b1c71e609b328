"""Writes sequences in the layout of BP4D, quirks included.

Pictures are counted from 0 and codes from 1; the width of picture names varies from sequence to
sequence; coding starts late in most sequences and does not reach the last picture; occurrence files
have 100 columns, 9 in each that is not coded; a lost face is an empty ``pred``.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest
from pathlib import Path

import numpy as np

from harness.data.building import SequenceFrames
from harness.errors import UserError
from harness.layouts.bp4d import INTENSITY_AUS, SUBJECTS, TASKS
from harness.layouts.embedding import place
from harness.layouts.fit_mat import write_fit
from harness.layouts.writing import LayoutWriter

_CODE = {-1: "0", 0: "9", 1: "1"}


@dataclass(frozen=True, kw_only=True)
class Span:
    """How much of a sequence's pictures is coded.

    Attributes:
        first: coded frame number of the sequence's first frame (1 for some sequences).
        before, after: uncoded pictures in front and behind.
    """

    first: int
    after: int

    @property
    def before(self) -> int:
        """Uncoded pictures in front."""
        return self.first - 1


def span_of(name: str) -> Span:
    """The span of the sequence of that name (``F001_T1``)."""
    draw = zlib.crc32(name.encode())
    return Span(first=1 if draw % 3 == 0 else 2 + draw // 3 % 11, after=draw // 64 % 7)


def stretched(num_frames: int, span: Span) -> np.ndarray:
    """Frame shown in each picture: uncoded pictures show the coded ones run backwards, so that
    every picture differs from its neighbours."""
    shown = np.arange(-span.before, num_frames + span.after)
    bounce = np.abs(shown) % max(2 * num_frames - 2, 1)
    return np.where(bounce < num_frames, bounce, 2 * num_frames - 2 - bounce)


class Bp4dWriter(LayoutWriter):
    """Writes BP4D. Subjects are given out as F001, M001, F002, M002, ..."""

    layout = "bp4d"
    subjects = tuple(s for s in chain(*zip_longest(SUBJECTS[:23], SUBJECTS[23:])) if s)
    size = (520, 696)
    tasks = TASKS

    def key(self, position: int) -> tuple[str, str]:
        """Subject and task that the source's sequence is written under."""
        subject = self.source.headers[position].subject
        order = self.positions(subject).index(position)
        if order >= len(self.tasks):
            raise UserError(
                f"the {self.layout} layout has {len(self.tasks)} tasks, and {subject} has "
                f"{len(self.positions(subject))} sequences"
            )
        return self.names[subject], self.tasks[order]

    def write_subject(self, subject: str) -> None:
        """Pictures, landmarks, occurrence and intensity codes of every task."""
        for position in self.positions(subject):
            name, task = self.key(position)
            frames = self.source.sequence(position)
            self._write_pictures(name, task, frames)
            self._write_codes(name, task, frames)

    def _write_pictures(self, name: str, task: str, frames: SequenceFrames) -> None:
        span = span_of(f"{name}_{task}")
        shown = stretched(len(frames.numbers), span)
        digits = len(str(len(shown)))
        width = max(digits, 2 + zlib.crc32(f"width {name}_{task}".encode()) % 3)
        placement = place(f"{name}_{task}", len(shown), self.picture_size)
        self.store_pictures(
            name,
            task,
            (
                (
                    f"{picture:0{width}d}.jpg",
                    self.encode(
                        placement.picture(frames.faces[frame], picture, bool(frames.tracked[frame]))
                    ),
                )
                for picture, frame in enumerate(shown)
            ),
        )
        points = placement.landmarks(frames.landmarks[shown].astype(np.float64))
        points[~frames.tracked[shown]] = np.nan
        write_fit(self.folder / "2DFeatures" / f"{name}_{task}.mat", points, placement.roll_T)

    def store_pictures(self, name: str, task: str, pictures: Iterable[tuple[str, bytes]]) -> None:
        """Puts (file name, bytes) pairs where the layout has them."""
        folder = self.folder / "Sequences(2D+3D)" / name / task
        folder.mkdir(parents=True, exist_ok=True)
        for file, data in pictures:
            (folder / file).write_bytes(data)

    def _write_codes(self, name: str, task: str, frames: SequenceFrames) -> None:
        first = span_of(f"{name}_{task}").first
        numbers = first + np.arange(len(frames.numbers))
        self.write_occurrence(
            self.folder / "AUCoding" / "AU_OCC" / f"{name}_{task}.csv", numbers, frames.labels
        )
        for au in INTENSITY_AUS:
            if au not in self.source.aus:
                continue
            graded = graded_codes(frames.labels[:, self.source.aus.index(au)])
            folder = self.folder / "AUCoding" / "AU_INT" / f"AU{au:02d}"
            rows = [f"{n},{code}" for n, code in zip(numbers, graded, strict=True)]
            write_lines(folder / f"{name}_{task}_AU{au:02d}.csv", rows)

    def write_occurrence(self, file: Path, numbers: np.ndarray, labels_TL: np.ndarray) -> None:
        """The 100-column occurrence file."""
        cells = code_cells(labels_TL, self.source.aus, range(1, 100))
        rows = [f"{n},{','.join(row)}" for n, row in zip(numbers, cells, strict=True)]
        write_lines(file, [",".join(map(str, range(100))), *rows])


def graded_codes(labels_T: np.ndarray) -> np.ndarray:
    """Intensity codes for one AU's labels: 1 to 5 while present, rising from the onset and falling
    to the offset of each event; 0 while absent; 9 where unknown."""
    codes = np.where(labels_T == 0, 9, 0)
    present = np.flatnonzero(labels_T > 0)
    absent = np.r_[-1, np.flatnonzero(labels_T <= 0), len(labels_T)]
    after = np.searchsorted(absent, present)
    to_edge = np.minimum(present - absent[after - 1], absent[after] - present)
    codes[present] = np.minimum(to_edge, 5)
    return codes


def code_cells(labels_TL: np.ndarray, aus: Sequence[int], columns: Sequence[int]) -> np.ndarray:
    """Occurrence codes as text, (T, columns); 9 in the columns of AUs that are not labelled."""
    cells = np.full((len(labels_TL), len(columns)), "9")
    for column, au in enumerate(aus):
        cells[:, columns.index(au)] = [_CODE[int(label)] for label in labels_TL[:, column]]
    return cells


def write_lines(file: Path, lines: list[str]) -> None:
    """Writes a text file, its folders made."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("\n".join(lines) + "\n", encoding="ascii")
