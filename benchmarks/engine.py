"""What the engine costs: seconds a job beside bare Ray tasks, and the speed-up from one CPU to two.

    python -m benchmarks.engine [JOBS]

Jobs that do nothing (a method that returns zeros on a tiny dataset) show the harness's own cost:
planning, the loop, opening the dataset, writing and committing a result. Jobs that sleep for a
while show how well two CPUs are filled.
"""

from __future__ import annotations

import sys
import tempfile
import time
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np

from harness.data.frames import FrameSet
from harness.method import Context, Method, Options

SUITE = """\
name: engine
seeds: {seeds}
datasets:
  tiny: {{synthetic: lab, subjects: 4, tasks: 1, frames: 8}}
settings: [{{within: tiny, protocol: 2-fold}}]
methods:
  idle: {{method: "benchmarks.engine:Idle", options: {{sleep: {sleep}}}}}
"""


class IdleModel:
    """Scores everything 0."""

    def scores(self, frames: FrameSet) -> np.ndarray:
        """float32 (N, L) zeros."""
        return np.zeros((len(frames), len(frames.aus)), np.float32)

    def save(self, folder: Path) -> None:
        """Nothing to write."""


class IdleOptions(Options):
    """How long ``fit`` sleeps, in seconds."""

    sleep: float = 0.0


class Idle(Method):
    """Learns nothing, after a while."""

    Options = IdleOptions
    options: IdleOptions

    def fit(self, train: FrameSet, validation: FrameSet, context: Context) -> IdleModel:
        """Sleeps."""
        time.sleep(self.options.sleep)
        return IdleModel()

    @classmethod
    def load(cls, folder: Path) -> IdleModel:
        """The model that scores 0."""
        return IdleModel()


def sweep_seconds(folder: Path, name: str, *, jobs: int, sleep: float, cpus: int) -> float:
    """Seconds of a sweep's loop, from the first job's start to the last one's end."""
    from harness.store import RunStore
    from harness.sweep import run_suite

    suite = folder / f"{name}.yaml"
    suite.write_text(SUITE.format(seeds=list(range(jobs // 2)), sleep=sleep))
    with redirect_stdout(StringIO()):
        run_suite(str(suite), str(folder / name), cpus=cpus)
    store = RunStore(folder / name)
    costs: list[dict[str, Any]] = [
        store.result(key)["cost"] for key, job in store.plan().jobs.items() if job.kind == "cell"
    ]
    begun = min(cost["started"] for cost in costs)
    return max(cost["started"] + cost["seconds"] for cost in costs) - begun


def _nothing() -> None:
    """What a bare task does."""


def bare_seconds(jobs: int, cpus: int) -> float:
    """Seconds of as many bare Ray tasks that do nothing."""
    import ray

    from harness.engine.cluster import ray_cluster

    with ray_cluster(cpus=cpus):
        task: Any = ray.remote(_nothing)
        ray.get([task.remote() for _ in range(8)])  # workers started
        begun = time.perf_counter()
        ray.get([task.remote() for _ in range(jobs)])
        return time.perf_counter() - begun


def main() -> None:
    """Prints the figures."""
    jobs = int(sys.argv[1]) if len(sys.argv) > 1 else 400
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        idle = sweep_seconds(folder, "idle", jobs=jobs, sleep=0, cpus=2)
        bare = bare_seconds(jobs, 2)
        print(f"{jobs} jobs that do nothing, 2 CPUs: {idle / jobs * 1e3:.1f} ms a job")
        print(f"  bare Ray tasks: {bare / jobs * 1e3:.1f} ms a task")
        one = sweep_seconds(folder, "one", jobs=40, sleep=0.5, cpus=1)
        two = sweep_seconds(folder, "two", jobs=40, sleep=0.5, cpus=2)
        print(f"40 jobs of 0.5 s: 1 CPU {one:.1f} s, 2 CPUs {two:.1f} s: {one / two:.2f}x")


if __name__ == "__main__":
    main()
