"""Preparation: from a dataset in its official layout to a prepared dataset, sequence by sequence.

For each sequence: decode the pictures, find the landmarks, register the faces, write. One sequence
is one picklable call, so sequences can be spread over any number of processes; what comes out does
not depend on how. A build that was interrupted goes on where it stopped.

What always holds:
- every coded frame is in the result, in order; a frame whose face is lost keeps its row;
- anything wrong with a file refuses the dataset (``on_error: refuse``), or makes the frames that it
  concerns unknown and counts them (``on_error: skip``); nothing else happens silently;
- ``sequences.csv`` in the prepared folder says for every sequence how many frames were tracked, how
  many were lost, and why.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from harness.data.prepared import PreparedBuilder, PreparedDataset, SequenceFrames, SequenceHeader
from harness.errors import UserError
from harness.layouts.adapter import Adapter, CodedSequence, Discovery, MissingFace, OnError
from harness.prepare.decode import Damaged
from harness.prepare.landmarks import LandmarkOptions, LandmarkSource, choose_source
from harness.prepare.registration import FACE_SIZE, Registration, transform

MapSequences = Callable[[Callable[[Any], Any], Sequence[Any]], Iterable[Any]]
Progress = Callable[[int, int, int, int], None]

_BYTES_A_FRAME = FACE_SIZE * FACE_SIZE * 3 + 49 * 2 * 4 + 64


class PrepareOptions(LandmarkOptions):
    """Options of preparation; each is stored in ``dataset.json``.

    Attributes:
        eye_dist, points: registration (see ``harness.prepare.registration``).
        missing_face: a frame without a face gets unknown labels (``unknown``), the last face found
            before it with its own labels (``carry``; unknown where there is none), or keeps its
            labels beside a black picture (``keep``).
        on_error: whether a damaged file refuses the dataset or makes its frames unknown.
    """

    eye_dist: Literal[80, 90, 100] = 90
    points: Literal["all", "rigid_subset"] = "all"
    missing_face: MissingFace = "unknown"
    on_error: OnError = "refuse"

    @property
    def registration(self) -> Registration:
        """How faces are registered."""
        return Registration(eye_dist=self.eye_dist, points=self.points)


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
        wanted = np.flatnonzero(np.isfinite(matrices_T[:, 0, 0]))
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
            if _outside(points, picture.shape):
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


def _outside(points_P2: np.ndarray, shape: tuple[int, ...]) -> bool:
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


def prepare(
    adapter: Adapter,
    folder: Path,
    options: PrepareOptions | None = None,
    *,
    name: str | None = None,
    map_sequences: MapSequences = map,
    progress: Progress | None = None,
) -> PreparedDataset:
    """Prepares a dataset.

    Args:
        folder: the prepared dataset to make; must not exist, or hold an unfinished build made with
            the same options.
        name: of the prepared dataset; the layout's name by default.
        map_sequences: applies a picklable function to each of many tasks, in any order: ``map``,
            ``process_map(n)``, or whatever spreads work over a cluster.
        progress: called with (sequences done, sequences in all, frames done, frames in all).

    Raises:
        UserError: no coded sequence was found, a file is wrong (``on_error: refuse``), the folder
            holds something else, or there is not enough room for it.
    """
    options = options or PrepareOptions()
    folder = Path(folder)
    found = adapter.discover()
    faults = [p for p in found.problems if p.fault]
    if faults and options.on_error == "refuse":
        more = f" ({len(faults) - 1} more; aubench audit lists them)" if len(faults) > 1 else ""
        raise UserError(f"{faults[0]}{more}")
    sequences = sorted(found.sequences, key=lambda s: (s.subject, s.sequence))
    if not sequences:
        why = f": {faults[0]}" if faults else ""
        raise UserError(f"no coded sequence of {adapter.name} was found under {adapter.root}{why}")
    source = choose_source(options, sequences)
    num_frames = [len(s.numbers) for s in sequences]
    builder = _builder(adapter, folder, options, name, source, sequences)
    _check_room(builder.building, _BYTES_A_FRAME * sum(num_frames[i] for i in builder.pending()))
    pending = builder.pending()
    remaining = set(pending)
    done_frames = sum(n for i, n in enumerate(num_frames) if i not in remaining)
    if progress:
        progress(len(sequences) - len(pending), len(sequences), done_frames, sum(num_frames))
    tasks = [(i, SequenceTask(sequences[i], source, options)) for i in pending]
    for position in map_sequences(partial(prepare_and_write, builder), tasks):
        remaining.discard(position)
        done_frames += num_frames[position]
        if progress:
            done = len(sequences) - len(remaining)
            progress(done, len(sequences), done_frames, sum(num_frames))
    _write_records(builder, found)
    return builder.finish()


def _builder(
    adapter: Adapter,
    folder: Path,
    options: PrepareOptions,
    name: str | None,
    source: LandmarkSource,
    sequences: Sequence[CodedSequence],
) -> PreparedBuilder:
    described = options.model_dump(mode="json", exclude={"eye_dist", "points"})
    for path in ("openface", "mediapipe_model"):  # where a file stood cannot change a result
        described.pop(path)
    if source.name != "openface":
        described.pop("openface_confidence")
    described["landmarks"] = source.name
    groups = {s.subject: s.group for s in sequences if s.group is not None}
    return PreparedBuilder(
        folder,
        name=name or adapter.name,
        aus=adapter.options.aus,
        sequences=[
            SequenceHeader(subject=s.subject, sequence=s.sequence, num_frames=len(s.numbers))
            for s in sequences
        ],
        registration={**options.registration.describe(), "landmarks": source.name},
        source={**adapter.describe(), **described, **({"groups": groups} if groups else {})},
    )


def prepare_and_write(builder: PreparedBuilder, task: tuple[int, SequenceTask]) -> int:
    """Prepares the sequence at a position of the builder and writes it there; gives the position.

    The record is written before the sequence's own marker, so a finished sequence has a record.
    """
    position, work = task
    frames, record = prepare_sequence(work)
    file = builder.building / "sequences" / f"{position:06d}.json"
    try:
        _check_room(builder.building, _BYTES_A_FRAME * len(frames.numbers))
        aside = file.with_name(f"{file.stem}.{os.getpid()}.part.json")
        aside.write_text(json.dumps(asdict(record)), encoding="utf-8")
        aside.replace(file)
        builder.write(position, frames)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise UserError(
            f"{builder.building}: the disk is full; make room and run the same command again to "
            "go on"
        ) from error
    return position


def _check_room(folder: Path, needed: int) -> None:
    """Refuses before a disk fills up: writing through a memory map could only crash."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise UserError(
            f"{folder}: the disk has {free / 1e9:.2f} GB free and {needed / 1e9:.2f} GB are still "
            "to be written; make room and run the same command again"
        )


def _write_records(builder: PreparedBuilder, found: Discovery) -> None:
    """``sequences.csv`` and ``problems.csv`` beside the arrays."""
    import pandas as pd

    records = [
        json.loads((builder.building / "sequences" / f"{i:06d}.json").read_text(encoding="utf-8"))
        for i in range(len(builder.sequences))
    ]
    table = pd.DataFrame(records)
    problems = [("", p.place, p.what, p.frames) for p in found.problems if p.fault]
    problems += [(r["sequence"], "", what, 0) for r in records for what in r["problems"]]
    table["problems"] = table["problems"].map(len)
    table.to_csv(builder.building / "sequences.csv", index=False)
    pd.DataFrame(problems, columns=["sequence", "place", "what", "frames"]).to_csv(
        builder.building / "problems.csv", index=False
    )


def process_map(processes: int) -> MapSequences:
    """A ``map_sequences`` that spreads sequences over processes of this machine."""

    def run(function: Callable[[Any], Any], tasks: Sequence[Any]) -> Iterable[Any]:
        import multiprocessing
        from concurrent.futures import ProcessPoolExecutor, as_completed

        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(processes, mp_context=context) as pool:
            futures = [pool.submit(function, task) for task in tasks]
            try:
                for future in as_completed(futures):
                    yield future.result()
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise

    return run
