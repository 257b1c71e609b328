"""The run store: a folder with everything a run has found. The one file that knows its layout.

    runs/<name>/
      suite.yaml            the suite as it was run, paths absolute
      plan.json             jobs and cells of the last `run`
      driver.lock           held (flock) by the driver that is at work
      report/  wandb/  tracking.log   what reports and the W&B mirror make of the rest
      ray.log               what Ray had to say of workers that died
      running/<key>.json    which process works on a job, since when
      failed/<key>.json     what a job raised, with its traceback
      jobs/<key>.partial/   a job at work: checkpoints, history; survives a crash
      jobs/<key>/           a finished job: job.json, result.json, scores.parquet, history.jsonl,
                            model/, and what else its training left for reports

A finished job is put in place by one rename, so it is there whole or not at all, and nobody needs a
database. A feature or a dataset is finished when its file or folder stands at its own place.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from harness.errors import UserError
from harness.plan.jobs import PLAN_VERSION, Job, Plan

if TYPE_CHECKING:
    import pandas as pd

State = Literal["done", "running", "failed", "blocked", "waiting"]


class RunStore:
    """Paths, states and records of one run folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder).absolute()

    # --- the run as a whole -------------------------------------------------------------------

    @property
    def exists(self) -> bool:
        """Whether a run was ever begun here."""
        return (self.folder / "plan.json").is_file()

    def check_place(self) -> None:
        """Refuses a place that holds something else than a run."""
        if self.folder.exists() and not self.folder.is_dir():
            raise UserError(f"{self.folder} is a file, not a run folder: give another --out")
        if self.folder.is_dir() and not self.exists and any(self._foreign()):
            raise UserError(
                f"{self.folder} holds other files and is not a run folder: give another --out"
            )

    def begin(self, plan: Plan, suite_text: str) -> None:
        """Writes the frozen suite and the plan; what earlier plans finished stays."""
        self.check_place()
        for name in ("jobs", "running", "failed"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        write_text(self.folder / "suite.yaml", suite_text)
        file, text = self.folder / "plan.json", json.dumps(plan.to_json()) + "\n"
        if not file.is_file() or file.read_text(encoding="utf-8") != text:
            write_text(file, text)

    def changed_since(self, file: Path) -> bool:
        """Whether a job has ended, or the plan has changed, since that file was written."""
        if not file.is_file():
            return True
        parts = [self.folder / name for name in ("plan.json", "jobs", "failed")]
        return max(part.stat().st_mtime_ns for part in parts) > file.stat().st_mtime_ns

    def _foreign(self) -> Iterator[Path]:
        own = {"driver.lock", "ray.log", "jobs", "running", "failed", "suite.yaml"}
        return (path for path in self.folder.iterdir() if path.name not in own)

    def plan(self) -> Plan:
        """The plan of the last ``run``."""
        if not self.exists:
            raise UserError(f"{self.folder} holds no run: it has no plan.json")
        try:
            data = json.loads((self.folder / "plan.json").read_text(encoding="utf-8"))
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            raise UserError(f"{self.folder / 'plan.json'} is damaged: {error}") from error
        if data.get("plan_version") != PLAN_VERSION:
            raise UserError(
                f"{self.folder / 'plan.json'} has version {data.get('plan_version')}, this aubench "
                f"reads version {PLAN_VERSION}: use the aubench that made the run, or run it again"
            )
        return Plan.from_json(data)

    @contextmanager
    def driver_lock(self) -> Iterator[None]:
        """Held while a driver is at work; a second driver is refused and told who holds it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "driver.lock").open("a+", encoding="utf-8") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.seek(0)
                holder = lock.read().strip() or "another process"
                raise UserError(
                    f"{self.folder} is being run by {holder}: wait for it, or stop it first"
                ) from None
            lock.truncate(0)
            lock.write(f"process {os.getpid()} on {socket.gethostname()}")
            lock.flush()
            yield

    def driver_at_work(self) -> bool:
        """Whether a driver holds this run right now."""
        file = self.folder / "driver.lock"
        if not file.exists():
            return False
        with file.open("a+", encoding="utf-8") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    # --- states -------------------------------------------------------------------------------

    def is_done(self, job: Job) -> bool:
        """Whether a job's result stands at its place."""
        if job.kind == "dataset":
            return (Path(job.spec["folder"]) / "dataset.json").is_file()
        if job.kind == "feature":
            return feature_file(job).is_file()
        return (self.job_folder(job.key) / "result.json").is_file()

    def states(self, plan: Plan) -> dict[str, State]:
        """State of every job of a plan, in plan order (needs come before those who need them)."""
        running = self._keys("running") if self.driver_at_work() else set()
        failed = self._keys("failed")
        finished = self._finished()
        states: dict[str, State] = {}
        for key, job in plan.jobs.items():
            done = key in finished if job.kind in ("stage", "cell") else self.is_done(job)
            if done:
                states[key] = "done"
            elif key in running:
                states[key] = "running"
            elif key in failed:
                states[key] = "failed"
            elif any(states.get(need) in ("failed", "blocked") for need in job.needs):
                states[key] = "blocked"
            else:
                states[key] = "waiting"
        return states

    def _keys(self, folder: str) -> set[str]:
        path = self.folder / folder
        return (
            {name[:-5] for name in os.listdir(path) if name.endswith(".json")}
            if path.is_dir()
            else set()
        )

    def _finished(self) -> set[str]:
        path = self.folder / "jobs"
        return {n for n in os.listdir(path) if "." not in n} if path.is_dir() else set()

    # --- one job ------------------------------------------------------------------------------

    def job_folder(self, key: str) -> Path:
        """Where a finished job stands."""
        return self.folder / "jobs" / key

    def partial_folder(self, key: str) -> Path:
        """Where a job works until it is finished."""
        return self.folder / "jobs" / f"{key}.partial"

    @contextmanager
    def work_folder(self, job: Job) -> Iterator[Path]:
        """The folder in which a job works; locked against a second process, kept after a crash."""
        folder = self.partial_folder(job.key)
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "worker.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield folder

    def mark_running(self, job: Job) -> None:
        """Says that this process works on the job, for `status`."""
        record = {"pid": os.getpid(), "host": socket.gethostname(), "since": time.time()}
        write_text(self.folder / "running" / f"{job.key}.json", json.dumps(record))

    def commit(
        self, job: Job, work: Path, record: Mapping[str, Any], result: Mapping[str, Any]
    ) -> None:
        """Puts a finished job in its place, whole, by one rename."""
        for name in ("checkpoint", "checkpoint.old", "train"):
            shutil.rmtree(work / name, ignore_errors=True)
        files = {p.name: file_digest(p) for p in sorted(work.glob("*.parquet"))}
        write_text(work / "job.json", json.dumps(record, indent=1) + "\n")
        write_text(work / "result.json", json.dumps({**result, "files": files}, indent=1) + "\n")
        (work / "worker.lock").unlink(missing_ok=True)
        target = self.job_folder(job.key)
        if (
            target / "result.json"
        ).is_file():  # another driver's orphan was faster: same key, same result
            shutil.rmtree(work)
        else:
            work.rename(target)
        self.clear(job.key)

    def clear(self, key: str) -> None:
        """Forgets that a job was running or had failed."""
        for folder in ("running", "failed"):
            (self.folder / folder / f"{key}.json").unlink(missing_ok=True)

    def forget_failures(self) -> None:
        """Whatever failed is tried again from its beginning: its cause may have been mended."""
        for key in self._keys("failed"):
            shutil.rmtree(self.partial_folder(key), ignore_errors=True)
            self.clear(key)

    def clear_running(self) -> None:
        """Forgets what a killed driver left marked as running."""
        for key in self._keys("running"):
            (self.folder / "running" / f"{key}.json").unlink(missing_ok=True)

    def record_failure(self, job: Job, failure: Mapping[str, Any]) -> None:
        """Keeps what a job raised: ``error`` (one line), ``traceback``, ``seconds``."""
        (self.folder / "running" / f"{job.key}.json").unlink(missing_ok=True)
        record = {"title": job.title, "host": socket.gethostname(), "at": time.time(), **failure}
        write_text(self.folder / "failed" / f"{job.key}.json", json.dumps(record, indent=1) + "\n")

    def failure(self, key: str) -> dict[str, Any] | None:
        """What a job raised when it last failed, or None."""
        return _read_json(self.folder / "failed" / f"{key}.json")

    def running(self, key: str) -> dict[str, Any] | None:
        """Which process works on a job: ``pid``, ``host``, ``since``."""
        return _read_json(self.folder / "running" / f"{key}.json")

    def result(self, key: str) -> dict[str, Any]:
        """``result.json`` of a finished job."""
        found = _read_json(self.job_folder(key) / "result.json")
        if found is None:
            raise UserError(
                f"{self.job_folder(key)} is not a finished job: its result.json is missing or "
                "damaged"
            )
        return found

    def record(self, key: str) -> dict[str, Any]:
        """``job.json`` of a finished job: its specification and provenance."""
        found = _read_json(self.job_folder(key) / "job.json")
        if found is None:
            raise UserError(f"{self.job_folder(key) / 'job.json'} is missing or damaged")
        return found

    def scores(self, key: str) -> pd.DataFrame:
        """Scores of a finished cell: part, subject, sequence, number, ``label_AU<n>`` int8 and
        ``score_AU<n>`` float32 columns; checked against the digest in its result."""
        import pandas as pd

        file = self.job_folder(key) / "scores.parquet"
        expected = self.result(key).get("files", {}).get(file.name)
        if not file.is_file() or file_digest(file) != expected:
            raise UserError(f"{file} is missing or damaged: remove {file.parent} and run again")
        return pd.read_parquet(file)

    def history(self, key: str) -> list[dict[str, float]]:
        """The rows that a training reported, oldest first."""
        file = self.job_folder(key) / "history.jsonl"
        if not file.is_file():
            return []
        return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def feature_file(job: Job) -> Path:
    """Where a feature job's array stands, inside its dataset."""
    return Path(job.spec["dataset"]) / "features" / f"{job.spec['name']}.npy"


def file_digest(file: Path) -> str:
    """blake2b of a file's bytes."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def write_text(file: Path, text: str) -> None:
    """Writes aside and renames into place."""
    aside = file.with_name(f"{file.name}.{os.getpid()}.part")
    aside.write_text(text, encoding="utf-8")
    aside.replace(file)


def _read_json(file: Path) -> dict[str, Any] | None:
    try:
        loaded: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    return loaded
