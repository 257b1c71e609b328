"""DISFA+ as distributed: 9 subjects, posed and spontaneous trials, intensities of 12 AUs.

    Labels/SN001/A1_AU1_TrailNo_1/AU1.txt    lines ``000.jpg 0``; # begins a remark
    Images/SN001/A1_AU1_TrailNo_1/000.jpg

Every subject of DISFA+ is also one of DISFA, under the same name: subject ids are therefore those
of DISFA (``disfa:SN001``), so that training on one and testing on the other is seen to share
people. Some trials lack some AUs' files: those AUs are unknown there.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from harness.layouts.adapter import (
    Adapter,
    AdapterOptions,
    BinariseAt,
    CodedSequence,
    Discovery,
    Problem,
)
from harness.layouts.bp4d import unmatched_frames
from harness.layouts.bp4d_writer import write_lines
from harness.layouts.codes import (
    AuColumn,
    intensity_labels,
    join_columns,
    parse_rows,
    read_text,
)
from harness.layouts.disfa import AUS, intensity_codes
from harness.layouts.embedding import place
from harness.layouts.writing import LayoutWriter
from harness.prepare.decode import Damaged, ImageFolder
from harness.prepare.openface import write_openface

_SUBJECT = re.compile(r"^SN\d{3}$")
_AU_FILE = re.compile(r"^AU0?(\d{1,2})\.txt$", re.IGNORECASE)


class DisfaPlusOptions(AdapterOptions):
    """Options of DISFA+.

    Attributes:
        binarise_at: smallest intensity that counts as present.
    """

    aus: tuple[int, ...] = AUS
    binarise_at: int = BinariseAt


class DisfaPlus(Adapter):
    """Reads DISFA+."""

    name = "disfaplus"
    Options = DisfaPlusOptions

    def describe(self) -> dict[str, Any]:
        """Layout and resolved options."""
        return {**super().describe(), "image_index_offset": self.options.image_index_offset or 0}

    def discover(self) -> Discovery:
        """Every trial with labels and images."""
        problems: list[Problem] = []
        images, labels = self._trials("Images"), self._trials("Labels")
        sequences = []
        for subject, trial in sorted(set(images) | set(labels)):
            key = (subject, trial)
            if key not in images:
                what = f"has labels of {subject}/{trial}, of which there are no images"
                where = self.relative(labels[key])
                problems.append(Problem(kind="unmatched sequences", place=where, what=what))
            elif key not in labels:
                what = f"{subject}/{trial} has no label files"
                where = self.relative(images[key])
                problems.append(Problem(kind="unmatched sequences", place=where, what=what))
            elif found := self._sequence(subject, trial, images[key], labels[key], problems):
                sequences.append(found)
        return Discovery(sequences=sequences, problems=problems)

    def _trials(self, kind: str) -> dict[tuple[str, str], Path]:
        return {
            (folder.parent.name, folder.name): folder
            for folder in sorted(self.root.glob(f"**/{kind}/SN*/*"))
            if folder.is_dir() and _SUBJECT.match(folder.parent.name)
        }

    def _sequence(
        self, subject: str, trial: str, images: Path, labels: Path, problems: list[Problem]
    ) -> CodedSequence | None:
        files = {int(m[1]): f for f in sorted(labels.iterdir()) if (m := _AU_FILE.match(f.name))}
        parts: dict[int, AuColumn] = {}
        for au in self.options.aus:
            if au not in files:
                what = f"has no file for AU{au}: it is unknown in this trial"
                where = self.relative(labels)
                problems.append(Problem(kind="code files", place=where, what=what, fault=False))
                continue
            where = self.relative(files[au])
            text = read_text(files[au], where, problems)
            if text is None:
                continue
            table = parse_rows(_as_rows(text), 2, [0, 1], [au], where, problems)
            label = intensity_labels(
                table, [au], self.options.missing_codes, self.options.binarise_at, where, problems
            )
            parts[au] = AuColumn(numbers=table.numbers, labels=label[:, 0], place=where)
        joined = join_columns(parts, self.options.aus, problems)
        if joined is None:
            return None
        numbers, joined_labels = joined
        pictures = ImageFolder(images, self.relative(images))
        picture_numbers = (numbers + (self.options.image_index_offset or 0)).astype(np.int32)
        try:
            present = pictures.numbers()
        except Damaged as error:
            problems.append(Problem(kind="pictures", place=error.place, what=error.reason))
            return None
        problems += unmatched_frames(numbers, picture_numbers, present, pictures.name)
        return CodedSequence(
            subject=f"disfa:{subject}",
            sequence=f"{self.name}:{subject}/{trial}",
            numbers=numbers.astype(np.int32),
            labels=joined_labels,
            pictures=pictures,
            picture_numbers=picture_numbers,
            stem=f"{subject}_{trial}",
        )


def _as_rows(text: str) -> list[str]:
    """``000.jpg 0`` as ``000,0``; remarks become empty lines, so that line numbers stay."""
    rows = []
    for line in text.splitlines():
        if line.lstrip().startswith("#"):
            rows.append("")
            continue
        cells = line.split()
        if cells:
            cells[0] = re.sub(r"\.(jpe?g|png)$", "", cells[0], flags=re.IGNORECASE)
        rows.append(",".join(cells))
    return rows


class DisfaPlusWriter(LayoutWriter):
    """Writes DISFA+: a trial for each sequence; landmarks as OpenFace would write them, under
    ``OpenFace/``."""

    layout = "disfaplus"
    subjects = tuple(f"SN{i:03d}" for i in (1, 3, 4, 7, 9, 10, 13, 25, 27))
    size = (512, 384)

    def write_subject(self, subject: str) -> None:
        """Images and label files of every trial."""
        name = self.names[subject]
        for order, position in enumerate(self.positions(subject), start=1):
            frames = self.source.sequence(position)
            trial = f"A1_AU{self.source.aus[0]}_TrailNo_{order}"
            placement = place(f"{name} {trial}", len(frames.numbers), self.picture_size)
            folder = self.folder / "Images" / name / trial
            folder.mkdir(parents=True, exist_ok=True)
            files = [f"{frame:03d}.jpg" for frame in range(len(frames.numbers))]
            for frame, file in enumerate(files):
                picture = placement.picture(frames.faces[frame], frame, bool(frames.tracked[frame]))
                (folder / file).write_bytes(self.encode(picture))
            points = placement.landmarks(frames.landmarks.astype(np.float64))
            write_openface(self.folder / "OpenFace" / f"{name}_{trial}.csv", points)
            for column, au in enumerate(self.source.aus):
                codes = intensity_codes(frames.labels[:, column])
                rows = [f"{file} {code}" for file, code in zip(files, codes, strict=True)]
                target = self.folder / "Labels" / name / trial / f"AU{au}.txt"
                write_lines(target, ["# image intensity", *rows])
