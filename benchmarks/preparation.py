"""How fast faces are prepared from JPEG files, against decoding the same files and nothing else.

    python -m benchmarks.preparation [--frames 100] [--width 1040] [--height 1392] [--cpus 2]

Writes a small BP4D (smooth coloured faces; BP4D's own picture size by default) into a temporary
folder, then takes turns: bare ``cv2.imdecode`` of every coded picture's bytes, and preparation
(decode, register, write), as Ray tasks on one CPU and on several, the way ``aubench prepare`` does
it. Ray is started and warm before the clock runs. Landmarks come from the dataset's files.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np

from harness.data.building import SequenceFrames, SequenceHeader
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
    """Prints frames a second and the ratio, for one Ray CPU and for several."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--frames", type=int, default=100, help="frames of each of 4 sequences")
    parser.add_argument("--width", type=int, default=1040)
    parser.add_argument("--height", type=int, default=1392)
    parser.add_argument("--cpus", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="aubench-preparation-"))
    try:
        size = (options.width, options.height)
        write_layout("bp4d", SmoothFaces(options.frames), folder / "bp4d", size=size)
        rates = {n: measure(folder, n, options.rounds) for n in dict.fromkeys((1, options.cpus))}
        print(
            f"{options.cpus} Ray CPUs against 1: {rates[options.cpus] / rates[1]:.2f} times; "
            f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
        )
    finally:
        shutil.rmtree(folder)


def measure(folder: Path, cpus: int, rounds: int) -> float:
    """Takes turns between bare decoding and preparation on Ray; prints the median ratio.

    Returns:
        Frames prepared a second, the median over the rounds.
    """
    from harness.engine.cluster import ray_cluster
    from harness.engine.spread import spread

    adapter = open_adapter("bp4d", folder / "bp4d")
    sequences = adapter.discover().sequences
    frames = sum(len(s.numbers) for s in sequences)
    with ray_cluster(None, cpus):
        list(spread(decode_only, [sequences[0]] * cpus))  # start and import
        bare, whole = [], []
        for turn in range(rounds):
            begun = time.perf_counter()
            list(spread(decode_only, sequences))
            bare.append(frames / (time.perf_counter() - begun))
            begun = time.perf_counter()
            prepare(adapter, folder / f"out{cpus}-{turn}", map_sequences=spread)
            whole.append(frames / (time.perf_counter() - begun))
            shutil.rmtree(folder / f"out{cpus}-{turn}")
    ratio = float(np.median(np.array(whole) / np.array(bare)))
    print(
        f"{cpus} Ray CPU{'s' if cpus > 1 else ''}: preparation "
        f"{np.median(whole):.0f} frames/s, bare decoding {np.median(bare):.0f} frames/s, "
        f"ratio {ratio:.2f}",
        flush=True,
    )
    return float(np.median(whole))


if __name__ == "__main__":
    main()
