"""A synthetic dataset from its recipe: named before it is made, the same bytes wherever made.

``table`` and ``headers`` tell every key and label without a pixel; ``sequence`` renders one
sequence; ``make`` writes the whole prepared dataset, sequence by sequence, and goes on where an
earlier run stopped. Every sequence draws from random streams of its own, and the renderer works in
batches of one fixed size on one thread each, so neither the order nor the number of workers shows
in the result.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from harness.data.frames import FrameTable
from harness.data.prepared import (
    FACE_SIZE,
    NUM_LANDMARKS,
    PreparedBuilder,
    PreparedDataset,
    SequenceFrames,
    SequenceHeader,
)
from harness.errors import UserError
from harness.synthetic.labels import coding, latent_model
from harness.synthetic.presets import MAX_TASKS, PRESETS, Preset
from harness.synthetic.seeds import stream

GENERATOR_VERSION = 1
MIN_FRAMES, MAX_FRAMES = 8, 100_000
INTENSITY_EDGES = (0.05, 0.25, 0.45, 0.65, 0.85)  # where traces, slight, marked ... begin


class SyntheticRecipe(BaseModel):
    """What to make. ``None`` means the preset's own full size.

    Attributes:
        preset: the domain, see ``presets.py``.
        subjects: number of people, at most as many as the preset defines.
        tasks: sequences of each person, at most 9.
        frames: frames of a sequence, on average; sequences differ in length.
        seed: another seed gives other people and other labels.
        name: the dataset's name, which begins every subject id; the preset's name by default.
        aus: the AUs to label, some of those that the preset codes; all of them by default.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    preset: Literal["lab", "group", "lab-plus", "disfa"]
    subjects: int | None = None
    tasks: int | None = None
    frames: int | None = None
    seed: int = 0
    name: str | None = None
    aus: tuple[int, ...] | None = None

    def __init__(self, **fields: Any) -> None:
        # outside pydantic's own validation, so that a UserError arrives as itself
        try:
            super().__init__(**fields)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"])) or "options"
            given = f" (given: {first['input']!r})" if first["loc"] else ""
            raise UserError(f"synthetic recipe: {place}: {first['msg']}{given}") from error
        self._check()

    def _check(self) -> None:
        preset = PRESETS[self.preset]
        limits = {
            "subjects": (1, preset.subjects),
            "tasks": (1, MAX_TASKS),
            "frames": (MIN_FRAMES, MAX_FRAMES),
        }
        for field, (low, high) in limits.items():
            value = getattr(self, field)
            if value is not None and not low <= value <= high:
                raise UserError(
                    f"synthetic preset {self.preset!r}: {field} is {value}, "
                    f"it must be from {low} to {high}"
                )
        if self.seed < 0:
            raise UserError(
                f"synthetic preset {self.preset!r}: seed is {self.seed}, it must be 0 or more"
            )
        if self.name is not None and (not self.name or set(self.name) & set(":/\\ ")):
            raise UserError(
                f"synthetic dataset name {self.name!r} is not usable: give letters, digits, - and _"
            )
        coded = latent_model(self.preset).aus
        if self.aus is not None:
            unknown = [au for au in self.aus if au not in coded]
            if unknown or not self.aus or len(set(self.aus)) != len(self.aus):
                problem = f"AU{unknown[0]} is not among them" if unknown else "each at most once"
                raise UserError(
                    f"synthetic preset {self.preset!r} codes AUs {list(coded)}; "
                    f"aus is {list(self.aus)}: {problem}"
                )

    @property
    def domain(self) -> Preset:
        """The preset's own figures."""
        return PRESETS[self.preset]

    @property
    def num_subjects(self) -> int:
        """People in the set."""
        return self.subjects or self.domain.subjects

    @property
    def num_tasks(self) -> int:
        """Sequences of each person."""
        return self.tasks or self.domain.tasks

    @property
    def mean_frames(self) -> int:
        """Frames of a sequence, on average."""
        return self.frames or self.domain.frames

    @property
    def dataset(self) -> str:
        """The dataset's name."""
        return self.name or self.preset

    @property
    def label_aus(self) -> tuple[int, ...]:
        """The AUs that the label columns stand for."""
        return self.aus or latent_model(self.preset).aus


def identity(recipe: SyntheticRecipe) -> str:
    """Names the content before it is made: a hash of the recipe and of this generator's version."""
    content = {
        "generator": GENERATOR_VERSION,
        "preset": recipe.preset,
        "subjects": recipe.num_subjects,
        "tasks": recipe.num_tasks,
        "frames": recipe.mean_frames,
        "seed": recipe.seed,
        "name": recipe.dataset,
        "aus": recipe.label_aus,
    }
    text = json.dumps(content, sort_keys=True)
    return "synthetic-" + hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def headers(recipe: SyntheticRecipe) -> list[SequenceHeader]:
    """Every sequence with its length, in the order of the dataset's rows."""
    return list(_headers(recipe))


@lru_cache(maxsize=8)
def _headers(recipe: SyntheticRecipe) -> tuple[SequenceHeader, ...]:
    return tuple(
        SequenceHeader(
            subject=f"{recipe.dataset}:S{subject + 1:03d}",
            sequence=f"{recipe.dataset}:S{subject + 1:03d}/T{task + 1}",
            num_frames=_length(recipe, subject, task),
        )
        for subject in range(recipe.num_subjects)
        for task in range(recipe.num_tasks)
    )


def _length(recipe: SyntheticRecipe, subject: int, task: int) -> int:
    relative = latent_model(recipe.preset).lengths
    used = np.array([relative[t % len(relative)] for t in range(recipe.num_tasks)])
    draw = stream("length", recipe.preset, recipe.seed, subject, task).standard_normal()
    spread = 1 + recipe.domain.length_spread * float(np.clip(draw, -2.5, 2.5))
    frames = recipe.mean_frames * used[task] / used.mean() * spread
    return max(MIN_FRAMES, round(float(frames)))


def _labels(
    recipe: SyntheticRecipe, position: int, num_frames: int
) -> tuple[np.ndarray, np.ndarray]:
    """Labels int8 (T, L) and tracked bool (T,) of the sequence at a position."""
    from harness.synthetic.motion import lost_frames

    subject, task = divmod(position, recipe.num_tasks)
    present = coding(recipe.preset, recipe.seed, subject, task, num_frames).present
    columns = [latent_model(recipe.preset).aus.index(au) for au in recipe.label_aus]
    lost = lost_frames(recipe.preset, recipe.seed, subject, task, num_frames)
    labels = np.where(present[:, columns], 1, -1).astype(np.int8)
    labels[lost] = 0
    return labels, ~lost


@lru_cache(maxsize=8)
def table(recipe: SyntheticRecipe) -> FrameTable:
    """Keys and labels of every frame, exactly as the made dataset holds them; renders nothing."""
    parts = headers(recipe)
    lengths = [part.num_frames for part in parts]
    coded = [_labels(recipe, i, length) for i, length in enumerate(lengths)]
    made = FrameTable(
        aus=recipe.label_aus,
        subjects=np.repeat(np.array([p.subject for p in parts], dtype=object), lengths),
        sequences=np.repeat(np.array([p.sequence for p in parts], dtype=object), lengths),
        numbers=np.concatenate([np.arange(1, n + 1, dtype=np.int32) for n in lengths]),
        tracked=np.concatenate([tracked for _, tracked in coded]),
        labels=np.concatenate([labels for labels, _ in coded]),
    )
    for column in (made.subjects, made.sequences, made.numbers, made.tracked, made.labels):
        column.flags.writeable = False
    return made


def intensity_codes(recipe: SyntheticRecipe, position: int) -> np.ndarray:
    """int8 (T, L) intensity of each AU as a coder grades it: 0 absent, 1 trace to 5 maximum.

    It agrees with the labels: presence begins at 2 in ``disfa``, where weaker signs are graded but
    do not count, and at 1 in the other domains; -1 where the label is unknown.
    """
    header = _headers(recipe)[position]
    subject, task = divmod(position, recipe.num_tasks)
    labels, _ = _labels(recipe, position, header.num_frames)
    coded = coding(recipe.preset, recipe.seed, subject, task, header.num_frames)
    columns = [latent_model(recipe.preset).aus.index(au) for au in recipe.label_aus]
    lowest = 2 if recipe.preset == "disfa" else 1
    graded = np.digitize(coded.intensity[:, columns], INTENSITY_EDGES)
    codes = np.where(labels > 0, np.clip(graded, lowest, 5), np.clip(graded, 0, lowest - 1))
    codes[labels == 0] = -1
    return codes.astype(np.int8)


def sequence(
    recipe: SyntheticRecipe,
    position: int,
    device: str = "cpu",
    *,
    into: np.ndarray | None = None,
    progress: Callable[[int], None] | None = None,
) -> SequenceFrames:
    """Labels, landmarks and rendered faces of one sequence.

    Args:
        position: the sequence's place in ``headers(recipe)``.
        device: where to render; another device gives the same pictures within rounding.
        into: uint8 (T, 200, 200, 3) to render into (a memory-mapped file keeps memory bounded).
        progress: called with the number of frames of each finished batch.
    """
    from harness.synthetic.motion import performance
    from harness.synthetic.render import Renderer

    header = _headers(recipe)[position]
    subject, task = divmod(position, recipe.num_tasks)
    num_frames = header.num_frames
    labels, tracked = _labels(recipe, position, num_frames)
    acted = performance(recipe.preset, recipe.seed, subject, task, num_frames)
    shape = (num_frames, FACE_SIZE, FACE_SIZE, 3)
    faces = np.empty(shape, np.uint8) if into is None else into
    landmarks = np.empty((num_frames, NUM_LANDMARKS, 2), np.float32)
    renderer = Renderer(recipe.preset, recipe.seed, subject, task, device=device)
    for rows, batch_faces, batch_landmarks in renderer.batches(acted):
        faces[rows], landmarks[rows] = batch_faces, batch_landmarks
        if progress:
            progress(len(batch_faces))
    faces[~tracked] = 0
    landmarks[~tracked] = np.nan
    return SequenceFrames(
        numbers=np.arange(1, num_frames + 1, dtype=np.int32),
        labels=labels,
        landmarks=landmarks,
        faces=faces,
        tracked=tracked,
        source=[f"{header.sequence}#{number}" for number in range(1, num_frames + 1)],
    )


def make(
    recipe: SyntheticRecipe,
    folder: Path,
    progress: Callable[[int, int], None] | None = None,
    *,
    workers: int = 1,
    device: str = "cpu",
) -> PreparedDataset:
    """Writes the whole prepared dataset, or what an interrupted run left to do.

    Args:
        folder: where it shall stand; it must not hold anything else.
        progress: called with (frames done, frames in all), from one thread at a time.
        workers: threads that render sequences side by side; the result does not depend on it.
        device: where to render.

    Raises:
        UserError: if the folder holds something else.
    """
    import torch

    if workers < 1:
        raise UserError(f"workers is {workers}, it must be 1 or more")
    parts = headers(recipe)
    builder = PreparedBuilder(
        Path(folder),
        name=recipe.dataset,
        aus=recipe.label_aus,
        sequences=parts,
        registration={"kind": "rendered registered", "size": FACE_SIZE, "eye_distance": 90.0},
        source={
            "kind": "synthetic",
            "generator_version": GENERATOR_VERSION,
            **recipe.model_dump(mode="json"),
        },
        identity=identity(recipe),
    )
    pending = builder.pending()
    total = sum(part.num_frames for part in parts)
    done = total - sum(parts[i].num_frames for i in pending)
    lock = threading.Lock()

    def count(num_frames: int) -> None:
        nonlocal done
        with lock:
            done += num_frames
            if progress:
                progress(done, total)

    def write(position: int) -> None:
        # rendered into a file of its own: the dataset's memory does not grow with the sequence
        shape = (parts[position].num_frames, FACE_SIZE, FACE_SIZE, 3)
        scratch = builder.building / "sequences" / f"{position:06d}.faces.part"
        into = np.memmap(scratch, np.uint8, "w+", shape=shape)
        builder.write(position, sequence(recipe, position, device, into=into, progress=count))
        del into
        scratch.unlink()

    threads = torch.get_num_threads()
    try:
        _spread(write, pending, workers)
    finally:
        torch.set_num_threads(threads)  # each batch sets it for a while
    return builder.finish()


def _spread(work: Callable[[int], None], positions: list[int], workers: int) -> None:
    """Does all the work in a few threads; the first error stops what has not begun."""
    if workers == 1:
        for position in positions:
            work(position)
        return
    with ThreadPoolExecutor(workers) as pool:
        running: set[Future[None]] = set()
        try:
            for position in positions:
                if len(running) >= workers:
                    finished, running = wait(running, return_when=FIRST_COMPLETED)
                    for future in finished:
                        future.result()
                running.add(pool.submit(work, position))
            for future in running:
                future.result()
        finally:
            for future in running:
                future.cancel()
