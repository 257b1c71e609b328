"""BP4D as distributed: 41 subjects (F001 to F023, M001 to M018), eight tasks each.

    Sequences(2D+3D)/F001/T1/0000.jpg    pictures, counted from 0; the width of names varies
    2DFeatures/F001_T1.mat               49 landmarks a picture (see fit_mat.py)
    AUCoding/AU_OCC/F001_T1.csv          occurrence codes, frames counted from 1
    AUCoding/AU_INT/AU06/F001_T1_AU06.csv  intensities 0 to 5 of AUs 6, 10, 12, 14 and 17, no header
    PreviewVideos/F001/F001_T1.avi       the same frames as a video

Folder names differ between copies (``Sequences_2D+3D``, ``BP4D-training``, ``AUCoding/AUCoding``,
``AU-Intensity-Codes3.0``), and the older video release names its files ``2F01_01.avi``: folders are
therefore known by what is in them.

Pictures are counted from 0 and codes from 1 (the guide's "Notice about the Index"): code row f
belongs to picture f - 1, and to the f-th frame of the video. Hence the default
``image_index_offset`` of -1 for pictures and 0 for videos.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from harness.layouts.adapter import (
    Adapter,
    AdapterOptions,
    CodedSequence,
    Discovery,
    Problem,
)
from harness.layouts.codes import (
    AuColumn,
    Codes,
    intensity_labels,
    join_columns,
    occurrence_labels,
    parse_rows,
    read_code_table,
    read_text,
)
from harness.layouts.duplicates import identical_files
from harness.layouts.fit_mat import FitFile, UnusableFile
from harness.layouts.tree import Tree
from harness.prepare.decode import Damaged, ImageFolder, Video, ZipImages

SUBJECTS = (*(f"F{i:03d}" for i in range(1, 24)), *(f"M{i:03d}" for i in range(1, 19)))
TASKS = tuple(f"T{i}" for i in range(1, 9))
INTENSITY_AUS = (6, 10, 12, 14, 17)

Key = tuple[str, str]
"""Subject and task."""


class Bp4dOptions(AdapterOptions):
    """Options of BP4D.

    Attributes:
        pictures: read the image release or the videos; ``auto`` takes images where there are any.
        codes: occurrence (all AUs) or intensity (6, 10, 12, 14, 17; occluded frames are missing).
        binarise_at: smallest intensity that counts as present; for ``codes: intensity`` only.
        landmark_index_offset: entry of the landmark file (counted from 0) = coded frame number +
            this; None is -1, as distributed.
    """

    pictures: Literal["auto", "images", "videos"] = "auto"
    codes: Literal["occurrence", "intensity"] = "occurrence"
    binarise_at: int | None = Field(default=None, ge=1, le=5)
    landmark_index_offset: int | None = None

    @model_validator(mode="after")
    def _intensities(self) -> Bp4dOptions:
        if self.codes == "occurrence" and self.binarise_at is not None:
            raise ValueError("binarise_at needs codes: intensity")
        wrong = [au for au in self.aus if au not in INTENSITY_AUS]
        if self.codes == "intensity" and wrong:
            raise ValueError(f"intensities exist for AUs {INTENSITY_AUS}, not for AU{wrong[0]}")
        return self


class Bp4d(Adapter):
    """Reads BP4D, images or videos."""

    name = "bp4d"
    Options = Bp4dOptions
    coded_tasks: ClassVar[tuple[str, ...]] = TASKS

    def discover(self) -> Discovery:
        """Every sequence that has codes, with its pictures and landmarks."""
        found = Tree(self.root)
        problems: list[Problem] = []
        kind, places = self._picture_sources(found, problems)
        self._kind = kind
        coded: Mapping[Key, Path | dict[int, Path]] = (
            found.codes if self.options.codes == "occurrence" else found.intensities
        )
        counts = {"pictures": 0, "uncoded_pictures": 0}
        sequences = []
        for key in sorted(set(coded) | set(places)):
            subject, task = key
            if task not in self.coded_tasks:
                if key in coded:
                    place = self.relative(_any_file(coded[key]))
                    what = f"is left out: {self.name} codes {', '.join(self.coded_tasks)} only"
                    problems.append(Problem(kind="code files", place=place, what=what, fault=False))
                continue
            if key not in places:
                place = self.relative(_any_file(coded[key]))
                what = f"has codes for {subject}/{task}, of which there are no {kind}"
                problems.append(Problem(kind="unmatched sequences", place=place, what=what))
            elif key not in coded:
                what = f"{subject}/{task} has no {self.options.codes} file"
                problems.append(
                    Problem(kind="unmatched sequences", place=places[key].name, what=what)
                )
            else:
                sequence = self._sequence(key, coded[key], places[key], found, problems)
                if sequence is None:
                    continue
                sequences.append(sequence)
                numbers = sequence.pictures.numbers()
                if numbers is not None:
                    used = np.isin(numbers, sequence.picture_numbers)
                    counts["pictures"] += len(numbers)
                    counts["uncoded_pictures"] += int((~used).sum())
        sequences = self._without_copies(sequences, found, problems)
        problems += found.problems
        return Discovery(sequences=sequences, problems=problems, counts=counts)

    def describe(self) -> dict[str, Any]:
        """Layout and resolved options."""
        kind = self._picture_kind
        described = super().describe()
        described["pictures"] = kind
        described["image_index_offset"] = self._image_offset(kind)
        described["landmark_index_offset"] = self._landmark_offset
        if self.options.codes == "intensity":
            described["binarise_at"] = self._binarise_at
        return described

    @property
    def _picture_kind(self) -> str:
        if not hasattr(self, "_kind"):
            self._kind, _ = self._picture_sources(Tree(self.root), [])
        return self._kind

    @property
    def _landmark_offset(self) -> int:
        offset = self.options.landmark_index_offset
        return -1 if offset is None else offset

    @property
    def _binarise_at(self) -> int:
        return self.options.binarise_at or 2

    def _image_offset(self, kind: str) -> int:
        offset: int | None = self.options.image_index_offset
        return (-1 if kind == "images" else 0) if offset is None else offset

    def _picture_sources(
        self, found: Tree, problems: list[Problem]
    ) -> tuple[str, dict[Key, ImageFolder | ZipImages | Video]]:
        """Whether images or videos are read, and each sequence's."""
        kind = self.options.pictures
        if kind == "auto":
            kind = "images" if found.images or not found.videos else "videos"
        if kind == "images":
            return kind, {
                key: ImageFolder(path, self.relative(path)) for key, path in found.images.items()
            }
        return kind, {key: Video(path, self.relative(path)) for key, path in found.videos.items()}

    def _without_copies(
        self, sequences: list[CodedSequence], found: Tree, problems: list[Problem]
    ) -> list[CodedSequence]:
        """A landmark file that two sequences share is wrong for one of them, and nobody knows for
        which: neither may use it. Equal code files are only worth knowing."""
        for file, first in identical_files(found.codes.values()):
            what = f"is the same file as {self.relative(first)}"
            place = self.relative(file)
            problems.append(Problem(kind="code files", place=place, what=what, fault=False))
        unusable: dict[Path, str] = {}
        for file, first in identical_files(found.landmarks.values()):
            what = f"is the same file as {self.relative(first)}: one is another sequence's"
            problems.append(Problem(kind="landmarks", place=self.relative(file), what=what))
            unusable[file], unusable[first] = what, f"is the same file as {self.relative(file)}"
        return [
            replace(s, landmarks=UnusableFile(s.landmarks.name, unusable[s.landmarks.file]))
            if isinstance(s.landmarks, FitFile) and s.landmarks.file in unusable
            else s
            for s in sequences
        ]

    def _sequence(
        self,
        key: Key,
        codes: Path | dict[int, Path],
        pictures: ImageFolder | ZipImages | Video,
        found: Tree,
        problems: list[Problem],
    ) -> CodedSequence | None:
        subject, task = key
        coded = self._codes(codes, f"{subject}/{task}", problems)
        if coded is None:
            return None
        numbers, labels = coded
        picture_numbers = (numbers + self._image_offset(self._kind)).astype(np.int32)
        try:
            present = pictures.numbers()
        except Damaged as error:
            problems.append(Problem(kind="pictures", place=error.place, what=error.reason))
            return None
        if present is not None:
            problems += unmatched_frames(numbers, picture_numbers, present, pictures.name)
        landmarks = None
        if key in found.landmarks:
            file = found.landmarks[key]
            entries = None
            if present is not None and len(present):
                last = int(present[-1]) - self._image_offset(self._kind)
                entries = last + self._landmark_offset + 1
            landmarks = FitFile(file, self.relative(file), self._landmark_offset, entries)
        elif found.landmarks:
            what = f"has no landmark file in {found.landmark_folder}, where others have theirs"
            problems.append(
                Problem(kind="landmarks", place=pictures.name, what=what, frames=len(numbers))
            )
        return CodedSequence(
            subject=f"{self.name}:{subject}",
            sequence=f"{self.name}:{subject}/{task}",
            numbers=numbers.astype(np.int32),
            labels=labels,
            pictures=pictures,
            picture_numbers=picture_numbers,
            landmarks=landmarks,
            stem=f"{subject}_{task}",
        )

    def _codes(
        self, codes: Path | dict[int, Path], key: str, problems: list[Problem]
    ) -> tuple[np.ndarray, np.ndarray] | None:
        aus, missing = self.options.aus, self.options.missing_codes
        if isinstance(codes, Path):
            place = self.relative(codes)
            table = read_code_table(codes, place, aus, problems)
            if table is None:
                return None
            return table.numbers, occurrence_labels(table, aus, missing, place, problems)
        parts: dict[int, AuColumn] = {}
        for au in aus:
            if au not in codes:
                what = f"has no intensity file for AU{au}"
                problems.append(Problem(kind="code files", place=key, what=what))
                continue
            place = self.relative(codes[au])
            table = _read_intensities(codes[au], place, au, problems)
            if table is not None:
                labels = intensity_labels(table, [au], missing, self._binarise_at, place, problems)
                parts[au] = AuColumn(numbers=table.numbers, labels=labels[:, 0], place=place)
        return join_columns(parts, aus, problems)


def unmatched_frames(
    numbers: np.ndarray, picture_numbers: np.ndarray, present: np.ndarray, place: str
) -> list[Problem]:
    """A problem if coded frames have no picture."""
    absent = numbers[~np.isin(picture_numbers, present)]
    if not len(absent):
        return []
    shown = ", ".join(str(n) for n in absent[:3]) + (" ..." if len(absent) > 3 else "")
    what = f"has no picture for {len(absent)} coded frames (frames {shown})"
    return [Problem(kind="unmatched frames", place=place, what=what, frames=len(absent))]


def _read_intensities(file: Path, place: str, au: int, problems: list[Problem]) -> Codes | None:
    text = read_text(file, place, problems)
    if text is None:
        return None
    return parse_rows(text.splitlines(), 2, [0, 1], [au], place, problems)


def _any_file(codes: Path | dict[int, Path]) -> Path:
    return codes if isinstance(codes, Path) else next(iter(codes.values()))
