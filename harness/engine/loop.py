"""The loop that drives a sweep: submit what can start, take results as they land, to the end.

- A job is submitted once everything it needs is done, and no more are in flight than the cluster
  holds (with a few in reserve, so that a free CPU finds its next job at once).
- Each job commits its own result; the loop hears of it, and submits what waited for it.
- A job that raises is recorded with its traceback and blocks only what needs it.
- A worker or node that dies is tried again a bounded number of times.
"""

from __future__ import annotations

import re
import traceback
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import ray
import ray.exceptions

from harness.cost import record_timing
from harness.engine.training import train_job
from harness.engine.work import do_job
from harness.plan.jobs import Job, Plan
from harness.protocol import Split
from harness.store import RunStore, State
from harness.tracking.mode import redacted

RETRIES = 2
RESERVE = 4
POLL_SECONDS = 0.25
ANSI_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


class Watcher(Protocol):
    """Whoever shows progress: told of every change, and given time to draw."""

    def changed(self, job: Job, state: State, detail: str) -> None:
        """A job's state is now ``state``; ``detail`` is a short word on it."""

    def tick(self) -> None:
        """Called a few times a second."""


def run_sweep(plan: Plan, store: RunStore, resources: dict[str, float], watcher: Watcher) -> None:
    """Does every job of the plan that is not done yet, on the Ray that is initialised."""
    _Sweep(plan, store, resources, watcher).run()


class _Sweep:
    def __init__(
        self, plan: Plan, store: RunStore, resources: dict[str, float], watcher: Watcher
    ) -> None:
        self.plan = plan
        self.store = store
        self.watcher = watcher
        self.resources = resources
        self.done = {key for key, job in plan.jobs.items() if store.is_done(job)}
        self.waiting_for = {
            key: {need for need in job.needs if need not in self.done}
            for key, job in plan.jobs.items()
            if key not in self.done
        }
        self.needed_by: dict[str, list[str]] = {}
        for key, needs in self.waiting_for.items():
            for need in needs:
                self.needed_by.setdefault(need, []).append(key)
        self.ready = deque(key for key, needs in self.waiting_for.items() if not needs)
        self.in_flight: dict[Any, str] = {}
        self.held = 0.0
        self.started: set[str] = set()
        self.blocked: set[str] = set()

    def run(self) -> None:
        try:
            while self.ready or self.in_flight:
                self._submit()
                finished, _ = ray.wait(
                    list(self.in_flight), num_returns=1, timeout=POLL_SECONDS, fetch_local=False
                )
                for reference in finished:
                    self._land(reference)
                self._note_started()
                self.watcher.tick()
        except BaseException:
            for reference in self.in_flight:
                ray.cancel(reference, force=True, recursive=True)
            raise

    def _submit(self) -> None:
        """Submits ready jobs while the cluster has room, and a few more."""
        capacity = max(1.0, self.resources.get("CPU", 1.0))
        while self.ready and (self.held < capacity or len(self.in_flight) < capacity + RESERVE):
            key = self.ready.popleft()
            job = self.plan.jobs[key]
            if not self._fits(job):
                continue
            self.held += job.resources.cpus * job.resources.workers
            reference = _remote(job).remote(job, self.plan.splits.get(job.split), self.store.folder)
            self.in_flight[reference] = key

    def _note_started(self) -> None:
        """A submitted job runs once its worker has said so; until then it waits for its CPUs."""
        for key in self.in_flight.values():
            if key not in self.started and self.store.running(key):
                self.started.add(key)
                self.watcher.changed(self.plan.jobs[key], "running", "")

    def _fits(self, job: Job) -> bool:
        """Whether the cluster could ever hold the job; if not, it fails at once and says why."""
        wanted = {
            "CPU": job.resources.cpus * job.resources.workers,
            "GPU": job.resources.gpus * job.resources.workers,
        }
        for name, amount in wanted.items():
            if amount > self.resources.get(name, 0.0):
                has = self.resources.get(name, 0.0)
                error = f"needs {amount:g} {name}, the cluster has {has:g}"
                self._fail(job, {"error": error, "traceback": ""})
                return False
        return True

    def _land(self, reference: Any) -> None:
        key = self.in_flight.pop(reference)
        job = self.plan.jobs[key]
        self.held -= job.resources.cpus * job.resources.workers
        try:
            summary = ray.get(reference)
        except ray.exceptions.RayError as error:
            self._fail(job, describe_failure(error))
            return
        self.store.clear(key)
        if "seconds" in summary:
            record_timing(job, summary["seconds"])
        self.done.add(key)
        self.watcher.changed(job, "done", _detail(summary))
        for waiting in self.needed_by.get(key, []):
            self.waiting_for[waiting].discard(key)
            if not self.waiting_for[waiting]:
                self.ready.append(waiting)

    def _fail(self, job: Job, failure: dict[str, Any]) -> None:
        self.store.record_failure(job, failure)
        self.watcher.changed(job, "failed", failure["error"])
        self._block(job.key)

    def _block(self, key: str) -> None:
        for waiting in self.needed_by.get(key, []):
            if waiting not in self.blocked:
                self.blocked.add(waiting)
                self.watcher.changed(self.plan.jobs[waiting], "blocked", "")
                self._block(waiting)


def _remote(job: Job) -> Any:
    """The Ray task that does a job, on what the job holds."""
    resources = job.resources
    group = resources.train and resources.workers > 1
    task: Callable[..., Any] = train_in_ray if resources.train else do_in_ray
    return ray.remote(task).options(
        # Several workers hold their own resources; the task that waits for them needs none.
        num_cpus=0 if group else resources.cpus,
        num_gpus=0 if group else resources.gpus,
        memory=resources.memory or None,
        max_retries=RETRIES,
        name=job.title,
    )


def do_in_ray(job: Job, split: Split | None, run_folder: Path) -> dict[str, Any]:
    """A plain job as a Ray task."""
    return do_job(job, split, run_folder, device="cuda:0" if job.resources.gpus else "cpu")


def train_in_ray(job: Job, split: Split, run_folder: Path) -> dict[str, Any]:
    """A network-training job as a Ray task that holds its CPUs or GPU share."""
    return train_job(job, split, run_folder)


def describe_failure(error: BaseException) -> dict[str, Any]:
    """One line and a traceback for what a job raised."""
    cause = root_cause(error)
    line = next((text for text in str(cause).splitlines() if text.strip()), type(cause).__name__)
    name = type(cause).__name__
    said = line.strip() if name == "UserError" else f"{name}: {line.strip()}"
    trace = ANSI_COLOURS.sub("", str(error)) or "".join(traceback.format_exception(error))
    return {"error": redacted(said), "traceback": redacted(trace)}


def root_cause(error: BaseException) -> BaseException:
    """What was raised in the worker, without the wrappers of Ray and Ray Train."""
    while True:
        inner = getattr(error, "cause", None)
        failures = getattr(error, "worker_failures", None)
        if isinstance(failures, dict) and failures:
            inner = next(iter(failures.values()))
        if not isinstance(inner, BaseException) or inner is error:
            return error
        error = inner


def _detail(summary: dict[str, Any]) -> str:
    parts = []
    if summary.get("frame_f1") is not None:
        parts.append(f"F1 {summary['frame_f1']:.3f}")
    if "seconds" in summary:
        parts.append(f"{summary['seconds']:.1f} s")
    return ", ".join(parts)
