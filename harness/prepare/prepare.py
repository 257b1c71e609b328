"""Preparation: from a dataset in its official layout to a prepared dataset, sequence by sequence.

One sequence is one picklable call (see ``sequence.py``), so sequences can be spread over any number
of processes; what comes out does not depend on how. A build that was interrupted goes on where it
stopped.

``sequences.csv`` in the prepared folder says for every sequence how many frames were tracked, how
many were lost, and why; ``problems.csv`` lists everything that was wrong and skipped.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from harness.data.building import PreparedBuilder, SequenceHeader
from harness.data.prepared import PreparedDataset
from harness.errors import UserError
from harness.layouts.adapter import Adapter, CodedSequence, Discovery
from harness.layouts.discovered import discovered
from harness.prepare.landmarks import LandmarkSource, choose_source
from harness.prepare.registration import FACE_SIZE
from harness.prepare.sequence import (
    PrepareOptions,
    SequenceRecord,
    SequenceTask,
    prepare_sequence,
)

__all__ = [
    "PrepareOptions",
    "SequenceRecord",
    "SequenceTask",
    "prepare",
    "prepare_and_write",
    "prepare_sequence",
    "process_map",
]

MapSequences = Callable[[Callable[[Any], Any], Sequence[Any]], Iterable[Any]]
Progress = Callable[[int, int, int, int], None]

_BYTES_A_FRAME = FACE_SIZE * FACE_SIZE * 3 + 49 * 2 * 4 + 64


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
    found = discovered(adapter)
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
    if not folder.with_name(folder.name + ".building").exists():
        _check_room(folder, _BYTES_A_FRAME * sum(num_frames))
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
    described = options.model_dump(mode="json", exclude={"eye_dist", "points", "resampling"})
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
    """Refuses before a disk fills up, rather than after hours of work."""
    place = next(p for p in (folder.absolute(), *folder.absolute().parents) if p.exists())
    free = shutil.disk_usage(place).free
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
