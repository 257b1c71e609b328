"""Which ready job to submit next, so that nodes are filled and never over-filled.

Jobs wait in one queue for each shape (what they hold); the earliest in the plan goes first, and a
shape that finds no room lets the others pass: a GPU job that waits keeps no CPU idle. Beyond what
fits, a few jobs of each shape are submitted in reserve, so that a free CPU finds its next job at
once without asking the driver.

Jobs of several workers are never in reserve. One that is next in turn and does not fit yet lets
nothing later pass, and nothing is submitted while its workers are still to start; so single jobs
cannot starve it, and two of them cannot hold halves of what both need.

Nothing here knows Ray.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence

from harness.method import Needs
from harness.plan.jobs import Job

RESERVE = 4
RESOURCES = ("CPU", "GPU", "memory")

Node = Mapping[str, float]


class Admission:
    """Ready jobs, and what those in flight hold of the cluster's nodes.

    Args:
        nodes: what each node has: ``CPU``, ``GPU``, ``memory``.
        position: place of every job in the plan.
    """

    def __init__(self, nodes: Sequence[Node], position: Mapping[str, int]) -> None:
        self._position = position
        self._queues: dict[Needs, deque[Job]] = {}
        self._holding: dict[str, Job] = {}
        self._reserve: dict[str, Job] = {}
        self._gathering: set[str] = set()
        self._held = dict.fromkeys(RESOURCES, 0.0)
        self.set_nodes(nodes)

    @property
    def waiting(self) -> int:
        """Jobs that are ready and not submitted."""
        return sum(len(queue) for queue in self._queues.values())

    @property
    def nodes(self) -> int:
        """How many nodes there are."""
        return len(self._nodes)

    @property
    def total(self) -> dict[str, float]:
        """What all nodes have together."""
        return dict(self._total)

    @property
    def held(self) -> dict[str, float]:
        """What the jobs in flight hold together, without those in reserve."""
        return dict(self._held)

    def set_nodes(self, nodes: Sequence[Node]) -> None:
        """Nodes came or went."""
        self._nodes = [dict(node) for node in nodes]
        self._holdable: dict[Needs, bool] = {}
        self._total = {r: sum(node.get(r, 0.0) for node in nodes) for r in RESOURCES}
        self._reserve_size = max(RESERVE, math.ceil(self._total["CPU"] / 4))

    def put(self, job: Job) -> None:
        """A job that can start; one that was in flight before goes to the front."""
        queue = self._queues.setdefault(job.resources, deque())
        if queue and self._place(job) < self._place(queue[0]):
            queue.appendleft(job)
        else:
            queue.append(job)

    def take(self) -> Job | None:
        """The next job to submit, or None for now."""
        if any(self.holdable(self._holding[key]) for key in self._gathering):
            return None
        queues = sorted((q for q in self._queues.values() if q), key=lambda q: self._place(q[0]))
        for queue in queues:
            job = queue[0]
            if self._fits(job):
                self._hold(job)
                return queue.popleft()
            if job.resources.workers > 1 and self.holdable(job):
                return None
        for queue in queues:
            job = queue[0]
            alike = sum(other.resources == job.resources for other in self._reserve.values())
            if alike < (self._reserve_size if job.resources.workers == 1 else 1):
                self._reserve[job.key] = job
                return queue.popleft()
        return None

    def started(self, key: str) -> None:
        """A job in flight is at work, all of its workers."""
        self._gathering.discard(key)

    def release(self, key: str) -> None:
        """A job in flight has ended; those in reserve take its room, first come first served."""
        self._gathering.discard(key)
        if self._reserve.pop(key, None) is not None:
            return
        for name, amount in wanted(self._holding.pop(key)).items():
            self._held[name] -= amount
        for job in list(self._reserve.values()):
            if self._fits(job):
                del self._reserve[job.key]
                self._hold(job)

    def holdable(self, job: Job) -> bool:
        """Whether the nodes as they are could hold the job if nothing else ran."""
        if job.resources not in self._holdable:  # asked for every job, the same for many
            self._holdable[job.resources] = self._has_places(job)
        return self._holdable[job.resources]

    def _has_places(self, job: Job) -> bool:
        share = wanted(job, workers=1)
        places = 0
        for node in self._nodes:
            ratios = [node.get(name, 0.0) / amount for name, amount in share.items() if amount]
            places += int(min(ratios, default=math.inf) + 1e-9) if ratios else job.resources.workers
        return places >= job.resources.workers

    def missing(self, job: Job) -> str:
        """Why the nodes cannot hold the job: ``"needs 64 CPU, the cluster has 2"``."""
        for name, amount in wanted(job).items():
            if amount > self._total[name]:
                return f"needs {amount:g} {name}, the cluster has {self._total[name]:g}"
        workers = job.resources.workers
        share = ", ".join(f"{a:g} {name}" for name, a in wanted(job, workers=1).items() if a)
        whose = f"{workers} workers with {share} each" if workers > 1 else f"{share} on one node"
        largest = max((node.get("CPU", 0.0) for node in self._nodes), default=0.0)
        return f"needs {whose}; no node of the cluster has more than {largest:g} CPU"

    def _hold(self, job: Job) -> None:
        self._holding[job.key] = job
        if job.resources.workers > 1:
            self._gathering.add(job.key)
        for name, amount in wanted(job).items():
            self._held[name] += amount

    def _fits(self, job: Job) -> bool:
        return self.holdable(job) and all(
            self._held[name] + amount <= self._total[name] + 1e-9
            for name, amount in wanted(job).items()
            if amount
        )

    def _place(self, job: Job) -> int:
        return self._position[job.key]


def wanted(job: Job, workers: int | None = None) -> dict[str, float]:
    """What a job holds while it runs, of all its workers or of so many."""
    needs = job.resources
    count = needs.workers if workers is None else workers
    return {"CPU": needs.cpus * count, "GPU": needs.gpus * count, "memory": needs.memory * count}
