"""What the engine costs: seconds a job beside bare Ray tasks, and how well CPUs are filled.

    python -m benchmarks.engine [--jobs 10000] [--workers 8 16 32 64] [--cells 100000]

Jobs that do nothing (a method that returns zeros on a tiny dataset) show the harness's own cost:
the loop, opening the dataset, writing and committing a result. Jobs that sleep or compute show how
well two CPUs are filled; jobs that sleep on a cluster of logical nodes on this machine, how many
workers one driver keeps busy. Last, how long planning and `aubench status` take for large runs.
"""

from __future__ import annotations

import argparse
import logging
import os
import subprocess
import sys
import tempfile
import time
from contextlib import redirect_stdout
from io import StringIO
from multiprocessing import Pool
from pathlib import Path
from typing import Any

import numpy as np

from harness.data.frames import FrameSet
from harness.method import Context, Method, Options

ROOT = Path(__file__).resolve().parent.parent

SUITE = """\
name: engine
seeds: {seeds}
datasets:
  tiny: {{synthetic: lab, subjects: 4, tasks: 1, frames: 8}}
settings: [{{within: tiny, protocol: 2-fold}}]
methods:
  idle: {{method: "benchmarks.engine:Idle", options: {{sleep: {sleep}, compute: {compute}}}}}
"""


class IdleModel:
    """Scores everything 0."""

    def scores(self, frames: FrameSet) -> np.ndarray:
        """float32 (N, L) zeros."""
        return np.zeros((len(frames), len(frames.aus)), np.float32)

    def save(self, folder: Path) -> None:
        """Nothing to write."""


def _pass_time(sleep: float, compute: float) -> None:
    time.sleep(sleep)
    until = time.process_time() + compute
    while time.process_time() < until:
        pass


class IdleOptions(Options):
    """How long ``fit`` sleeps, and how long it computes, in seconds of time and of processor."""

    sleep: float = 0.0
    compute: float = 0.0


class Idle(Method):
    """Learns nothing, after a while."""

    Options = IdleOptions
    options: IdleOptions

    def fit(self, train: FrameSet, validation: FrameSet, context: Context) -> IdleModel:
        """Sleeps and computes."""
        _pass_time(self.options.sleep, self.options.compute)
        return IdleModel()

    @classmethod
    def load(cls, folder: Path) -> IdleModel:
        """The model that scores 0."""
        return IdleModel()


def sweep_seconds(
    folder: Path, name: str, *, jobs: int, cpus: int, sleep: float = 0, compute: float = 0
) -> float:
    """Seconds of a sweep's loop, from the first job's start to the last one's end."""
    from harness.sweep import run_suite

    suite = _suite(folder, name, jobs, sleep, compute)
    with redirect_stdout(StringIO()):
        run_suite(str(suite), str(folder / name), cpus=cpus)
    return _span(folder / name)


def _suite(folder: Path, name: str, jobs: int, sleep: float, compute: float = 0) -> Path:
    suite = folder / f"{name}.yaml"
    seeds = list(range(jobs // 2))
    suite.write_text(SUITE.format(seeds=seeds, sleep=sleep, compute=compute))
    return suite


def _span(run: Path) -> float:
    from harness.store import RunStore

    store = RunStore(run)
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


def two_processes(kind: str, tasks: int, seconds: float) -> float:
    """Seconds that two bare processes take for the same work, on the machine as busy as it is."""
    spent = (seconds, 0.0) if kind == "sleep" else (0.0, seconds)
    with Pool(2) as pool:
        pool.starmap(_pass_time, [(0.0, 0.0)] * 2)  # started
        begun = time.perf_counter()
        pool.starmap(_pass_time, [spent] * tasks, chunksize=1)
        return time.perf_counter() - begun


def many_workers(folder: Path, counts: list[int], sleep: float) -> None:
    """Prints how well one driver keeps so many workers busy, on nodes of 8 logical CPUs."""
    import ray
    from ray.cluster_utils import Cluster

    from harness.engine.loop import run_sweep
    from harness.plan.build import build_plan
    from harness.progress import Progress
    from harness.store import RunStore
    from harness.suite.load import load_suite

    os.environ.update(RAY_AUTH_MODE="disabled", RAY_USAGE_STATS_ENABLED="0")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    os.environ.update({"RAY_worker_register_timeout_seconds": "600"})  # many start on few CPUs
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    try:
        cpus = 0
        for workers in counts:
            while cpus < workers:
                cluster.add_node(num_cpus=min(8, workers - cpus), object_store_memory=80 << 20)
                cpus += min(8, workers - cpus)
            if not ray.is_initialized():
                ray.init(address=cluster.address, log_to_driver=False, logging_level=logging.ERROR)
            for name, rounds in (("warm", 2), ("timed", 8)):  # workers start in the first
                suite = _suite(folder, f"{name}{workers}", rounds * workers, sleep)
                plan = build_plan(load_suite(str(suite)))
                store = RunStore(folder / f"{name}{workers}")
                store.begin(plan, "")
                processor, own = time.process_time(), time.thread_time()
                run_sweep(plan, store, Progress(plan, store.states(plan)), joined=True)
                processor, own = time.process_time() - processor, time.thread_time() - own
            span = _span(store.folder)
            ideal = 8 * sleep
            print(
                f"  {workers:>3} workers: {8 * workers / span:5.1f} jobs/s, "
                f"{ideal / span:.2f} of ideal; the driver computes {processor / span:.0%} of the "
                f"time, its loop {own / (8 * workers) * 1e3:.1f} ms a job",
                flush=True,
            )
    finally:
        ray.shutdown()
        cluster.shutdown()


LARGE = """\
name: large
seeds: {seeds}
datasets:
  tiny: {{synthetic: lab, subjects: 40, tasks: 1, frames: 8}}
settings: [{{within: tiny, protocol: 10-fold}}]
methods:
"""


def plan_seconds(folder: Path, cells: int) -> tuple[float, float]:
    """Seconds to plan so many cells (ten methods, ten folds), and to write the plan."""
    from harness.plan.build import build_plan
    from harness.store import RunStore
    from harness.suite.load import load_suite

    suite = folder / "large.yaml"
    rows = (
        f'  m{i}: {{method: "benchmarks.engine:Idle", options: {{sleep: {i}}}}}\n'
        for i in range(10)
    )
    suite.write_text(LARGE.format(seeds=list(range(cells // 100))) + "".join(rows))
    begun = time.perf_counter()
    plan = build_plan(load_suite(str(suite)))
    planned = time.perf_counter()
    assert len(plan.cells) == cells
    RunStore(folder / f"plan{cells}").begin(plan, "")
    return planned - begun, time.perf_counter() - planned


def status_seconds(folder: Path, jobs: int) -> float:
    """Seconds of `aubench status`, a process of its own, on a run with so many jobs, all done."""
    from harness.store import RunStore

    plan_seconds(folder, jobs)
    store = RunStore(folder / f"plan{jobs}")
    for key in store.plan().jobs:
        store.job_folder(key).mkdir()
        (store.job_folder(key) / "result.json").write_text("{}")
    took = []
    for _ in range(3):
        begun = time.perf_counter()
        command = [sys.executable, "-m", "harness", "status", str(store.folder)]
        subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        took.append(time.perf_counter() - begun)
    return min(took)


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=400, help="that do nothing")
    parser.add_argument("--workers", type=int, nargs="*", default=[8], help="of a cluster")
    parser.add_argument("--sleep", type=float, default=1.0, help="of the cluster's jobs")
    parser.add_argument("--cells", type=int, default=100_000, help="of a large plan")
    options = parser.parse_args()
    os.environ["WANDB_MODE"] = "disabled"
    print(f"load of the machine before: {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        jobs = options.jobs
        if jobs:
            idle = sweep_seconds(folder, "idle", jobs=jobs, cpus=2)
            bare = bare_seconds(jobs, 2)
            print(f"{jobs} jobs that do nothing, 2 CPUs: {idle / jobs * 1e3:.1f} ms a job")
            print(f"  bare Ray tasks: {bare / jobs * 1e3:.1f} ms a task", flush=True)
            for kind in ("sleep", "compute"):
                one, two = (
                    sweep_seconds(folder, f"{kind}{cpus}", jobs=40, cpus=cpus, **{kind: 0.5})
                    for cpus in (1, 2)
                )
                bare = two_processes(kind, tasks=40, seconds=0.5)
                print(
                    f"40 jobs that {kind} for 0.5 s: 1 CPU {one:.1f} s, 2 CPUs {two:.1f} s: "
                    f"{one / two:.2f}x; two bare processes {bare:.1f} s, {bare / two:.2f} of that "
                    "pace is kept",
                    flush=True,
                )
        if options.cells:
            planned, written = plan_seconds(folder, options.cells)
            print(f"plan of {options.cells} cells: {planned:.1f} s, written in {written:.1f} s")
            status = status_seconds(folder, 10_000)
            print(f"status of a run with 10000 cells: {status:.2f} s", flush=True)
        if options.workers:
            print(
                f"jobs that sleep {options.sleep:g} s, on a cluster of logical nodes:", flush=True
            )
            many_workers(folder, options.workers, options.sleep)


if __name__ == "__main__":
    main()
