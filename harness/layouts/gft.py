"""GFT (Sayette group formation task): people talking in groups of three, one video each.

    AUCoding/001A.csv     a header, then one row a frame: frame number, AU codes
    Videos/001A.mp4       frames counted from 1

How copies of GFT name things is not documented publicly, so everything is an option: where the
files are, how a name gives group and seat, which column holds the frame, which codes mean missing.
Columns that are no AU's are passed over; an empty cell is a missing code.

Three people of one group share a scene (and light, and laughter): their ``group`` is kept in
``dataset.json`` for splits that must not tear a group apart.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import field_validator

from harness.data.building import SequenceFrames
from harness.layouts.adapter import Adapter, AdapterOptions, CodedSequence, Discovery, Problem
from harness.layouts.bp4d_writer import write_lines
from harness.layouts.codes import occurrence_labels, read_code_table
from harness.layouts.embedding import place
from harness.layouts.video_writer import VideoFile
from harness.layouts.writing import LayoutWriter
from harness.prepare.decode import VIDEO_SUFFIXES, Video
from harness.prepare.openface import write_openface

_BLANK = -999_999


class GftOptions(AdapterOptions):
    """Options of GFT.

    Attributes:
        codes_glob, videos_glob: the files, relative to the folder.
        name_pattern: regular expression that a file's stem must match, with groups ``group`` and
            ``seat``; together they name the person.
        frame_column: header of the column of frame numbers; None is the first column.
        missing_codes: besides empty cells.
    """

    codes_glob: str = "AUCoding/*.csv"
    videos_glob: str = "**/*"
    name_pattern: str = r"(?P<group>\d{3})(?P<seat>[A-Z])"
    frame_column: str | None = None
    missing_codes: tuple[int, ...] = (9, -1, 999)

    @field_validator("codes_glob", "videos_glob")
    @classmethod
    def _glob(cls, glob: str) -> str:
        try:
            next(iter(Path().glob(glob)), None)
        except (ValueError, NotImplementedError, IndexError) as error:
            raise ValueError(
                f"{glob!r} is not a pattern of files below the folder, such as AUCoding/*.csv"
            ) from error
        return glob

    @field_validator("name_pattern")
    @classmethod
    def _pattern(cls, pattern: str) -> str:
        try:
            groups = re.compile(pattern).groupindex
        except re.error as error:
            raise ValueError(f"is not a regular expression ({error})") from error
        if not {"group", "seat"} <= set(groups):
            raise ValueError("needs the groups (?P<group>...) and (?P<seat>...)")
        return pattern


class Gft(Adapter):
    """Reads GFT."""

    name = "gft"
    Options = GftOptions

    def describe(self) -> dict[str, Any]:
        """Layout and resolved options."""
        return {**super().describe(), "image_index_offset": self.options.image_index_offset or 0}

    def discover(self) -> Discovery:
        """Every person with codes and a video."""
        problems: list[Problem] = []
        codes = self._named(self.options.codes_glob, (".csv",), problems)
        videos = self._named(self.options.videos_glob, VIDEO_SUFFIXES, problems)
        if not codes:
            what = (
                f"no file matches codes_glob {self.options.codes_glob!r} with a name like "
                f"{self.options.name_pattern!r}"
            )
            problems.append(Problem(kind="names", place=str(self.root), what=what))
        sequences = []
        for (group, seat), file in sorted(codes.items()):
            where = self.relative(file)
            if (group, seat) not in videos:
                what = f"has codes for {group}{seat}, of whom there is no video"
                problems.append(Problem(kind="unmatched sequences", place=where, what=what))
                continue
            table = read_code_table(
                file,
                where,
                self.options.aus,
                problems,
                frame_column=self.options.frame_column,
                other_columns=True,
                blank=_BLANK,
            )
            if table is None:
                continue
            missing = (*self.options.missing_codes, _BLANK)
            labels = occurrence_labels(table, self.options.aus, missing, where, problems)
            video = videos[group, seat]
            offset = self.options.image_index_offset or 0
            sequences.append(
                CodedSequence(
                    subject=f"{self.name}:{group}{seat}",
                    sequence=f"{self.name}:{group}{seat}/video",
                    numbers=table.numbers.astype(np.int32),
                    labels=labels,
                    pictures=Video(video, self.relative(video)),
                    picture_numbers=(table.numbers + offset).astype(np.int32),
                    stem=f"{group}{seat}",
                    group=group,
                )
            )
        for (group, seat), video in sorted(videos.items()):
            if (group, seat) not in codes:
                what = f"{group}{seat} has no code file"
                problems.append(
                    Problem(kind="unmatched sequences", place=self.relative(video), what=what)
                )
        return Discovery(sequences=sequences, problems=problems)

    def _named(
        self, glob: str, suffixes: tuple[str, ...], problems: list[Problem]
    ) -> dict[tuple[str, str], Path]:
        """Files by group and seat."""
        found: dict[tuple[str, str], Path] = {}
        pattern = re.compile(self.options.name_pattern)
        for file in sorted(self.root.glob(glob)):
            match = pattern.fullmatch(file.stem)
            if file.suffix.lower() not in suffixes or match is None:
                continue
            key = (match["group"], match["seat"])
            if key in found:
                what = f"{self.relative(found[key])} is of the same person: narrow the glob"
                problems.append(Problem(kind="names", place=self.relative(file), what=what))
                continue
            found[key] = file
        return found


class GftWriter(LayoutWriter):
    """Writes GFT, groups of three; landmarks as OpenFace would write them, under ``OpenFace/``."""

    layout = "gft"
    subjects = tuple(f"{group:03d}{seat}" for group in range(1, 33) for seat in "ABC")
    size = (480, 360)

    def write_subject(self, subject: str) -> None:
        """The person's codes and video; several sequences of one subject follow each other."""
        name = self.names[subject]
        rows: list[str] = []
        landmarks: list[np.ndarray] = []
        video = None
        for position in self.positions(subject):
            frames = self.source.sequence(position)
            placement = place(f"{name} {len(rows)}", len(frames.numbers), self.picture_size)
            if video is None:
                video = VideoFile(self.folder / "Videos" / f"{name}.mp4", self.picture_size, 30)
            points = placement.landmarks(frames.landmarks.astype(np.float64))
            for frame in range(len(frames.numbers)):
                tracked = bool(frames.tracked[frame])
                video.write(placement.picture(frames.faces[frame], frame, tracked))
                rows.append(self._row(len(rows) + 1, frames, frame))
            landmarks.append(points)
        if video is not None:
            video.close()
        header = ["Frame", *(f"AU{au:02d}" for au in self.source.aus), "Comment"]
        write_lines(self.folder / "AUCoding" / f"{name}.csv", [",".join(header), *rows])
        write_openface(self.folder / "OpenFace" / f"{name}.csv", np.concatenate(landmarks))

    def _row(self, number: int, frames: SequenceFrames, frame: int) -> str:
        codes = [{1: "1", -1: "0", 0: "9"}[int(label)] for label in frames.labels[frame]]
        return ",".join([str(number), *codes, ""])
