"""Making a synthetic dataset from its recipe: the same bytes wherever it is made.

``sequence`` renders one sequence; ``make`` writes the whole prepared dataset, sequence by sequence,
and goes on where an earlier run stopped. Every sequence draws from random streams of its own, and
the renderer works in batches of one fixed size on one thread each, so neither the order nor the
number of workers shows in the result.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path

import numpy as np

from harness.data.building import PreparedBuilder, SequenceFrames
from harness.data.prepared import FACE_SIZE, NUM_LANDMARKS, PreparedDataset
from harness.errors import UserError
from harness.synthetic.recipe import (
    GENERATOR_VERSION,
    SyntheticRecipe,
    headers,
    identity,
    sequence_labels,
)


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

    header = headers(recipe)[position]
    subject, task = divmod(position, recipe.num_tasks)
    num_frames = header.num_frames
    labels, tracked = sequence_labels(recipe, position, num_frames)
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
