"""What a search costs: overhead of a trial in warm processes, the demo search, and cold trials.

    python -m benchmarks.search [--trials 40] [--cold 4] [--skip-demo]

A method that learns nothing and reports five times, with a checkpoint each, shows what a trial
costs by itself: its start in a warm actor, its reports through Ray Tune, checkpoints, record. The
demo search is timed whole. Last, the same few trials of it, each in a Python process of its own
(imports, network and fc7 anew) and one after the other in one process: the naive way and ours.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np

from harness.data.frames import FrameSet
from harness.method import Context, Method, Options

ROOT = Path(__file__).resolve().parent.parent
REPORTS = 5

SUITE = """\
name: idle
datasets:
  tiny: {{synthetic: lab, subjects: 4, tasks: 1, frames: 8}}
settings: [{{within: tiny, protocol: 2-fold}}]
methods:
  idle: {{method: "benchmarks.search:Idle"}}
search:
  method: idle
  space: {{depth: {{int: [1, 100]}}, margin: {{uniform: [0, 1]}}}}
  trials: {trials}
  parallel: 1
  stop_early: false
"""


def _checkpoint(folder: Path) -> None:
    (folder / "state").write_text("x" * 1000, encoding="utf-8")


class IdleModel:
    """Says that every AU is present."""

    def scores(self, frames: FrameSet) -> np.ndarray:
        """float32 (N, L) ones."""
        return np.ones((len(frames), len(frames.aus)), np.float32)

    def save(self, folder: Path) -> None:
        """Nothing to write."""


class IdleOptions(Options):
    """Two options to search, which change nothing."""

    depth: int = 1
    margin: float = 0.5


class Idle(Method):
    """Learns nothing, and reports and saves as a training does."""

    Options = IdleOptions

    def fit(self, train: FrameSet, validation: FrameSet, context: Context) -> IdleModel:
        """Five reports, each with a checkpoint."""
        for step in range(REPORTS):
            context.report({"step": step, "validation_mean_f1": step / REPORTS}, _checkpoint)
        return IdleModel()

    @classmethod
    def load(cls, folder: Path) -> IdleModel:
        """There is nothing to read."""
        return IdleModel()


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints what was measured."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=40, help="of the idle method, in each fold")
    parser.add_argument("--cold", type=int, default=4, help="trials that are also made cold")
    parser.add_argument("--skip-demo", action="store_true")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    os.environ["WANDB_MODE"] = "disabled"
    if options.one:
        _one_trial(Path(options.one[0]), json.loads(options.one[1]))
        return
    print(f"load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} CPUs")
    with tempfile.TemporaryDirectory() as folder:
        _overhead(Path(folder), options.trials)
        if not options.skip_demo:
            _demo(Path(folder), options.cold)
    print(f"load of the machine: {os.getloadavg()[0]:.1f}")


def _search(file: str, run: Path) -> tuple[list[dict[str, Any]], float]:
    from harness.search.drive import run_search

    began = time.perf_counter()
    with redirect_stdout(StringIO()):
        result = run_search(file, str(run), cpus=2)
    return result.trials, time.perf_counter() - began


def _overhead(folder: Path, num_trials: int) -> None:
    file = folder / "idle.yaml"
    file.write_text(SUITE.format(trials=num_trials), encoding="utf-8")
    trials, seconds = _search(str(file), folder / "idle")
    per_trial = []
    for fold in ("1", "2"):
        own = [trial for trial in trials if trial["fold"] == fold]
        begins = sorted(trial["cost"]["started"] for trial in own)
        per_trial.append((begins[-1] - begins[0]) / (len(begins) - 1))
    print(
        f"a trial that learns nothing, {REPORTS} reports with checkpoints, warm: "
        f"{sum(per_trial) / 2:.3f} s (wanted: at most 1 s)"
    )
    print(
        f"{len(trials)} of them with start and end of Ray and of two experiments: {seconds:.1f} s"
    )


def _demo(folder: Path, num_cold: int) -> None:
    run = folder / "demo"
    trials, seconds = _search("search-demo", run)
    cpu = sum(trial["cost"]["cpu_seconds"] for trial in trials)
    print(
        f"demo search, {len(trials)} trials from nothing (dataset, CNNs, Ray, trials): "
        f"{seconds:.0f} s (wanted: at most 240 s); CPU of the trials {cpu:.0f} s"
    )
    chosen = [
        {"sequence.layers": 1 + i % 2, "sequence.margin": 0.3 + 0.01 * i} for i in range(num_cold)
    ]
    began = time.perf_counter()
    for options in chosen:
        command = [sys.executable, "-m", "benchmarks.search", "--one", str(run)]
        subprocess.run(
            [*command, json.dumps([options])], check=True, cwd=ROOT, stdout=subprocess.DEVNULL
        )
    cold = (time.perf_counter() - began) / num_cold
    warm_ones = [
        {**options, "sequence.margin": options["sequence.margin"] + 0.2} for options in chosen
    ]
    said = subprocess.run(
        [*command, json.dumps(warm_ones)], check=True, cwd=ROOT, capture_output=True, text=True
    ).stdout
    later = [float(line) for line in said.split()][1:]
    warm = sum(later) / len(later)
    print(f"a trial cold {cold:.1f} s, warm {warm:.1f} s: {cold / warm:.1f} times as long")


def _one_trial(run: Path, chosen: list[dict[str, Any]]) -> None:
    """Makes trials of the demo search in this process; prints the seconds of each."""
    from harness.search.planning import plan_search
    from harness.search.trial import TrialFrames, run_trial
    from harness.store import RunStore
    from harness.suite.load import load_suite

    task = plan_search(load_suite("search-demo"), RunStore(run)).tasks[0]
    frames = TrialFrames(task)
    for number, options in enumerate(chosen):
        began = time.perf_counter()
        run_trial(task, options, number, frames, lambda row: None)
        print(f"{time.perf_counter() - began:.2f}")


if __name__ == "__main__":
    main()
