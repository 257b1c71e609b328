"""DISFA as distributed: 27 subjects, one video of 4,845 frames each, intensities of 12 AUs.

    ActionUnit_Labels/SN001/SN001_au1.txt          lines ``frame,intensity``, frames from 1, 0 to 5
    Videos_LeftCamera/LeftVideoSN001_comp.avi      (also Video_LeftCamera, RightVideo..., _Comp),
                                                   or folders of frames: see disfa_pictures.py
    Landmark_Points/SN001/..._0000_lm.mat          ``pts`` 66x2, pixels from 1, one file a frame

Frame n of the labels is the n-th frame of the video, or picture n - 1 of a folder of frames.
Intensities from ``binarise_at`` (2 by default) are present: 1 would add between a quarter and twice
as many positives, so say which. DISFA has no missing code; a missing label file is an error, or an
unknown AU, but never an absent one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

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
from harness.layouts.bp4d_writer import graded_codes, write_lines
from harness.layouts.codes import (
    AuColumn,
    intensity_labels,
    join_columns,
    parse_rows,
    read_text,
)
from harness.layouts.disfa_pictures import Camera, frame_folders, videos
from harness.layouts.embedding import place
from harness.layouts.fit_mat import write_mat
from harness.layouts.video_writer import VideoFile
from harness.layouts.writing import LayoutWriter
from harness.prepare.decode import Damaged, ImageFolder, Video
from harness.prepare.landmark_maps import FROM_66, to_49

AUS = (1, 2, 4, 5, 6, 9, 12, 15, 17, 20, 25, 26)
SUBJECTS = tuple(f"SN{i:03d}" for i in (*range(1, 14), 16, 17, 18, 21, *range(23, 33)))
_LABEL_FILE = re.compile(r"^(SN\d{3})_au(\d{1,2})\.txt$", re.IGNORECASE)
_LANDMARK_FILE = re.compile(r"(\d+)_lm\.mat$", re.IGNORECASE)
_NAMED_SUBJECT = re.compile(r"^SN\d{3}(?=_)", re.IGNORECASE)


class DisfaOptions(AdapterOptions):
    """Options of DISFA.

    Attributes:
        pictures: read the videos or folders of frames; ``auto`` takes videos where there are any.
        camera: which of the two.
        binarise_at: smallest intensity that counts as present.
        landmark_index_offset: number in a landmark file's name = label frame + this; None is -1.
    """

    aus: tuple[int, ...] = AUS
    pictures: Literal["auto", "images", "videos"] = "auto"
    camera: Camera = "left"
    binarise_at: int = BinariseAt
    landmark_index_offset: int | None = None


class Disfa(Adapter):
    """Reads DISFA."""

    name = "disfa"
    Options = DisfaOptions

    def describe(self) -> dict[str, Any]:
        """Layout and resolved options."""
        offset = self.options.landmark_index_offset
        kind, _ = self._picture_sources([])
        return {
            **super().describe(),
            "pictures": kind,
            "image_index_offset": self._image_offset(kind),
            "landmark_index_offset": -1 if offset is None else offset,
        }

    def discover(self) -> Discovery:
        """Every subject with label files and pictures of the chosen camera."""
        problems: list[Problem] = []
        labels = self._label_files()
        kind, pictures = self._picture_sources(problems)
        landmarks = {
            folder.name.upper(): folder
            for folder in sorted(self.root.glob("**/Landmark_Points/SN*"))
            if folder.is_dir()
        }
        sequences = []
        for subject in sorted(set(labels) | set(pictures)):
            if subject not in pictures:
                what = f"has labels of {subject}, of whom there are no {self.options.camera} {kind}"
                where = self.relative(next(iter(labels[subject].values())).parent)
                problems.append(Problem(kind="unmatched sequences", place=where, what=what))
            elif subject not in labels:
                what = f"{subject} has no label files"
                where = pictures[subject].name
                problems.append(Problem(kind="unmatched sequences", place=where, what=what))
            else:
                folder = landmarks.get(subject)
                if folder is None and landmarks:
                    what = f"{subject} has no folder in Landmark_Points, where others have theirs"
                    where = pictures[subject].name
                    problems.append(Problem(kind="landmarks", place=where, what=what))
                found = self._sequence(
                    subject, labels[subject], kind, pictures[subject], folder, problems
                )
                sequences += [found] if found else []
        return Discovery(sequences=sequences, problems=problems)

    def _label_files(self) -> dict[str, dict[int, Path]]:
        """Label file by subject and AU."""
        found: dict[str, dict[int, Path]] = {}
        for file in sorted(self.root.glob("**/SN*/SN*_*.txt")):
            if match := _LABEL_FILE.match(file.name):
                found.setdefault(match[1].upper(), {})[int(match[2])] = file
        return found

    def _picture_sources(
        self, problems: list[Problem]
    ) -> tuple[str, dict[str, Video] | dict[str, ImageFolder]]:
        """Whether images or videos are read, and each subject's."""
        kind, camera = self.options.pictures, self.options.camera
        if kind != "images":
            found = videos(self.root, camera, problems)
            if found or kind == "videos":
                return "videos", found
        folders = frame_folders(self.root, camera, problems)
        return ("images" if folders or kind == "images" else "videos"), folders

    def _image_offset(self, kind: str) -> int:
        offset: int | None = self.options.image_index_offset
        return (-1 if kind == "images" else 0) if offset is None else offset

    def _sequence(
        self,
        subject: str,
        files: dict[int, Path],
        kind: str,
        pictures: Video | ImageFolder,
        landmarks: Path | None,
        problems: list[Problem],
    ) -> CodedSequence | None:
        parts: dict[int, AuColumn] = {}
        for au in self.options.aus:
            if au not in files:
                what = f"{subject} has no label file for AU{au}"
                where = self.relative(next(iter(files.values())).parent)
                problems.append(Problem(kind="code files", place=where, what=what))
                continue
            where = self.relative(files[au])
            text = read_text(files[au], where, problems)
            if text is None:
                continue
            table = parse_rows(text.splitlines(), 2, [0, 1], [au], where, problems)
            label = intensity_labels(
                table, [au], self.options.missing_codes, self.options.binarise_at, where, problems
            )
            parts[au] = AuColumn(numbers=table.numbers, labels=label[:, 0], place=where)
        joined = join_columns(parts, self.options.aus, problems)
        if joined is None:
            return None
        numbers, labels = joined
        picture_numbers = (numbers + self._image_offset(kind)).astype(np.int32)
        if isinstance(pictures, ImageFolder):
            try:
                present = pictures.numbers()
            except Damaged as error:
                problems.append(Problem(kind="pictures", place=error.place, what=error.reason))
                return None
            problems += unmatched_frames(numbers, picture_numbers, present, pictures.name)
        offset = self.options.landmark_index_offset
        offset = -1 if offset is None else offset
        points = None
        if landmarks is not None:
            points = PointFiles(landmarks, self.relative(landmarks), offset)
        return CodedSequence(
            subject=f"{self.name}:{subject}",
            sequence=f"{self.name}:{subject}/{self.options.camera}",
            numbers=numbers.astype(np.int32),
            labels=labels,
            pictures=pictures,
            picture_numbers=picture_numbers,
            landmarks=points,
            stem=Path(pictures.name).stem,
        )


@dataclass(frozen=True)
class PointFiles:
    """A folder with one landmark file a frame; the last number in a file's name is its frame's.

    A frame without a file counts as lost; a folder in which most frames have none does not fit.
    """

    folder: Path
    name: str
    offset: int

    def read(self, numbers: np.ndarray) -> np.ndarray:
        """float32 (T, 49, 2) pixels counted from 0, NaN where there is no file."""
        from scipy.io import loadmat

        files: dict[int, Path] = {}
        for file in sorted(self.folder.glob("**/*.mat")):
            if not (match := _LANDMARK_FILE.search(file.name)):
                continue
            place = f"{self.name}/{file.relative_to(self.folder).as_posix()}"
            owner = _NAMED_SUBJECT.match(file.name)
            if owner and owner[0].upper() != self.folder.name.upper():
                raise Damaged(place, f"is a file of {owner[0]}, not of {self.folder.name}")
            other = files.setdefault(int(match[1]), file)
            if other != file:
                raise Damaged(place, f"and {other.name} are both of frame {int(match[1])}")
        wanted = [int(n) + self.offset for n in numbers]
        present = sum(n in files for n in wanted)
        if present * 2 < len(wanted):
            raise Damaged(
                self.name,
                f"has landmark files for {present} of {len(wanted)} frames: are they another "
                "sequence's, or counted otherwise (landmark_index_offset)?",
            )
        points = np.full((len(numbers), 49, 2), np.nan, np.float32)
        for row, number in enumerate(wanted):
            if number not in files:
                continue
            place = f"{self.name}/{files[number].relative_to(self.folder).as_posix()}"
            try:
                pts = loadmat(files[number], variable_names=["pts"]).get("pts")
            except Exception as error:  # scipy raises whatever its parser stumbles over
                raise Damaged(place, f"is not a MATLAB file that can be read ({error})") from error
            if pts is None or pts.shape != (66, 2) or pts.dtype.kind not in "fiu":
                raise Damaged(place, "has no variable 'pts' of 66x2 numbers")
            points[row] = to_49(pts) - 1.0
        return points


class DisfaWriter(LayoutWriter):
    """Writes DISFA. An unknown label is written as intensity 9, which DISFA itself does not use."""

    layout = "disfa"
    subjects = SUBJECTS
    size = (512, 384)

    def write_subject(self, subject: str) -> None:
        """Label files, the left camera's video and landmarks; sequences follow each other."""
        name = self.names[subject]
        codes: list[np.ndarray] = []
        number = 0
        file = self.folder / "Videos_LeftCamera" / f"LeftVideo{name}_comp.avi"
        with VideoFile(file, self.picture_size, 20) as video:
            for position in self.positions(subject):
                frames = self.source.sequence(position)
                placement = place(f"{name} {position}", len(frames.numbers), self.picture_size)
                codes.append(np.stack([intensity_codes(c) for c in frames.labels.T], axis=1))
                points = placement.landmarks(frames.landmarks.astype(np.float64))
                for frame, tracked in enumerate(frames.tracked):
                    video.write(placement.picture(frames.faces[frame], frame, bool(tracked)))
                    if tracked:
                        self._write_points(name, number, points[frame])
                    number += 1
        intensities = np.concatenate(codes)
        for column, au in enumerate(self.source.aus):
            rows = [f"{n + 1},{code}" for n, code in enumerate(intensities[:, column])]
            write_lines(self.folder / "ActionUnit_Labels" / name / f"{name}_au{au}.txt", rows)

    def _write_points(self, name: str, number: int, points_P2: np.ndarray) -> None:
        full = np.tile(points_P2.mean(axis=0), (66, 1))  # the jaw is made up
        full[FROM_66] = points_P2
        folder = self.folder / "Landmark_Points" / name
        folder.mkdir(parents=True, exist_ok=True)
        write_mat(folder / f"{name}_{number:04d}_lm.mat", {"pts": full + 1.0})


def intensity_codes(labels_T: np.ndarray) -> np.ndarray:
    """Intensities 2 to 5 while present; before and after an event 1, which is not present yet."""
    codes = graded_codes(labels_T)
    present = (codes > 0) & (codes < 9)
    codes[present] = np.minimum(codes[present] + 1, 5)
    near = np.convolve(present, [1, 1, 1], mode="same") > 0
    codes[near & (codes == 0)] = 1
    return codes
