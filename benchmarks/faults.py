"""Faults put into a sweep on a cluster of several nodes: what is lost, run twice, or changed?

    python -m benchmarks.faults [--kills 20] [--seed 0] [--folder DIR]

A small cluster on this machine (`ray.cluster_utils.Cluster`: a head without CPUs, nodes of one
CPU). A sweep runs on it as a process of its own, and at random times something real is killed: the
driver, a worker at its job, a node's raylet, a whole node (which another replaces). In the end the
run folder is held against a run of the same suite that nothing disturbed, in one bare process
without Ray, and against a side file to which every execution of every job has added its lines.

Afterwards: a run folder on a disk that is too small, a node without memory, a second driver.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmarks.fault_arena import Arena
from benchmarks.fault_methods import PACE, SIDE_FILE

ROOT = Path(__file__).resolve().parent.parent

SUITE = """\
name: faults
seeds: {seeds}
datasets:
  tiny: {{synthetic: lab, subjects: 6, tasks: 1, frames: 12}}
settings: [{{within: tiny, protocol: 3-fold}}]
methods:
  plain: {{method: "benchmarks.fault_methods:Counted", options: {{steps: {steps}}}}}
  trained: {{method: "benchmarks.fault_methods:Trained", options: {{steps: {steps}}}}}
  staged: {{method: "benchmarks.fault_methods:OnStage", options: {{steps: {steps}}}}}
"""

LARGE = """\
name: large
datasets:
  tiny: {synthetic: lab, subjects: 6, tasks: 1, frames: 12}
settings: [{within: tiny, protocol: 3-fold}]
methods:
  plain: {method: "benchmarks.fault_methods:Counted", options: {steps: 2, megabytes: 3}}
"""


@dataclass
class Found:
    """What a disturbed run has come to."""

    kills: Counter[str] = field(default_factory=Counter)
    restarts: int = 0
    jobs: int = 0
    trainings: int = 0
    executions: int = 0
    interrupted: int = 0
    lost_attempts: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    seconds: float = 0.0


def disturbed_run(folder: Path, *, kills: int, seed: int, suite: Path, nodes: int = 2) -> Found:
    """Runs the suite to its end while ``kills`` processes or nodes are killed."""
    from harness.store import RunStore

    rng = random.Random(seed)
    found = Found()
    out = folder / "disturbed"
    store = RunStore(out)
    kept: dict[str, int] = {}
    arena = Arena(folder, nodes)
    begun = time.monotonic()
    # Every kind comes up before any comes up again.
    kinds = ["worker", "driver", "raylet", "node"]
    order = [kind for _ in range(kills) for kind in rng.sample(kinds, len(kinds))][:kills]
    try:
        arena.driver = arena.start_driver(suite, out)
        while True:
            pause_until = time.monotonic() + rng.uniform(0.3, 2.5)
            training = rng.random() < 0.75
            at_work: dict[int, Any] = {}
            while arena.driver.poll() is None and (time.monotonic() < pause_until or not at_work):
                _check_kept(out, kept, found)
                time.sleep(0.05)
                at_work = arena.at_work(store, training) if order else {0: None}
            if arena.driver.poll() is None:
                if order:
                    kind = order.pop()
                    arena.kill(kind, rng.choice(sorted(at_work)), at_work, suite, out)
                    found.kills[kind] += 1
                    print(f"  {time.monotonic() - begun:5.1f} s  {kind} killed", flush=True)
                continue
            said = arena.driver.communicate()[0]
            if arena.driver.returncode == 0 or found.restarts > kills + 5:
                if arena.driver.returncode or order:
                    found.wrong.append(f"ended early: {said[-2000:]}")
                break
            found.restarts += 1  # jobs that were lost too often are tried anew
            print(f"  driver ended with {arena.driver.returncode}: {said[-300:]}", flush=True)
            arena.driver = arena.start_driver(suite, out)
        _check_kept(out, kept, found)
    finally:
        arena.close()
    found.seconds = time.monotonic() - begun
    found.lost_attempts = Counter(r for reasons in store.losses().values() for r in reasons)
    return found


def _check_kept(out: Path, kept: dict[str, int], found: Found) -> None:
    """Whatever was finished once must stay as it is."""
    jobs = out / "jobs"
    names = [n for n in os.listdir(jobs) if "." not in n] if jobs.is_dir() else []
    for key, modified in kept.items():
        if key not in names or (jobs / key / "result.json").stat().st_mtime_ns != modified:
            found.wrong.append(f"finished job {key} was lost or written again")
    for name in names:
        if name not in kept:
            kept[name] = (jobs / name / "result.json").stat().st_mtime_ns


def undisturbed_run(suite: Path, out: Path) -> None:
    """Every job of the suite, one after the other, in this process, without Ray."""
    from harness.engine.work import do_job
    from harness.plan.build import build_plan
    from harness.store import RunStore
    from harness.suite.load import load_suite
    from harness.sweep import frozen_suite

    loaded = load_suite(str(suite))
    plan = build_plan(loaded)
    store = RunStore(out)
    store.begin(plan, frozen_suite(loaded))
    for job in plan.jobs.values():
        do_job(job, plan.splits.get(job.split), out)


def compare(folder: Path, side: Path, found: Found) -> None:
    """Holds the disturbed run against the undisturbed one and against the side file."""
    from harness.store import RunStore
    from reports.build import build, summary_table

    ours, theirs = RunStore(folder / "disturbed"), RunStore(folder / "undisturbed")
    plan = ours.plan()
    found.jobs = len(plan.jobs)
    if list(plan.jobs) != list(theirs.plan().jobs):
        found.wrong.append("the two runs have different jobs")
    for key, state in ours.states(plan).items():
        if state != "done":
            found.wrong.append(f"{plan.jobs[key].title} is {state}: {ours.failure(key)}")
    found.wrong += _other_scores(ours, theirs)
    for store in (ours, theirs):
        build(store.folder)
    if summary_table(ours.folder) != summary_table(theirs.folder):
        found.wrong.append("the tables differ")
    found.wrong += _side_file_faults(side, ours, found)


def _other_scores(ours: Any, theirs: Any) -> list[str]:
    """Cells whose file of scores is not the same, byte for byte, in two runs."""
    plan = ours.plan()
    done = [c for c in plan.cells if ours.is_done(plan.jobs[c.job])]
    files = [[s.job_folder(c.job) / "scores.parquet" for s in (ours, theirs)] for c in done]
    return [f"other scores: {a}" for a, b in files if a.read_bytes() != b.read_bytes()]


def _side_file_faults(side: Path, store: Any, found: Found) -> list[str]:
    """Executions that began after a job was finished, or while another was at it."""
    wrong = []
    beats: dict[str, dict[str, list[float]]] = {}
    for line in side.read_text().splitlines():
        key, pid, _, when = line.split()
        beats.setdefault(key, {}).setdefault(pid, []).append(float(when))
    for key, attempts in beats.items():
        spans = sorted((min(times), max(times)) for times in attempts.values())
        found.trainings += 1
        found.executions += len(spans)
        found.interrupted += len(spans) > 1
        finished = (store.job_folder(key) / "result.json").stat().st_mtime
        if spans[-1][0] > finished:
            wrong.append(f"{key} was begun again after it was finished")
        for (_, end), (begin, _) in pairwise(spans):
            if begin < end:
                wrong.append(f"two processes were at {key} at once")
    return wrong


def environment(folder: Path) -> dict[str, str]:
    """What nodes, drivers and workers are started with."""
    return {
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
        "RAY_AUTH_MODE": "disabled",
        "RAY_USAGE_STATS_ENABLED": "0",
        "WANDB_MODE": "disabled",
        "OMP_NUM_THREADS": "1",
        SIDE_FILE: str(folder / "side"),
    }


def kills_change_nothing(folder: Path, *, kills: int, seed: int, seeds: int, steps: int) -> Found:
    """The disturbed run, the undisturbed one, and how they compare."""
    suite = folder / "suite.yaml"
    suite.write_text(SUITE.format(seeds=list(range(seeds)), steps=steps))
    os.environ.update(environment(folder), AUBENCH_CACHE=str(folder / "cache"))
    found = disturbed_run(folder, kills=kills, seed=seed, suite=suite)
    os.environ["AUBENCH_CACHE"] = str(folder / "other-cache")
    os.environ.update({SIDE_FILE: str(folder / "other-side"), PACE: "0"})
    undisturbed_run(suite, folder / "undisturbed")
    compare(folder, folder / "side", found)
    return found


def full_disk(folder: Path) -> list[str]:
    """A run folder on a disk that is too small, and then is not: what is wrong with the run."""
    from harness.store import RunStore

    disk = folder / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=5m", "aubench", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        return ["no right to mount a small disk here; not tried"]
    try:
        suite = folder / "large.yaml"
        suite.write_text(LARGE)
        run = _run_locally(suite, disk / "run")
        wrong = [] if run.returncode in (1, 2) else [f"full disk, but {run.returncode}"]
        if "No space left" not in run.stdout or "Traceback" in run.stdout:
            wrong.append(f"no clear line on a full disk: {run.stdout[-1000:]}")
        store = RunStore(disk / "run")
        for name in os.listdir(disk / "run" / "jobs"):
            if "." not in name and len(store.scores(name)) == 0:  # raises if anything is cut short
                wrong.append(f"{name} was finished on a full disk, but is empty")
        subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
        again = _run_locally(suite, disk / "run")
        if again.returncode:
            wrong.append(f"not finished with more room: {again.stdout[-1000:]}")
        undisturbed_run(suite, folder / "large")
        return wrong + _other_scores(store, RunStore(folder / "large"))
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=False)


def no_memory(folder: Path) -> list[str]:
    """A node whose memory is used up stops its workers: what is wrong with the run."""
    from harness.store import RunStore

    suite = folder / "memory.yaml"
    suite.write_text(LARGE.replace("megabytes: 3", "megabytes: 0"))
    out = folder / "memory"
    used_up = {"RAY_memory_usage_threshold": "0.01", "RAY_memory_monitor_refresh_ms": "100"}
    run = _run_locally(suite, out, used_up)
    store = RunStore(out)
    losses = store.losses()
    wrong = [] if run.returncode == 1 else [f"no memory, but {run.returncode}: {run.stdout[-500:]}"]
    if not losses or any(set(reasons) != {"out of memory"} for reasons in losses.values()):
        wrong.append(f"lost for other reasons than memory: {losses}")
    if any(len(reasons) != 3 for reasons in losses.values()):
        wrong.append(f"not tried three times: {losses}")
    if "ran out of memory" not in run.stdout:
        wrong.append(f"no clear line: {run.stdout[-500:]}")
    again = _run_locally(suite, out)
    return wrong + (
        [f"not finished with memory: {again.stdout[-500:]}"] if again.returncode else []
    )


def second_driver(folder: Path) -> list[str]:
    """A second driver on a run folder that another holds: what is wrong with what it says."""
    from harness.store import RunStore

    suite, out = folder / "memory.yaml", folder / "held"
    with RunStore(out).driver_lock():
        run = _run_locally(suite, out)
    told = f"is being run by process {os.getpid()}" in run.stdout
    return [] if run.returncode == 2 and told else [f"second driver: {run.stdout[-500:]}"]


def _run_locally(
    suite: Path, out: Path, extra: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "harness", "run", str(suite), "--out", str(out), "--cpus", "2"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, **(extra or {})},
        check=False,
    )


def main() -> int:
    """Prints what was killed and what came of it; exit status 1 if anything is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seeds", type=int, default=6, help="of the suite: so many times the jobs")
    parser.add_argument("--steps", type=int, default=40, help="of each job, 0.05 s each")
    parser.add_argument("--only-kills", action="store_true", help="no full disk, no lost memory")
    parser.add_argument("--folder", type=Path, help="kept; default: a temporary one")
    options = parser.parse_args()
    folder = options.folder or Path(tempfile.mkdtemp(prefix="aubench-faults-"))
    folder.mkdir(parents=True, exist_ok=True)
    found = kills_change_nothing(
        folder.resolve(),
        kills=options.kills,
        seed=options.seed,
        seeds=options.seeds,
        steps=options.steps,
    )
    killed = ", ".join(f"{count} {kind}" for kind, count in sorted(found.kills.items()))
    lost = ", ".join(f"{count} {reason}" for reason, count in sorted(found.lost_attempts.items()))
    print(f"{sum(found.kills.values())} kills in {found.seconds:.0f} s: {killed}")
    print(
        f"  {found.jobs} jobs, {found.trainings} trainings; {found.interrupted} interrupted, all "
        f"trainings begun {found.executions} times; attempts lost: {lost or 'none'}"
    )
    print(f"  driver started again because jobs had failed: {found.restarts}")
    if not found.wrong:
        print("  nothing lost, nothing run twice, tables and scores equal byte for byte")
    for scenario in () if options.only_kills else (full_disk, no_memory, second_driver):
        wrong = scenario(folder.resolve())
        print(f"{scenario.__name__.replace('_', ' ')}: {'as it should be' if not wrong else ''}")
        found.wrong += wrong
    for line in found.wrong:
        print(f"  WRONG: {line}")
    if options.folder is None:
        shutil.rmtree(folder, ignore_errors=True)
    summary = {"kills": found.kills, "lost": found.lost_attempts, "wrong": found.wrong}
    counts = {"trainings": found.trainings, "executions": found.executions}
    print(json.dumps(summary | counts))
    return 1 if found.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
