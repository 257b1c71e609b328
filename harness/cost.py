"""What a plan will cost: time and disk, from what earlier jobs took and left.

Every finished job adds a line to ``timings.jsonl`` in the cache. An estimate scales the median of
the same work's seconds a frame (the same method with the same options if there is one, else the
same method); work that was never timed is counted apart, never guessed. Disk of faces, features and
scores is known beforehand; what models take beside them is the median of what earlier ones took.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.data.cache import cache_folder
from harness.data.prepared import FACE_SIZE, NUM_LANDMARKS
from harness.plan.jobs import Job, Plan, digest
from harness.store import State

FACE_BYTES = FACE_SIZE * FACE_SIZE * 3 + NUM_LANDMARKS * 2 * 4
SCORE_BYTES = 6  # a label and a score, as they come out of parquet's compression


def record_timing(job: Job, seconds: float, size: int = 0) -> None:
    """Adds a finished job's seconds, and the bytes that it left, to the recorded timings."""
    exact, loose = _names(job)
    line = {"exact": exact, "loose": loose, "frames": job.num_frames, "seconds": round(seconds, 3)}
    line |= {"bytes": size} if size else {}
    file = timings_file()
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a", encoding="utf-8") as timings:
        timings.write(json.dumps(line) + "\n")


def timings_file() -> Path:
    """Where timings are recorded."""
    return cache_folder() / "timings.jsonl"


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What is still to be done: CPU and GPU hours, bytes on disk, the memory of the largest job
    (of all its workers), and jobs never timed so far."""

    jobs: int
    cpu_hours: float
    gpu_hours: float
    disk_bytes: int
    memory: int
    untimed: int


class Estimator:
    """Seconds and bytes of a job, from what was recorded on this machine or in this cache."""

    def __init__(self) -> None:
        self._rates, self._sizes = _recorded()

    def seconds(self, job: Job) -> float | None:
        """Expected seconds, or None if no such work was ever timed."""
        for name in _names(job):
            if name in self._rates:
                return self._rates[name] * max(job.num_frames, 1)
        return None

    def disk(self, job: Job) -> int:
        """Bytes that a job will leave: faces of a dataset, a feature, a cell's scores and model."""
        if job.kind == "dataset":
            return job.num_frames * FACE_BYTES
        if job.kind == "feature":
            return job.num_frames * int(job.spec.get("dimension", 0)) * 2
        for name in _names(job):
            if name in self._sizes:
                return int(self._sizes[name])
        return job.num_frames * SCORE_BYTES * len(job.spec["aus"]) if job.kind == "cell" else 0

    def cost(self, plan: Plan, states: Mapping[str, State]) -> Cost:
        """Cost of everything in the plan that is not done."""
        left = [job for key, job in plan.jobs.items() if states[key] != "done"]
        cpu = gpu = 0.0
        untimed = 0
        for job in left:
            seconds = self.seconds(job)
            if seconds is None:
                untimed += 1
            else:
                cpu += seconds * job.resources.cpus * job.resources.workers
                gpu += seconds * job.resources.gpus * job.resources.workers
        return Cost(
            jobs=len(left),
            cpu_hours=cpu / 3600,
            gpu_hours=gpu / 3600,
            disk_bytes=sum(self.disk(job) for job in left),
            memory=max((job.resources.memory * job.resources.workers for job in left), default=0),
            untimed=untimed,
        )


def _names(job: Job) -> tuple[str, str]:
    spec: Mapping[str, Any] = job.spec
    what = spec.get("method") or spec.get("study") or spec.get("extractor") or job.kind
    return f"{job.kind} {what} {digest(spec.get('options'))}", f"{job.kind} {what}"


def _recorded() -> tuple[dict[str, float], dict[str, float]]:
    """By name of the work: median seconds a frame, and median bytes that a job left."""
    rates: dict[str, list[float]] = {}
    sizes: dict[str, list[float]] = {}
    file = timings_file()
    lines = file.read_text(encoding="utf-8").splitlines()[-5000:] if file.is_file() else []
    for line in lines:
        try:
            entry = json.loads(line)
        except json.JSONDecodeError:
            continue  # a line cut short by a crash
        for name in (entry["exact"], entry["loose"]):
            rates.setdefault(name, []).append(entry["seconds"] / max(entry["frames"], 1))
            if "bytes" in entry:
                sizes.setdefault(name, []).append(entry["bytes"])
    return _medians(rates), _medians(sizes)


def _medians(lists: Mapping[str, list[float]]) -> dict[str, float]:
    return {name: statistics.median(values) for name, values in lists.items()}
