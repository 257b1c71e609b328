"""What the mirror reads of a run folder while others write to it: who is at work, who has ended.

Reading only, in a fresh look at every call; a file that is half written is read as far as it goes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import UserError
from harness.plan.jobs import Job, Plan
from harness.store import RunStore
from harness.tracking.mode import redacted
from harness.tracking.trials import EndedTrial, ended_trials


@dataclass(frozen=True, kw_only=True)
class Ended:
    """A job that is done or has failed; ``mark`` tells this ending from an earlier one."""

    job: Job
    state: str
    mark: str
    summary: dict[str, Any]
    environment: dict[str, Any]


class RunFolder:
    """The cells and stages of a run, as W&B is to see them."""

    def __init__(self, store: RunStore) -> None:
        self.store = store
        self.plan: Plan = store.plan()
        self._tracked = {
            key: job for key, job in self.plan.jobs.items() if job.kind in ("stage", "cell")
        }

    def done(self) -> list[str]:
        """Keys of finished jobs, in plan order."""
        found = self._names(self.store.folder / "jobs", "")
        return [key for key in self._tracked if key in found]

    def failed(self) -> list[str]:
        """Keys of failed jobs, in plan order."""
        found = self._names(self.store.folder / "failed", ".json")
        return [key for key in self._tracked if key in found]

    def at_work(self) -> list[str]:
        """Keys of jobs that a worker has begun and not ended, in plan order."""
        found = self._names(self.store.folder / "running", ".json")
        done = self._names(self.store.folder / "jobs", "")
        return [key for key in self._tracked if key in found and key not in done]

    def ended(self, key: str) -> Ended | None:
        """How a job has ended; None if it is at work again or its files cannot be read."""
        job = self._tracked[key]
        failure = self.store.failure(key)
        if failure is not None:
            summary = {"state": "failed", "error": redacted(str(failure.get("error", "no record")))}
            return Ended(
                job=job,
                state="failed",
                mark=f"failed {failure.get('at', '')}",
                summary=summary,
                environment={"host": failure.get("host", "")},
            )
        try:
            result, record = self.store.result(key), self.store.record(key)
        except UserError:
            return None
        started = result.get("cost", {}).get("started", "")
        return Ended(
            job=job,
            state="done",
            mark=f"done {started}",
            summary={"state": "done", **{k: v for k, v in result.items() if k != "files"}},
            environment=dict(record.get("environment", {})),
        )

    def history(self, key: str) -> list[dict[str, float]]:
        """Rows that a training has reported so far, oldest first, up to the first unreadable one;
        of a finished job or of one at work."""
        for folder in (self.store.job_folder(key), self.store.partial_folder(key)):
            try:
                text = (folder / "history.jsonl").read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError):
                continue
            return list(_rows(text))
        return []

    def trials(self, group: str) -> list[EndedTrial]:
        """Trials of the run's search that have ended."""
        return ended_trials(self.store, self.plan, group)

    def report(self) -> tuple[Path, str] | None:
        """The folder of the report and a digest of what it says, if there is one."""
        folder = self.store.folder / "report"
        try:
            said = (folder / "report.json").read_bytes()
        except OSError:
            return None
        return folder, hashlib.blake2b(said, digest_size=10).hexdigest()

    def _names(self, folder: Path, ending: str) -> set[str]:
        try:
            names = [path.name for path in folder.iterdir()]
        except OSError:
            return set()
        if ending:
            return {name.removesuffix(ending) for name in names if name.endswith(ending)}
        return {name for name in names if "." not in name}


def _rows(text: str) -> Iterator[dict[str, float]]:
    for line in text.splitlines(keepends=True):
        if not line.endswith("\n"):
            return  # still being written
        try:
            row = json.loads(line)
        except json.JSONDecodeError:
            return
        if not isinstance(row, dict):
            return
        yield row
