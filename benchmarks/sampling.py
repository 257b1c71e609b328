"""Speed, memory and start-up of the batch strategies on 400,000 x 12 labels with BP4D's statistics.

``python -m benchmarks.sampling`` on one core. Figures that are compared are measured by turns, so
that a busy machine slows both alike. Times are CPU seconds of the process, which on an idle machine
are those on the clock.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from sampling import MomuBatches, StratifiedBatches, composition, make_batches

NUM_FRAMES, BATCH_SIZE, STEP = 400_000, 196, 4
AUS = (1, 2, 4, 6, 7, 10, 12, 14, 15, 17, 23, 24)
BASE_RATES = (0.211, 0.171, 0.203, 0.461, 0.549, 0.594, 0.562, 0.466, 0.169, 0.343, 0.165, 0.151)
# BP4D's correlations between the AUs as four common causes; every pair to within 0.13.
LOADINGS = (
    (-0.05, 0.25, 0.95, -0.08),
    (-0.14, 0.30, 0.69, 0.29),
    (0.19, -0.28, 0.25, -0.78),
    (-0.88, 0.18, -0.11, -0.18),
    (-0.72, 0.03, -0.07, -0.37),
    (-0.79, 0.27, 0.00, -0.10),
    (-0.83, 0.36, -0.09, 0.22),
    (-0.51, -0.24, 0.03, 0.09),
    (-0.46, -0.41, 0.00, 0.03),
    (-0.27, -0.74, 0.20, 0.10),
    (-0.32, -0.51, 0.10, 0.08),
    (-0.15, -0.84, 0.13, 0.18),
)


def bp4d_like_labels(num_frames: int = NUM_FRAMES, seed: int = 0) -> np.ndarray:
    """Labels int8 (num_frames, 12) with BP4D's base rates and correlations; frames independent."""
    loadings = np.array(LOADINGS)
    generator = np.random.default_rng(seed)
    own_L = np.sqrt(np.maximum(1 - (loadings**2).sum(axis=1), 0.02))
    latent_NL = generator.standard_normal((num_frames, loadings.shape[1])) @ loadings.T
    latent_NL += own_L * generator.standard_normal(latent_NL.shape)
    border_L = [np.quantile(latent_NL[:, au], 1 - rate) for au, rate in enumerate(BASE_RATES)]
    return np.where(latent_NL > border_L, 1, -1).astype(np.int8)


def naive_stratify(labels_NL: np.ndarray, num_batches: int, seed: int) -> list[list[int]]:
    """Algorithm 1 as it is written: a frame at a time, all remaining frames scanned each round."""
    generator = np.random.default_rng(seed)
    has = [set(np.flatnonzero(row > 0).tolist()) for row in labels_NL]
    remaining = list(range(len(has)))
    batches: list[list[int]] = [[] for _ in range(num_batches)]
    next_batch = 0
    while remaining:
        counts: dict[int, int] = {}
        for frame in remaining:
            for au in has[frame]:
                counts[au] = counts.get(au, 0) + 1
        if counts:
            rarest = min(counts, key=lambda au: counts[au])
            dealt = [frame for frame in remaining if rarest in has[frame]]
            remaining = [frame for frame in remaining if rarest not in has[frame]]
        else:
            dealt, remaining = remaining, []
        generator.shuffle(dealt)
        for frame in dealt:
            batches[next_batch].append(frame)
            next_batch = (next_batch + 1) % num_batches
    return batches


def naive_momu(labels_NL: np.ndarray, num_batches: int, seed: int) -> float:
    """Algorithm 2 as it is written, the labels scanned anew for each pick (in NumPy, by column);
    seconds a batch."""
    generator = np.random.default_rng(seed)
    has_LN = np.ascontiguousarray((labels_NL > 0).T)
    population_L = has_LN.sum(axis=1)
    alive_N = np.ones(len(labels_NL), dtype=bool)
    begun = time.process_time()
    for _ in range(num_batches):
        batch: list[int] = []
        current_L = np.zeros(len(population_L), dtype=np.int64)
        while len(batch) < BATCH_SIZE:
            au = int(np.argmin(current_L if batch else population_L))
            k = min(STEP, BATCH_SIZE - len(batch), int(population_L[au]))
            alive = np.flatnonzero(alive_N & has_LN[au])
            if len(alive) < k:
                alive_N |= has_LN[au]
                alive = np.flatnonzero(has_LN[au])
            drawn = generator.choice(alive, size=k, replace=False, shuffle=False)
            alive_N[drawn] = False
            current_L += has_LN[:, drawn].sum(axis=1)
            batch += drawn.tolist()
    return (time.process_time() - begun) / num_batches


def seconds(call: Callable[[], object]) -> float:
    """CPU seconds of one call."""
    begun = time.process_time()
    call()
    return time.process_time() - begun


def print_figure(name: str, value: str, wanted: str = "", reached: bool = True) -> None:
    """One line of the report; ``wanted`` is the aim."""
    verdict = f"  (aim {wanted}: {'reached' if reached else 'MISSED'})" if wanted else ""
    print(f"{name:<46} {value:>18}{verdict}")


def stratified_figures(labels_NL: np.ndarray) -> None:
    """Seconds for an epoch's plan, for each way to deal, and against the plain algorithm."""
    num_batches = -(-NUM_FRAMES // BATCH_SIZE)
    plan = {
        deal: StratifiedBatches(labels_NL, BATCH_SIZE, deal=deal)
        for deal in ("round_robin", "lex", "desire")
    }
    ours = {
        deal: min(seconds(lambda stream=stream: list(stream)) for _ in range(5))  # type: ignore[misc]
        for deal, stream in plan.items()
    }
    naive = seconds(lambda: naive_stratify(labels_NL, num_batches, 0))
    for deal, spent in ours.items():
        aim = "0.5 s" if deal == "round_robin" else ""
        print_figure(f"stratified epoch plan, {deal}", f"{spent:.3f} s", aim, spent <= 0.5)
    ratio = naive / ours["round_robin"]
    print_figure("  against a frame at a time", f"{naive:.1f} s = {ratio:.0f} x")


def momu_figures(labels_NL: np.ndarray) -> None:
    """Frames a second, microseconds a batch, and against scanning all labels for each pick."""
    stream = MomuBatches(labels_NL, BATCH_SIZE, step=STEP)
    batches = iter(stream)
    next(batches)
    ours, naive = [], []
    for seed in range(5):
        naive.append(naive_momu(labels_NL, 5, seed))
        ours.append(seconds(lambda: [next(batches) for _ in range(400)]) / 400)
    best, median = min(ours), float(np.median(ours))
    rate = BATCH_SIZE / median
    print_figure("MOMU frames a second, median", f"{rate:,.0f}", "1,000,000", rate >= 1e6)
    print_figure("MOMU frames a second, best", f"{BATCH_SIZE / best:,.0f}")
    print_figure("MOMU a batch, median", f"{median * 1e6:.0f} us", "200 us", median <= 200e-6)
    ratio = float(np.median(naive)) / median
    print_figure(
        "  against scanning the labels each pick",
        f"{np.median(naive) * 1e3:.1f} ms = {ratio:.0f} x",
        "100 x",
        ratio >= 100,
    )
    stream.set_epoch(10)
    print_figure("MOMU to the start of epoch 10", f"{seconds(lambda: next(iter(stream))):.2f} s")


_START_UP = """
import sys, time
import numpy as np

def memory(key):  # kilobytes; of this process only, unlike what getrusage inherits
    return next(int(line.split()[1]) for line in open("/proc/self/status") if key in line)

labels = np.load(sys.argv[1])
before, begun = memory("VmRSS"), time.process_time()
import sampling
stream = sampling.MomuBatches(labels, 196)
batches = iter(stream)
next(batches)
first = time.process_time() - begun
for _ in batches:
    pass
print(first, (memory("VmHWM") - before) / 1024)
"""


def start_up_figures(labels_NL: np.ndarray) -> None:
    """Seconds from import to the first MOMU batch in a fresh process, and its memory."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "labels.npy"
        np.save(file, labels_NL)

        def fresh(**environment: str) -> list[float]:
            done = subprocess.run(
                [sys.executable, "-c", _START_UP, str(file)],
                env={"PATH": "", "OMP_NUM_THREADS": "1", "PYTHONPATH": ".", **environment},
                capture_output=True,
                text=True,
                check=True,
            )
            return [float(number) for number in done.stdout.split()]

        cold = fresh(NUMBA_CACHE_DIR=str(Path(folder) / "cache"))
        warm = min(fresh(NUMBA_CACHE_DIR=str(Path(folder) / "cache")) for _ in range(3))
    print_figure("MOMU start-up, compiling", f"{cold[0]:.2f} s")
    print_figure("MOMU start-up, compiled before", f"{warm[0]:.2f} s", "2 s", warm[0] <= 2)
    print_figure("  compiled before against compiling", f"{cold[0] / warm[0]:.0f} x")
    print_figure("memory of an epoch, numba and all", f"{warm[1]:.0f} MB", "200 MB", warm[1] <= 200)


def memory_figures(labels_NL: np.ndarray) -> None:
    """Peak of what one stream allocates over an epoch's start, by strategy."""
    for strategy in ("random", "stratified", "momu"):
        tracemalloc.start()
        stream = make_batches(strategy, labels_NL, BATCH_SIZE, num_batches=5)
        list(stream)
        peak = tracemalloc.get_traced_memory()[1] / 2**20
        tracemalloc.stop()
        ratio = peak / (labels_NL.nbytes / 2**20)
        print_figure(
            f"memory of {strategy}, peak", f"{peak:.0f} MB = {ratio:.0f} x", "200 MB", peak <= 200
        )
    print("  (x: size of the labels)")


def composition_figures(labels_NL: np.ndarray) -> None:
    """The dashboard of one epoch of 40,000 frames, each strategy against random."""
    few_NL = labels_NL[:40_000]
    names = ("between_batch_cv", "within_batch_ratio", "share_used", "max_reuse")
    print(f"\n{'40,000 frames':<22}" + "".join(f"{name:>20}" for name in names))
    strategies: tuple[tuple[str, dict[str, Any]], ...] = (
        ("random", {}),
        ("stratified", {}),
        ("stratified", {"deal": "lex"}),
        ("stratified", {"deal": "desire"}),
        ("momu", {}),
        ("class_aware", {}),
        ("weighted", {}),
    )
    for strategy, options in strategies:
        stream = make_batches(strategy, few_NL, BATCH_SIZE, **options)
        found = composition(few_NL, stream).summary()
        title = " ".join((strategy, *options.values()))
        print(f"{title:<22}" + "".join(f"{found[name]:>20.3f}" for name in names))


def main() -> None:
    """Prints all figures."""
    labels_NL = bp4d_like_labels()
    shape = " x ".join(f"{size:,}" for size in labels_NL.shape)
    print(f"labels {shape}, batches of {BATCH_SIZE}, one process")
    stratified_figures(labels_NL)
    momu_figures(labels_NL)
    start_up_figures(labels_NL)
    memory_figures(labels_NL)
    composition_figures(labels_NL)


if __name__ == "__main__":
    main()
