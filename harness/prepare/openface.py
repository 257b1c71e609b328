"""Landmarks from OpenFace's CSV output (``FeatureExtraction -2Dfp``).

Columns: ``frame`` (counted from 1 in the order of the pictures), ``confidence``, ``success``,
``x_0`` to ``x_67`` and ``y_0`` to ``y_67`` (pixels counted from 0); their names come with or
without a leading blank. Files are named after the sequence: ``F001_T1.csv``, or ``F001/T1.csv``.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Self

import numpy as np

from harness.errors import UserError
from harness.layouts.adapter import CodedSequence
from harness.layouts.duplicates import identical_files
from harness.prepare.decode import Damaged
from harness.prepare.landmark_maps import FROM_68, to_49
from harness.prepare.tracker import Tracker


@dataclass(frozen=True)
class OpenFaceLandmarks:
    """A folder of OpenFace's CSV files.

    Attributes:
        folder: searched for each sequence's file.
        confidence: frames with less, or with ``success`` 0, count as lost.
        copies: files that are equal to another sequence's, so that nobody knows whose they are.
    """

    folder: Path
    confidence: float = 0.7
    copies: frozenset[Path] = frozenset()
    name = "openface"
    from_files = True

    def __post_init__(self) -> None:
        if not self.folder.is_dir():
            raise UserError(f"{self.folder} is not a folder of OpenFace's CSV files")

    @classmethod
    def of(cls, folder: Path, confidence: float, sequences: Sequence[CodedSequence]) -> Self:
        """The files in ``folder`` of these sequences."""
        source = cls(folder, confidence)
        files = []
        for sequence in sequences:
            with suppress(Damaged):  # said when the sequence is read
                files.append(source.file(sequence))
        return replace(source, copies=frozenset(chain(*identical_files(files))))

    def tracker(self) -> Tracker:
        """Not a tracker."""
        raise UserError("OpenFace's files hold no landmarks of other pictures")

    def read(self, sequence: CodedSequence) -> np.ndarray:
        """float32 (T, 49, 2); OpenFace's frame n is the n-th picture of the sequence."""
        file = self.file(sequence)
        if file in self.copies:
            raise Damaged(str(file), "is the same file as another sequence's")
        frames, points = read_openface(file, self.confidence)
        present = sequence.pictures.numbers()
        numbers = sequence.picture_numbers
        if present is not None:  # pictures in order: the first of them is OpenFace's frame 1
            ordinal = np.searchsorted(present, numbers) + 1
            ordinal[~np.isin(numbers, present)] = 0
            numbers = ordinal
        # OpenFace writes a row for every picture, with or without a face.
        absent = int((~np.isin(numbers, frames) & (numbers > 0)).sum())
        if absent or (present is not None and len(frames) > len(present)):
            pictures = "" if present is None else f" for {len(present)} pictures"
            raise Damaged(
                str(file),
                f"has {len(frames)} rows{pictures}, and none for {absent} coded frames: it is cut "
                "short, or belongs to another sequence",
            )
        found = np.full((len(numbers), 49, 2), np.nan, np.float32)
        shown = numbers > 0
        found[shown] = points[np.searchsorted(frames, numbers[shown])]
        return found

    def file(self, sequence: CodedSequence) -> Path:
        """The sequence's file.

        Raises:
            Damaged: there is none.
        """
        path = sequence.sequence.partition(":")[2]
        stems = dict.fromkeys((sequence.stem, path, path.replace("/", "_")))
        names = [f"{stem}.csv" for stem in stems if stem]
        for name in names:
            if (self.folder / name).is_file():
                return self.folder / name
        raise Damaged(str(self.folder), f"has no file {' or '.join(names)}")


def read_openface(file: Path, confidence: float) -> tuple[np.ndarray, np.ndarray]:
    """Frame numbers (T,), increasing, and points float32 (T, 49, 2), NaN where lost.

    Raises:
        Damaged: not such a file, or a cell is not a number, or a frame comes twice.
    """
    try:
        with file.open(encoding="utf-8-sig", newline="") as opened:
            rows = list(csv.reader(opened))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise Damaged(str(file), f"cannot be read as CSV ({error})") from error
    if not rows:
        raise Damaged(str(file), "is empty")
    header = [cell.strip() for cell in rows[0]]
    wanted = ["frame", "confidence", "success"]
    wanted += [f"{axis}_{i}" for axis in "xy" for i in range(68)]
    missing = [name for name in wanted if name not in header]
    if missing:
        raise Damaged(
            str(file), f"has no column {missing[0]!r}: run OpenFace with -2Dfp to write landmarks"
        )
    columns = [header.index(name) for name in wanted]
    table = np.empty((len(rows) - 1, len(wanted)))
    for row, cells in enumerate(rows[1:]):
        try:
            table[row] = [float(cells[column]) for column in columns]
        except (ValueError, IndexError) as error:
            raise Damaged(f"{file}, line {row + 2}", f"is damaged ({error})") from error
    _check_numbers(file, table)
    table = table[np.argsort(table[:, 0], kind="stable")]
    frames = table[:, 0].astype(np.int64)
    if len(np.unique(frames)) != len(frames):
        raise Damaged(str(file), "holds a frame twice: run OpenFace on one face a picture")
    points = np.stack([table[:, 3:71], table[:, 71:139]], axis=-1)
    points[~(table[:, 1] >= confidence) | (table[:, 2] != 1)] = np.nan
    return frames, to_49(points).astype(np.float32)


def _check_numbers(file: Path, table: np.ndarray) -> None:
    """Every frame's number is a whole one, and a frame with a face has all of its points."""
    numbers = table[:, 0]
    with np.errstate(invalid="ignore"):
        whole = (numbers == np.floor(numbers)) & (numbers >= 0) & (numbers < 2**31)
    wrong = ~whole | ((table[:, 2] == 1) & ~np.isfinite(table).all(axis=1))
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        what = "holds points that are no numbers"
        if not whole[row]:
            what = f"{numbers[row]:g} is not the number of a frame"
        raise Damaged(f"{file}, line {row + 2}", what)


def write_openface(file: Path, points_TP2: np.ndarray) -> None:
    """Writes such a file from (T, 49, 2) points in pixels, NaN where lost.

    The jaw and the inner mouth corners, which are not among the 49, are all put at their centre.
    """
    header = ["frame", "confidence", "success"]
    header += [f"{axis}_{i}" for axis in "xy" for i in range(68)]
    lines = [", ".join(header)]
    for frame, points in enumerate(points_TP2, start=1):
        full = np.zeros((68, 2))
        tracked = not np.isnan(points).any()
        if tracked:
            full[:] = points.mean(axis=0)
            full[FROM_68] = points
        cells = ", ".join(f"{value:.3f}" for value in full.T.ravel())
        lines.append(f"{frame}, {'0.98' if tracked else '0.00'}, {int(tracked)}, {cells}")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("\n".join(lines) + "\n", encoding="ascii")
