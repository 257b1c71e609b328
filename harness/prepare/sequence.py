"""One sequence's preparation: decode its pictures, find the landmarks, register the faces.

A picklable call that any process may make; what it gives depends on its task alone.

What always holds:
- every coded frame is in the result, in order; a frame whose face is lost keeps its row;
- a damaged picture or landmark file stops the call (``on_error: refuse``), or makes the frames that
  it concerns unknown and counts them (``on_error: skip``).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from harness.data.building import SequenceFrames
from harness.layouts.adapter import CodedSequence, MissingFace, OnError
from harness.prepare.decode import Damaged
from harness.prepare.landmarks import LandmarkOptions, LandmarkSource
from harness.prepare.registration import FACE_SIZE, Registration, transform


class PrepareOptions(LandmarkOptions):
    """Options of preparation; each is stored in ``dataset.json``.

    Attributes:
        eye_dist, points, resampling: registration (see ``harness.prepare.registration``).
        missing_face: a frame without a face gets unknown labels (``unknown``), the last face found
            before it with its own labels (``carry``; unknown where there is none), or keeps its
            labels beside a black picture (``keep``).
        on_error: whether a damaged file refuses the dataset or makes its frames unknown.
    """

    eye_dist: Literal[80, 90, 100] = 90
    points: Literal["all", "rigid_subset"] = "all"
    resampling: Literal["area", "bilinear"] = "area"
    missing_face: MissingFace = "unknown"
    on_error: OnError = "refuse"

    @property
    def registration(self) -> Registration:
        """How faces are registered."""
        return Registration(eye_dist=self.eye_dist, points=self.points, resampling=self.resampling)


@dataclass(kw_only=True)
class SequenceRecord:
    """What became of one sequence.

    Attributes:
        frames, tracked: coded frames, and those with a face.
        no_face: frames in which no face was found, or whose landmarks were marked as lost.
        damaged: frames whose picture or landmarks could not be used.
        known_labels: labels that are not unknown in the result.
        problems: what was wrong, one line each.
    """

    sequence: str
    frames: int
    tracked: int = 0
    no_face: int = 0
    damaged: int = 0
    known_labels: int = 0
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class SequenceTask:
    """One sequence's work: picklable, and complete in itself."""

    sequence: CodedSequence
    source: LandmarkSource
    options: PrepareOptions


def prepare_sequence(task: SequenceTask) -> tuple[SequenceFrames, SequenceRecord]:
    """Decodes, tracks and registers one sequence.

    Raises:
        Damaged: a file cannot be used, with ``on_error: refuse``.
    """
    import cv2

    cv2.setNumThreads(1)
    sequence, options = task.sequence, task.options
    registration = options.registration
    num_frames = len(sequence.numbers)
    record = SequenceRecord(sequence=sequence.sequence, frames=num_frames)
    faces = np.zeros((num_frames, FACE_SIZE, FACE_SIZE, 3), np.uint8)
    landmarks = np.full((num_frames, 49, 2), np.nan, np.float32)
    tracked = np.zeros(num_frames, bool)
    damaged = np.zeros(num_frames, bool)
    sizes = np.zeros((num_frames, 2), np.int32)

    points_T = _points_from_files(task, record, damaged)
    track = None if points_T is not None else task.source.tracker()
    if points_T is None:
        wanted = np.arange(num_frames)
        matrices_T = None
    else:
        matrices_T = registration.fit(points_T)
        whole = np.isfinite(points_T).all(axis=(1, 2)) & np.isfinite(matrices_T[:, 0, 0])
        wanted = np.flatnonzero(whole)
    for frame, picture in zip(wanted, _pictures(sequence, wanted), strict=True):
        if isinstance(picture, Damaged):
            _refuse_or_note(picture, options, record)
            damaged[frame] = True
            continue
        sizes[frame] = picture.shape[:2]
        if track is not None:
            points = track(picture)
            if points is None:
                continue
            matrix = registration.fit(points)
        else:
            assert points_T is not None
            assert matrices_T is not None
            points, matrix = points_T[frame], matrices_T[frame]
            if outside_picture(points, picture.shape):
                place = getattr(sequence.landmarks, "name", sequence.sequence)
                why = (
                    f"the landmarks of frame {sequence.numbers[frame]} lie outside its picture of "
                    f"{picture.shape[1]}x{picture.shape[0]} pixels"
                )
                _refuse_or_note(Damaged(place, why), options, record)
                damaged[frame] = True
                continue
        faces[frame] = registration.warp(picture, matrix)[..., ::-1]
        landmarks[frame] = transform(points, matrix)
        tracked[frame] = True
    for frame in _odd_sizes(sizes):
        place = sequence.pictures.place(int(sequence.picture_numbers[frame]))
        height, width = sizes[frame]
        why = f"is {width}x{height} pixels, unlike the other pictures of its sequence"
        _refuse_or_note(Damaged(place, why), options, record)
        damaged[frame], tracked[frame] = True, False
        faces[frame], landmarks[frame] = 0, np.nan
    labels = _apply_missing(sequence.labels, tracked, damaged, faces, landmarks, options)
    record.tracked = int(tracked.sum())
    record.damaged = int(damaged.sum())
    record.no_face = num_frames - record.tracked - record.damaged
    record.known_labels = int((labels != 0).sum())
    frames = SequenceFrames(
        numbers=sequence.numbers,
        labels=labels,
        landmarks=landmarks,
        faces=faces,
        tracked=tracked,
        source=[sequence.pictures.place(int(n)) for n in sequence.picture_numbers],
    )
    return frames, record


def _points_from_files(
    task: SequenceTask, record: SequenceRecord, damaged: np.ndarray
) -> np.ndarray | None:
    """(T, 49, 2) from files, or None where the source tracks pictures. An unusable file marks every
    frame as damaged."""
    if not task.source.from_files:
        return None
    try:
        return task.source.read(task.sequence)
    except Damaged as error:
        _refuse_or_note(error, task.options, record)
        damaged[:] = True
        return np.full((len(task.sequence.numbers), 49, 2), np.nan, np.float32)


def _pictures(sequence: CodedSequence, wanted: np.ndarray) -> Iterable[np.ndarray | Damaged]:
    """The wanted frames' pictures; a source that cannot even be opened damages them all."""
    numbers = sequence.picture_numbers[wanted]
    given = 0
    try:
        for picture in sequence.pictures.read(numbers):
            yield picture
            given += 1
    except Damaged as error:
        for _ in range(len(numbers) - given):
            yield error


def _refuse_or_note(error: Damaged, options: PrepareOptions, record: SequenceRecord) -> None:
    if options.on_error == "refuse":
        raise error
    if str(error) not in record.problems:
        record.problems.append(str(error))


def outside_picture(points_P2: np.ndarray, shape: tuple[int, ...]) -> bool:
    """Whether the face's centre is not in the picture: a face at the border is still a face."""
    x, y = points_P2.mean(axis=0)
    return bool(x < 0 or y < 0 or x >= shape[1] or y >= shape[0])


def _odd_sizes(sizes_T2: np.ndarray) -> np.ndarray:
    """Frames whose picture differs in size from most of the sequence."""
    decoded = np.flatnonzero(sizes_T2[:, 0])
    if not len(decoded):
        return decoded
    kinds, counts = np.unique(sizes_T2[decoded], axis=0, return_counts=True)
    return decoded[(sizes_T2[decoded] != kinds[counts.argmax()]).any(axis=1)]


def _apply_missing(
    labels_TL: np.ndarray,
    tracked: np.ndarray,
    damaged: np.ndarray,
    faces: np.ndarray,
    landmarks: np.ndarray,
    options: PrepareOptions,
) -> np.ndarray:
    """Labels after the policy for lost faces; ``carry`` also fills faces and landmarks in place.
    Damaged frames are unknown under every policy."""
    labels = labels_TL.copy()
    lost = ~tracked & ~damaged
    labels[damaged] = 0
    if options.missing_face == "unknown":
        labels[lost] = 0
    elif options.missing_face == "carry":
        last = np.maximum.accumulate(np.where(tracked, np.arange(len(tracked)), -1))
        for frame in np.flatnonzero(lost):
            if last[frame] < 0:
                labels[frame] = 0
            else:
                faces[frame], landmarks[frame] = faces[last[frame]], landmarks[last[frame]]
    return labels
