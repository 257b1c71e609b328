"""How fast faces are prepared from JPEG files, against decoding the same files and nothing else.

    python -m benchmarks.preparation [--frames 100] [--width 1040] [--height 1392] [--processes 2]

Writes a small BP4D (smooth coloured faces; BP4D's own picture size by default) into a temporary
folder, then takes turns: bare ``cv2.imdecode`` of every coded picture's bytes, and preparation
(decode, register, write), in one process and in several. Landmarks come from the dataset's files.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from harness.data.prepared import SequenceFrames, SequenceHeader
from harness.layouts.adapter import CodedSequence, open_adapter
from harness.layouts.writing import write_layout
from harness.prepare.prepare import prepare
from harness.prepare.registration import Registration


class SmoothFaces:
    """A source of sequences without a renderer: a drifting smooth texture, jittered landmarks."""

    aus = (1, 2, 4, 6, 12)

    def __init__(self, frames: int) -> None:
        self.headers = [
            SequenceHeader(subject=f"x:S{s}", sequence=f"x:S{s}/T{t}", num_frames=frames)
            for s in range(2)
            for t in range(2)
        ]

    def sequence(self, position: int) -> SequenceFrames:
        """One sequence."""
        import cv2

        frames = self.headers[position].num_frames
        draw = np.random.default_rng(position)
        texture = cv2.GaussianBlur(draw.normal(0, 1, (260, 260, 3)).astype(np.float32), (0, 0), 2)
        texture = np.clip(texture * 300 + 128, 0, 255).astype(np.uint8)
        points = Registration().reference + draw.normal(0, 1, (frames, 49, 2))
        return SequenceFrames(
            numbers=np.arange(1, frames + 1, dtype=np.int32),
            labels=draw.choice([-1, 1], (frames, len(self.aus))).astype(np.int8),
            landmarks=points.astype(np.float32),
            faces=np.stack([texture[t % 60 :, t % 50 :][:200, :200] for t in range(frames)]),
            tracked=np.ones(frames, bool),
            source=[""] * frames,
        )


def decode_only(sequence: CodedSequence) -> int:
    """Reads and decodes every coded picture of a sequence."""
    import cv2

    cv2.setNumThreads(1)
    for number in sequence.picture_numbers:
        files = sequence.pictures.files  # type: ignore[attr-defined]
        data = (sequence.pictures.folder / files[int(number)]).read_bytes()  # type: ignore[attr-defined]
        cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    return len(sequence.numbers)


def main() -> None:
    """Prints frames a second and the ratio, for one process and for several."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--frames", type=int, default=100, help="frames of each of 4 sequences")
    parser.add_argument("--width", type=int, default=1040)
    parser.add_argument("--height", type=int, default=1392)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="aubench-preparation-"))
    try:
        size = (options.width, options.height)
        write_layout("bp4d", SmoothFaces(options.frames), folder / "bp4d", size=size)
        for processes in dict.fromkeys((1, options.processes)):
            measure(folder, processes, options.rounds)
    finally:
        shutil.rmtree(folder)


def measure(folder: Path, processes: int, rounds: int) -> None:
    """Takes turns between bare decoding and preparation, and prints the median ratio."""
    adapter = open_adapter("bp4d", folder / "bp4d")
    sequences = adapter.discover().sequences
    frames = sum(len(s.numbers) for s in sequences)
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        list(pool.map(decode_only, [sequences[0]] * processes))  # start and import

        def over(function: Callable[[Any], Any], tasks: Sequence[Any]) -> Iterable[Any]:
            return list(pool.map(function, tasks))

        bare, whole = [], []
        for turn in range(rounds):
            begun = time.perf_counter()
            over(decode_only, sequences)
            bare.append(frames / (time.perf_counter() - begun))
            begun = time.perf_counter()
            prepare(adapter, folder / f"out{processes}-{turn}", map_sequences=over)
            whole.append(frames / (time.perf_counter() - begun))
            shutil.rmtree(folder / f"out{processes}-{turn}")
    ratio = float(np.median(np.array(whole) / np.array(bare)))
    print(
        f"{processes} process{'es' if processes > 1 else ''}: preparation "
        f"{np.median(whole):.0f} frames/s, bare decoding {np.median(bare):.0f} frames/s, "
        f"ratio {ratio:.2f}"
    )


if __name__ == "__main__":
    main()
