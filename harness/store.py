"""The run store: a folder with everything a run has found. The one file that knows its layout.

    runs/<name>/
      suite.yaml            the suite as it was run, paths absolute
      plan.json             jobs and cells of the last `run`
      driver.lock           held (flock) by the driver that is at work
      search/               what `aubench tune` makes (harness/search/records.py)
      report/  wandb/  tracking.log   what reports and the W&B mirror make of the rest
      ray.log               what Ray had to say of workers that died
      running/<key>.json    which process works on a job, since when
      failed/<key>.json     what a job raised, with its traceback
      lost/<key>.json       attempts at a job that were lost to the cluster, and why
      jobs/<key>.partial/   a job at work: checkpoints, history; survives a crash
      jobs/<key>/           a finished job: job.json, result.json, scores.parquet, history.jsonl,
                            model/, and what else its training left for reports; for a study
                            study.json and study.npz in place of scores and model

A finished job is put in place by one rename, so it is there whole or not at all, and nobody needs a
database. A feature or a dataset is finished when its file or folder stands at its own place.

A run on object storage (`harness.remote_run`) has the same files under the same names, and in
``folder`` a copy of them on this machine; ``harness.runs.open_run`` gives the store of either kind.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Literal

from harness.data.places import dataset_stands, feature_stands
from harness.errors import UserError
from harness.lease import file_lock, file_lock_held
from harness.plan.jobs import PLAN_VERSION, Job, Plan
from harness.results import JobResults, file_digest, read_json

DRIVER = "driver.lock"
RECORDS = ("running", "failed", "lost")  # folders of one small file a job
OWN = {DRIVER, "ray.log", "jobs", *RECORDS, "suite.yaml"}  # may stand there before a plan does
IN_RUN = ("stage", "cell", "study")  # kinds of jobs whose results stand in the run folder
LEFT_BEHIND = ("*.parquet", "*.npz", "study.json")  # files of a job whose digests are kept
State = Literal["done", "running", "failed", "blocked", "waiting"]


class RunStore(JobResults):
    """Paths, states and records of one run folder.

    Attributes:
        folder: where the files stand on this machine.
        everywhere: whether every node of a cluster works in that same folder.
    """

    everywhere = True

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder).absolute()

    @property
    def address(self) -> str:
        """By which any node opens this run."""
        return str(self.folder)

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
        """Writes the frozen suite (``suite_text``) and the plan; what earlier plans finished
        stays."""
        self.check_place()
        for name in ("jobs", *RECORDS):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        for name, text in (
            ("suite.yaml", suite_text),
            ("plan.json", json.dumps(plan.to_json()) + "\n"),
        ):
            file = self.folder / name
            if not file.is_file() or file.read_text(encoding="utf-8") != text:
                write_text(file, text)

    def changed_since(self, file: Path) -> bool:
        """Whether a job has ended, or the plan or suite has changed, since that file was
        written."""
        if not file.is_file():
            return True
        names = ("plan.json", "suite.yaml", "jobs", "failed")
        parts = [part for part in (self.folder / name for name in names) if part.exists()]
        return max(part.stat().st_mtime_ns for part in parts) > file.stat().st_mtime_ns

    def check_writable(self) -> None:
        """Makes the folder and writes a file into it.

        Raises:
            UserError: it holds something else, or cannot be made or written to, and why.
        """
        self.check_place()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.folder):
                pass
        except OSError as error:
            reason = error.strerror or str(error)
            raise UserError(
                f"cannot write to the run folder {self.folder}: {reason}; give another --out"
            ) from error

    def refresh(self) -> None:
        """Brings ``folder`` up to what stands at the address, models left out."""

    def publish(self, name: str) -> str:
        """Puts a folder that was made in ``folder`` (``report``) beside the run; returns where."""
        return str(self.folder / name)

    def _foreign(self) -> Iterator[str]:
        names = (path.name for path in self.folder.iterdir())
        return (name for name in names if name not in OWN and not name.startswith(".aubench-"))

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

    def driver_lock(self) -> AbstractContextManager[None]:
        """Held while a driver is at work; a second driver is refused and told who holds it."""
        return file_lock(self.folder / DRIVER)

    def driver_at_work(self) -> bool:
        """Whether a driver holds this run right now."""
        return file_lock_held(self.folder / DRIVER)

    # --- states -------------------------------------------------------------------------------

    def is_done(self, job: Job) -> bool:
        """Whether a job's result stands at its place."""
        if job.kind == "dataset":
            return dataset_stands(job.spec["folder"])
        if job.kind == "feature":
            return feature_stands(job.spec["dataset"], job.spec["name"])
        return (self._place(job.key) / "result.json").is_file()

    def states(self, plan: Plan) -> dict[str, State]:
        """State of every job of a plan, in plan order (needs come before those who need them)."""
        running = self._keys("running") if self.driver_at_work() else set()
        failed = self._keys("failed")
        finished = self._done_keys()
        states: dict[str, State] = {}
        for key, job in plan.jobs.items():
            done = key in finished if job.kind in IN_RUN else self.is_done(job)
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

    def _done_keys(self) -> set[str]:
        return self._finished()

    def _finished(self) -> set[str]:
        path = self.folder / "jobs"
        return {n for n in os.listdir(path) if "." not in n} if path.is_dir() else set()

    # --- one job ------------------------------------------------------------------------------

    def job_folder(self, key: str) -> Path:
        """Where a finished job stands."""
        return self._place(key)

    def size(self, key: str) -> int:
        """Bytes of what a finished job left, its model and all."""
        files = (path for path in self._place(key).rglob("*") if path.is_file())
        return sum(path.stat().st_size for path in files)

    def model(self, key: str) -> Path:
        """Where the model of a finished job stands."""
        return self._place(key) / "model"

    def _place(self, key: str) -> Path:
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

    def training_place(self, key: str) -> tuple[str, Any]:
        """Where Ray Train keeps what is its own: a path, and its file system (None: local)."""
        return str(self.partial_folder(key) / "train"), None

    @contextmanager
    def keeping_checkpoints(self, key: str) -> Iterator[None]:
        """For the length of a training: its checkpoints outlive its process."""
        yield

    def mark_running(self, job: Job, group: str = "") -> None:
        """Says that this process, the first of a ``group`` of workers, works on the job."""
        write_text(self.folder / "running" / f"{job.key}.json", json.dumps(running_record(group)))

    def commit(
        self, job: Job, work: Path, record: Mapping[str, Any], result: Mapping[str, Any]
    ) -> None:
        """Puts a finished job in its place, whole, by one rename: what is in ``work``, with
        ``record`` as ``job.json`` and ``result`` as ``result.json``."""
        self._seal(work, record, result)
        self._put_in_place(job.key, work)
        self.clear(job.key)

    def _seal(self, work: Path, record: Mapping[str, Any], result: Mapping[str, Any]) -> None:
        """Leaves in a job's folder what is to stay, with its record and its result."""
        for name in ("checkpoint", "checkpoint.old", "train"):
            shutil.rmtree(work / name, ignore_errors=True)
        left = sorted(path for pattern in LEFT_BEHIND for path in work.glob(pattern))
        files = {path.name: file_digest(path) for path in left}
        write_text(work / "job.json", json.dumps(record, indent=1) + "\n")
        write_text(work / "result.json", json.dumps({**result, "files": files}, indent=1) + "\n")
        (work / "worker.lock").unlink(missing_ok=True)

    def _put_in_place(self, key: str, work: Path) -> None:
        target = self._place(key)
        if (target / "result.json").is_file():  # another driver's orphan was faster: same result
            shutil.rmtree(work)
        else:
            work.rename(target)

    def clear(self, key: str) -> None:
        """Forgets that a job was running or had failed."""
        for folder in ("running", "failed"):
            (self.folder / folder / f"{key}.json").unlink(missing_ok=True)

    def forget_running(self, job: Job) -> None:
        """Forgets that a job was running that leaves nothing in the run."""
        (self.folder / "running" / f"{job.key}.json").unlink(missing_ok=True)

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
        """Keeps the ``failure`` of a job: ``error`` (one line), ``traceback``, ``seconds``."""
        (self.folder / "running" / f"{job.key}.json").unlink(missing_ok=True)
        record = {"title": job.title, "host": socket.gethostname(), "at": time.time(), **failure}
        write_text(self.folder / "failed" / f"{job.key}.json", json.dumps(record, indent=1) + "\n")

    def record_loss(self, job: Job, reason: str, detail: str = "") -> None:
        """Counts an attempt that was lost: its worker or node died, or it ran out of memory."""
        (self.folder / "running" / f"{job.key}.json").unlink(missing_ok=True)
        file = self.folder / "lost" / f"{job.key}.json"
        record = read_json(file) or {"title": job.title, "lost": []}
        record["lost"].append({"reason": reason, "at": time.time(), "detail": detail})
        write_text(file, json.dumps(record) + "\n")

    def losses(self) -> dict[str, list[str]]:
        """Why attempts were lost, in the order in which they were, for each job that lost any."""
        found = {}
        for key in sorted(self._keys("lost")):
            record = read_json(self.folder / "lost" / f"{key}.json") or {"lost": []}
            found[key] = [str(entry["reason"]) for entry in record["lost"]]
        return found

    def running_keys(self) -> set[str]:
        """Jobs that a worker has begun and not ended."""
        return self._keys("running")

    def failure(self, key: str) -> dict[str, Any] | None:
        """What a job raised when it last failed, or None."""
        return read_json(self.folder / "failed" / f"{key}.json")

    def running(self, key: str) -> dict[str, Any] | None:
        """Which process works on a job: ``pid``, ``host``, ``since``."""
        return read_json(self.folder / "running" / f"{key}.json")


def running_record(group: str) -> dict[str, Any]:
    """What is kept of a process that works on a job."""
    record = {"pid": os.getpid(), "host": socket.gethostname(), "since": time.time()}
    return record | ({"group": group} if group else {})


def write_text(file: Path, text: str) -> None:
    """Writes aside and renames into place."""
    aside = file.with_name(f"{file.name}.{os.getpid()}.part")
    try:
        aside.write_text(text, encoding="utf-8")
        aside.replace(file)
    except OSError:  # the disk is full, say
        aside.unlink(missing_ok=True)
        raise
