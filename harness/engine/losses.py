"""What a job's end says: a fault of its own, or an attempt that was lost to the cluster.

A lost attempt is made again, a bounded number of times for each reason: a job whose worker dies may
itself be what kills it (it runs out of memory, it crashes in native code), while a node that is
taken away says nothing about the jobs that were on it. Ray itself retries nothing here, so that
every lost attempt is counted and recorded.
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import Any

import ray.exceptions

from harness.tracking.mode import redacted

RETRIES = {"worker died": 2, "out of memory": 2, "node died": 10}
HOUSE = re.escape(str(Path(__file__).parents[2]))
_INSTALLED = re.compile(
    rf"^<|/(site|dist)-packages/|/lib/python3|^{HOUSE}/(harness|baselines|hybrid|sampling|reports)/"
)
ANSI_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def loss(error: BaseException) -> str | None:
    """Why an attempt was lost: a key of ``RETRIES``; None if the job itself raised."""
    cause = root_cause(error)
    if isinstance(cause, ray.exceptions.OutOfMemoryError):
        return "out of memory"
    if isinstance(cause, ray.exceptions.NodeDiedError | ray.exceptions.ObjectLostError):
        return "node died"
    if isinstance(cause, ray.exceptions.RayActorError):  # of a group of workers
        if "creation task" in str(cause):  # it could not even be started: what it needs is missing
            return None
        return "node died" if "node" in str(cause) and "died" in str(cause) else "worker died"
    if isinstance(cause, ray.exceptions.WorkerCrashedError):
        return "worker died"
    return None


def may_retry(reasons: Sequence[str]) -> bool:
    """Whether a job may be tried again after it was lost for ``reasons``, the latest last."""
    return reasons.count(reasons[-1]) <= RETRIES[reasons[-1]]


def describe_loss(reasons: Sequence[str]) -> dict[str, Any]:
    """The failure of a job that was lost too often."""
    times = reasons.count(reasons[-1])
    said = {
        "worker died": "its worker process died",
        "out of memory": "it was stopped because its node ran out of memory",
        "node died": "its node died",
    }[reasons[-1]]
    hint = "; give it more with `resources: {memory: …}`" if "memory" in reasons[-1] else ""
    return {"error": f"{said}, {times} times{hint}", "traceback": ""}


def describe_failure(error: BaseException) -> dict[str, Any]:
    """One line and a traceback for what a job raised."""
    cause = root_cause(error)
    line = next((text for text in str(cause).splitlines() if text.strip()), type(cause).__name__)
    name = type(cause).__name__
    trace = ANSI_COLOURS.sub("", str(error)) or "".join(traceback.format_exception(error))
    said = line.strip() if name == "UserError" else f"{name}: {line.strip()}{_place(trace)}"
    return {"error": redacted(said), "traceback": redacted(trace)}


def _place(trace: str) -> str:
    """Of a traceback, the last line of code that is neither aubench's nor a library's."""
    calls = re.findall(r'File "([^"]+)", line (\d+)', trace)
    own = [(file, line) for file, line in calls if not _INSTALLED.search(file)]
    return f" ({PurePath(own[-1][0]).name}:{own[-1][1]})" if own else ""


def describe_limit(seconds: float) -> dict[str, Any]:
    """The failure of a job that was stopped because it took too long."""
    for unit, size in (("hour", 3600.0), ("minute", 60.0), ("second", 1.0)):
        if seconds >= size or unit == "second":
            amount = seconds / size
            break
    many = "" if amount == 1 else "s"
    return {"error": f"over its time limit of {amount:g} {unit}{many}", "traceback": ""}


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
