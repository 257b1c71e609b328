"""How fast the baselines are, each figure as a ratio against the obvious alternative.

    python -m benchmarks.baselines [PART ...]      parts: hog, face-hog, svm, grid, fit

Seconds are CPU seconds of this process, so that a busy machine does not spoil them, and the best of
several runs where there are several: run it with OMP_NUM_THREADS=1. Both sides of a ratio are timed
in turn, in one process.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch

from baselines.cpm import Cpm
from baselines.cpm_options import CpmOptions
from baselines.features.face_hog import FaceHog
from baselines.features.landmark_hog import LandmarkHog
from baselines.jpml import Jpml
from baselines.jpml_options import JpmlOptions
from baselines.linear import fit_linear_svm
from benchmarks.toy_frames import AUS, toy_frames
from harness.context import LocalContext
from harness.method import Method

HOG_DIMENSION = 6272


def seconds(work: Callable[[], object], repeats: int = 1) -> float:
    """The best of several runs."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


@dataclass(frozen=True, kw_only=True)
class Stopwatch:
    """What a piece of work took: seconds of this process's CPU time, and seconds that passed."""

    cpu: float
    elapsed: float


def stopwatch(work: Callable[[], object]) -> Stopwatch:
    """Times one run."""
    cpu, elapsed = time.process_time(), time.perf_counter()
    work()
    return Stopwatch(cpu=time.process_time() - cpu, elapsed=time.perf_counter() - elapsed)


def faces(num_frames: int) -> tuple[np.ndarray, np.ndarray]:
    """Smooth random pictures and landmarks: only their size matters here."""
    generator = np.random.default_rng(0)
    small = generator.integers(0, 255, (num_frames, 40, 40, 3), dtype=np.uint8)
    pictures = np.stack([cv2.resize(picture, (200, 200)) for picture in small])
    return pictures, generator.uniform(30, 170, (num_frames, 49, 2)).astype(np.float32)


def features(num_frames: int, dimension: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows like those of landmark HOG (non-negative, a decaying spectrum, unit length), labels."""
    generator = np.random.default_rng(0)
    rank = min(dimension, 600)
    scale = 1 / np.sqrt(1 + np.arange(rank))
    hidden = generator.standard_normal((num_frames, rank)).astype(np.float32)
    mixing = generator.standard_normal((rank, dimension)) * scale[:, None] * 0.3
    rows = hidden @ mixing.astype(np.float32)
    rows += 0.3 * generator.standard_normal(rows.shape, dtype=np.float32)
    np.maximum(rows + 1, 0, out=rows)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    planted = hidden[:, :40] @ generator.standard_normal((40, len(AUS))).astype(np.float32)
    planted += 3 * generator.standard_normal(planted.shape)
    cut = np.quantile(planted, 1 - np.linspace(0.05, 0.5, len(AUS)), axis=0).diagonal()
    return rows, np.where(planted > cut, 1, -1).astype(np.int8)


def time_landmark_hog() -> None:
    """Against a loop of OpenCV's HOGDescriptor over 49 patches a frame."""
    pictures, landmarks = faces(400)
    extract = LandmarkHog()
    patch, cell = (36, 36), (9, 9)
    # Aperture, window sigma, L2-Hys, cut, no gamma, one level, signed gradients.
    descriptor = cv2.HOGDescriptor(patch, patch, patch, cell, 8, 1, -1, 0, 0.2, False, 1, True)

    def loop() -> None:
        for picture, points in zip(pictures[:100], landmarks[:100], strict=True):
            gray = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
            for point in points:
                descriptor.compute(cv2.getRectSubPix(gray, (36, 36), point.tolist()))

    ours = 400 / seconds(lambda: extract(pictures, landmarks), 3)
    theirs = 100 / seconds(loop, 3)
    print(
        f"landmark HOG: {ours:.0f} frames per CPU second, a loop of OpenCV calls {theirs:.0f}: "
        f"{ours / theirs:.1f} times",
        flush=True,
    )


def time_face_hog() -> None:
    """Against skimage.feature.hog, where scikit-image is installed."""
    pictures, landmarks = faces(400)
    extract = FaceHog()
    ours = 400 / seconds(lambda: extract(pictures, landmarks), 3)
    try:
        from skimage.feature import hog
    except ModuleNotFoundError:
        print(
            f"whole-face HOG: {ours:.0f} frames per CPU second (scikit-image is not installed)",
            flush=True,
        )
        return

    def loop() -> None:
        for picture in pictures[:20]:
            gray = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
            hog(gray, orientations=9, pixels_per_cell=(16, 16), cells_per_block=(2, 2))

    theirs = 20 / seconds(loop, 3)
    print(
        f"whole-face HOG: {ours:.0f} frames per CPU second, skimage {theirs:.0f}: "
        f"{ours / theirs:.1f} times",
        flush=True,
    )


def time_svm(num_frames: int = 8000, dimension: int = 2000, C: float = 1.0) -> None:
    """Twelve AUs at once against twelve LinearSVC(dual=False), at the objective these reach."""
    rows, labels = features(num_frames, dimension)
    fit_linear_svm(rows[:100], labels[:100], C)
    fitted = {}

    def ours() -> None:
        fitted["ours"] = fit_linear_svm(rows, labels, C, tolerance=1e-4)

    mine = [stopwatch(ours) for _ in range(5)]
    theirs, worst = _linear_svc(rows, labels, [C], fitted["ours"].objective[None])
    mine += [stopwatch(ours) for _ in range(5)]
    _print_svm(f"{num_frames} x {dimension} x {len(AUS)} AUs, C={C:g}", mine, theirs, worst)


def time_grid(num_frames: int = 8000) -> None:
    """Eight values of C at once; LinearSVC is timed on two of twelve AUs and four C, scaled up."""
    rows, labels = features(num_frames, HOG_DIMENSION)
    grid = [2.0**power for power in range(-8, 7, 2)]
    fitted = {}

    def ours() -> None:
        fitted["ours"] = fit_linear_svm(rows, labels, grid, tolerance=1e-4)

    mine = [stopwatch(ours) for _ in range(2)]
    some, costs = [0, 11], slice(1, None, 2)
    theirs, worst = _linear_svc(
        rows, labels[:, some], grid[costs], fitted["ours"].objective[costs, some]
    )
    scale = len(AUS) / len(some) * len(grid) / len(grid[costs])
    theirs = Stopwatch(cpu=theirs.cpu * scale, elapsed=theirs.elapsed * scale)
    what = f"{num_frames} x {HOG_DIMENSION} x {len(AUS)} AUs x {len(grid)} values of C"
    _print_svm(what, mine, theirs, worst, note=f" (scaled up {scale:.0f} times)")


def _print_svm(
    what: str, mine: Sequence[Stopwatch], theirs: Stopwatch, worst: float, note: str = ""
) -> None:
    """Ratios in CPU time, which neighbours hardly touch, and in elapsed time, which users wait."""
    cpu, elapsed = min(run.cpu for run in mine), min(run.elapsed for run in mine)
    print(
        f"joint SVM, {what}: {cpu:.2f} s of CPU time, LinearSVC {theirs.cpu:.0f} s{note}: "
        f"{theirs.cpu / cpu:.0f} times; elapsed {elapsed:.2f} s and {theirs.elapsed:.0f} s: "
        f"{theirs.elapsed / elapsed:.0f} times; objective at most {worst:+.1e} from theirs; "
        f"{torch.get_num_threads()} threads, load {os.getloadavg()[0]:.1f}",
        flush=True,
    )


def _linear_svc(
    rows: np.ndarray, labels: np.ndarray, costs: Sequence[float], objective_GL: np.ndarray
) -> tuple[Stopwatch, float]:
    """One LinearSVC for each AU and C; our objective's largest relative excess over theirs."""
    from sklearn.svm import LinearSVC

    wide = rows.astype(np.float64)
    cpu, elapsed, worst = 0.0, 0.0, -np.inf
    for C, objective_L in zip(costs, objective_GL, strict=True):
        for labels_N, objective in zip(labels.T, objective_L, strict=True):
            machine = LinearSVC(C=C, dual=False)
            taken = stopwatch(partial(machine.fit, wide, labels_N))
            cpu, elapsed = cpu + taken.cpu, elapsed + taken.elapsed
            w, b = machine.coef_[0], machine.intercept_[0]
            loss = np.maximum(0, 1 - labels_N * (wide @ w + b)) ** 2
            reached = 0.5 * (w @ w + b * b) + C * loss.sum()
            worst = max(worst, (objective - reached) / reached)
    return Stopwatch(cpu=cpu, elapsed=elapsed), worst


def time_fit() -> None:
    """CPM and JPML with one value for each option, on twice the frames: linear in frames."""
    rows, labels = features(20_000, HOG_DIMENSION)
    stored = rows.astype(np.float16)
    del rows
    cpm = CpmOptions(C=(1.0,), C_t=(10.0,), gamma=(100.0,), sample="all")
    jpml = JpmlOptions(alpha=(1e-4,), beta1=(1e-3,), beta2=(1e-3,), sample="all")
    with tempfile.TemporaryDirectory() as folder:
        context = LocalContext(Path(folder), threads=2)
        methods: dict[str, Method] = {"CPM": Cpm(cpm), "JPML": Jpml(jpml)}
        for name, method in methods.items():
            times = []
            for num_frames in (10_000, 20_000):
                hog = {"hog": stored[:num_frames]}
                frames = toy_frames(labels[:num_frames], features=hog)
                nobody = frames.of_subjects([])
                times.append(seconds(partial(method.fit, frames, nobody, context)))
            print(
                f"{name}, 12 AUs, {HOG_DIMENSION} values a frame: 20,000 frames {times[1]:.0f} s, "
                f"10,000 frames {times[0]:.0f} s: {times[1] / times[0]:.1f} times for twice",
                flush=True,
            )


PARTS: dict[str, Callable[[], None]] = {
    "hog": time_landmark_hog,
    "face-hog": time_face_hog,
    "svm": time_svm,
    "grid": time_grid,
    "fit": time_fit,
}


def main(names: Sequence[str]) -> int:
    """Runs the named parts, all of them if none is named."""
    unknown = [name for name in names if name not in PARTS]
    if unknown:
        print(f"no part {unknown[0]!r}; parts: {', '.join(PARTS)}", file=sys.stderr)
        return 2
    for name in names or PARTS:
        PARTS[name]()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
