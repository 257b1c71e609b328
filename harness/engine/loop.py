"""The loop that drives a sweep: submit what can start, take results as they land, to the end.

- A job is ready once everything it needs is done; ``Admission`` says which goes next.
- Each job commits its own result; the loop hears of it, and readies what waited for it.
- A job that raises is recorded with its traceback and blocks only what needs it.
- An attempt that is lost (worker or node died, out of memory) is recorded and made again, a bounded
  number of times.
- A job over its time limit is stopped, process and all, and recorded as failed.
- Nodes that come are used; what nodes that went were doing is lost and made again.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping
from typing import Any, Protocol

import ray
import ray.exceptions

from harness.cost import record_timing
from harness.engine.admission import Admission
from harness.engine.groups import give_back, give_back_all_but
from harness.engine.losses import (
    describe_failure,
    describe_limit,
    describe_loss,
    loss,
    may_retry,
)
from harness.engine.training import train_job
from harness.engine.work import do_job
from harness.method import Needs
from harness.plan.jobs import Job, Plan
from harness.protocol import Split
from harness.store import RunStore, State

POLL_SECONDS = 0.25
NODES_SECONDS = 2.0
NODES_PATIENCE = 300.0


class Watcher(Protocol):
    """Whoever shows progress: told of every change, and given time to draw."""

    def changed(self, job: Job, state: State, detail: str) -> None:
        """A job's state is now ``state``; ``detail`` is a short word on it."""

    def lost(self, job: Job, reason: str) -> None:
        """An attempt at a job was lost, and it is tried again."""

    def resources(self, held: Mapping[str, float], total: Mapping[str, float], nodes: int) -> None:
        """What jobs hold of the cluster's resources now."""

    def tick(self) -> None:
        """Called a few times a second."""


def run_sweep(plan: Plan, store: RunStore, watcher: Watcher, *, joined: bool = False) -> None:
    """Does every job of the plan that is not done yet, on the Ray that is initialised.

    ``joined``: it is a cluster that others may use too, and whose nodes come and go; a job that no
    node can hold waits for one with patience before it is recorded as failed.
    """
    _Sweep(plan, store, watcher, joined).run()


class _Sweep:
    def __init__(self, plan: Plan, store: RunStore, watcher: Watcher, joined: bool) -> None:
        self.plan = plan
        self.store = store
        self.watcher = watcher
        self.joined = joined
        self.patience = NODES_PATIENCE if joined else 0.0
        done = {key for key, state in store.states(plan).items() if state == "done"}
        self.waiting_for = {
            key: {need for need in job.needs if need not in done}
            for key, job in plan.jobs.items()
            if key not in done
        }
        self.needed_by: dict[str, list[str]] = {}
        for key, needs in self.waiting_for.items():
            for need in needs:
                self.needed_by.setdefault(need, []).append(key)
        position = {key: place for place, key in enumerate(plan.jobs)}
        self.admission = Admission(_nodes(), position)
        for key, needs in self.waiting_for.items():
            if not needs:
                self.admission.put(plan.jobs[key])
        self.in_flight: dict[Any, str] = {}
        self.submitted: set[str] = set()
        self.short_since: dict[Needs, float] = {}
        self.started: dict[str, float] = {}
        self.stopped: dict[str, dict[str, Any]] = {}
        self.losses: dict[str, list[str]] = {}
        self.blocked: set[str] = set()
        self.looked = self.counted = time.monotonic()

    def run(self) -> None:
        try:
            while self.in_flight or self.admission.waiting:
                self._submit()
                self._take_finished()
                self._look()
        except BaseException:
            for reference in self.in_flight:
                ray.cancel(reference, force=True, recursive=True)
            raise

    def _submit(self) -> None:
        while (job := self.admission.take()) is not None:
            if self._waited_enough(job):
                self.admission.release(job.key)
                self._fail(job, {"error": self.admission.missing(job), "traceback": ""})
                continue
            split = self.plan.splits.get(job.split)
            reference = _task(job).remote(job, split, self.store.address)
            self.in_flight[reference] = job.key
            self.submitted.add(job.key)

    def _take_finished(self) -> None:
        """Lands all that have ended; waits a little if none has."""
        if not self.in_flight:
            return
        waiting = list(self.in_flight)
        landed, waiting = ray.wait(waiting, timeout=POLL_SECONDS, fetch_local=False)
        if landed and waiting:
            more, _ = ray.wait(waiting, num_returns=len(waiting), timeout=0, fetch_local=False)
            landed += more
        for reference in landed:
            self._land(reference)

    def _look(self) -> None:
        """A few times a second: who has started, who is over its limit, which nodes are there."""
        now = time.monotonic()
        if now - self.looked < POLL_SECONDS:
            return
        self.looked = now
        for key in self.store.running_keys():
            if key in self.submitted and key not in self.started:
                self.started[key] = now
                self.admission.started(key)
                self.watcher.changed(self.plan.jobs[key], "running", "")
        for reference, key in self.in_flight.items():
            limit = self.plan.jobs[key].resources.seconds
            if limit and key not in self.stopped and now - self.started.get(key, now) > limit:
                self._stop(reference, key, describe_limit(limit))
        if now - self.counted > NODES_SECONDS:
            self.counted = now
            self.admission.set_nodes(_nodes())
            for reference, key in self.in_flight.items():
                job = self.plan.jobs[key]
                if self._waited_enough(job) and key not in self.started and key not in self.stopped:
                    failure = {"error": self.admission.missing(job), "traceback": ""}
                    self._stop(reference, key, failure)
        self.watcher.resources(self.admission.held, self.admission.total, self.admission.nodes)
        self.watcher.tick()

    def _waited_enough(self, job: Job) -> bool:
        """Whether no node could hold the job for too long: its nodes have gone, or do not come."""
        if self.admission.holdable(job):
            self.short_since.pop(job.resources, None)
            return False
        now = time.monotonic()
        return now - self.short_since.setdefault(job.resources, now) >= self.patience

    def _stop(self, reference: Any, key: str, failure: dict[str, Any]) -> None:
        """Ends a job's process, and with it the workers that it has started."""
        self.stopped[key] = failure
        ray.cancel(reference, force=True, recursive=True)

    def _land(self, reference: Any) -> None:
        key = self.in_flight.pop(reference)
        job = self.plan.jobs[key]
        self.admission.release(key)
        self.started.pop(key, None)
        self.submitted.discard(key)
        stopped = self.stopped.pop(key, None)
        try:
            summary = ray.get(reference)
        except ray.exceptions.RayError as error:
            if job.resources.workers > 1:
                self._give_back_group(job)
            if self.store.is_done(job):  # it had ended just before
                self._done(job, {})
            elif stopped is not None:
                self._fail(job, stopped)
            elif (reason := loss(error)) is not None:
                self._lost(job, reason, describe_failure(error)["traceback"])
            else:
                self._fail(job, describe_failure(error))
            return
        self._done(job, summary)

    def _give_back_group(self, job: Job) -> None:
        """The task that led a group of workers has not ended well: nothing of the group may stay.

        A group that was still gathering has not said which it is. A local instance is this sweep's
        alone, so there it is the one that is nobody else's; on a cluster Train's cleaner finds it.
        """
        record = self.store.running(job.key) or {}
        if "group" in record:
            give_back(record["group"])
        elif not self.joined:
            others = [self.store.running(key) or {} for key in self.in_flight.values()]
            give_back_all_but({record["group"] for record in others if "group" in record})

    def _done(self, job: Job, summary: dict[str, Any]) -> None:
        self.store.clear(job.key)
        if "seconds" in summary:
            record_timing(job, summary["seconds"], summary.get("bytes", 0))
        self.watcher.changed(job, "done", _detail(summary))
        for waiting in self.needed_by.get(job.key, []):
            self.waiting_for[waiting].discard(job.key)
            if not self.waiting_for[waiting]:
                self.admission.put(self.plan.jobs[waiting])

    def _lost(self, job: Job, reason: str, detail: str) -> None:
        """An attempt came to nothing without a word from the job; it is made again if it may."""
        reasons = self.losses.setdefault(job.key, [])
        reasons.append(reason)
        self.store.record_loss(job, reason, detail)
        if may_retry(reasons):
            self.watcher.lost(job, reason)
            self.watcher.changed(job, "waiting", "")
            self.admission.put(job)
        else:
            self._fail(job, describe_loss(reasons))

    def _fail(self, job: Job, failure: dict[str, Any]) -> None:
        self.store.record_failure(job, failure)
        self.watcher.changed(job, "failed", failure["error"])
        self._block(job.key)

    def _block(self, key: str) -> None:
        unseen = deque([key])
        while unseen:
            for waiting in self.needed_by.get(unseen.popleft(), []):
                if waiting not in self.blocked:
                    self.blocked.add(waiting)
                    self.watcher.changed(self.plan.jobs[waiting], "blocked", "")
                    unseen.append(waiting)


def _nodes() -> list[dict[str, float]]:
    """What each living node has."""
    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def _task(job: Job) -> Any:
    """The Ray task that does a job, on what the job holds.

    The two remote functions are made once: each new one would be sent to every worker.
    """
    resources = job.resources
    group = resources.train and resources.workers > 1
    return _REMOTE[resources.train].options(
        # Several workers hold their own resources; the task that waits for them needs none.
        num_cpus=0 if group else resources.cpus,
        num_gpus=0 if group else resources.gpus,
        memory=None if group else resources.memory or None,
        name=job.title,
    )


def do_in_ray(job: Job, split: Split | None, run: str) -> dict[str, Any]:
    """A plain job as a Ray task."""
    return do_job(job, split, run, device="cuda:0" if job.resources.gpus else "cpu")


def train_in_ray(job: Job, split: Split, run: str) -> dict[str, Any]:
    """A network-training job as a Ray task that holds its CPUs or GPU share."""
    return train_job(job, split, run)


# What is lost is counted, recorded and tried again by the loop, not by Ray.
_REMOTE: dict[bool, Any] = {
    False: ray.remote(max_retries=0)(do_in_ray),
    True: ray.remote(max_retries=0)(train_in_ray),
}


def _detail(summary: dict[str, Any]) -> str:
    parts = []
    if summary.get("frame_f1") is not None:
        parts.append(f"F1 {summary['frame_f1']:.3f}")
    if "seconds" in summary:
        parts.append(f"{summary['seconds']:.1f} s")
    return ", ".join(parts)
