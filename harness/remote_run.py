"""A run on object storage: the same files under the same names, and a copy of them on each machine.

A job works in a folder of its node. Its commit uploads every file of it, ``result.json`` after all
others, and then writes ``done/<key>``, which is what makes the job finished: nothing is read of a
job that has no such mark, and who has finished is one listing, whatever its jobs left behind. In
``folder`` (in the cache of this machine) stands a copy that is a run folder like any other, models
left out: reports and the W&B mirror read it and need not know where it came from. While a driver
is at work, a thread keeps that copy up to date.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from harness.checkpoints import RemoteCheckpoints
from harness.data.cache import cache_folder
from harness.errors import UserError
from harness.lease import Lease, file_lock
from harness.plan.jobs import Job, Plan, digest
from harness.run_copy import SMALL, RunCopy
from harness.storage import RemoteFolder, StorageError, last_name
from harness.store import DRIVER, IN_RUN, OWN, RECORDS, RunStore, State, running_record

DONE, DRIVERS, CHECKPOINTS = "done", "drivers", "checkpoints"


class RemoteRun(RunStore):
    """A run store on object storage; ``folder`` is this machine's copy."""

    everywhere = False

    def __init__(self, address: str) -> None:
        self.remote = RemoteFolder(address, patient=False)  # until there is work to lose
        name = f"{last_name(self.remote.address)}-{digest(self.remote.address)[:10]}"
        super().__init__(cache_folder() / "runs" / name)
        self._done: set[str] = set()
        self.copy = RunCopy(self.remote, self.folder, RECORDS)

    @property
    def address(self) -> str:
        """By which any node opens this run."""
        return self.remote.address

    # --- the run as a whole -------------------------------------------------------------------

    @property
    def exists(self) -> bool:
        """Whether a run was ever begun there."""
        self.copy.bring_small()
        return super().exists

    def check_place(self) -> None:
        """Refuses a place that holds something else than a run."""
        if self.exists:
            return
        own = OWN | {DONE, DRIVERS, CHECKPOINTS}
        if {*self.remote.listing(), *self.remote.folders()} - own:
            raise UserError(
                f"{self.remote.where()} holds other files and is not a run: give another --out"
            )

    def check_writable(self) -> None:
        """Writes, reads and deletes an object, and a file of this machine's copy."""
        self.remote.check_writable()  # first: it is not patient
        super().check_writable()

    def begin(self, plan: Plan, suite_text: str) -> None:
        """Writes the frozen suite and the plan; what earlier plans finished stays."""
        super().begin(plan, suite_text)
        self.remote.send({name: self.folder / name for name in SMALL})

    @contextmanager
    def driver_lock(self) -> Iterator[None]:
        """Held while a driver is at work; a second driver is refused and told who holds it."""
        with Lease(self.remote.child(DRIVERS)).held(), file_lock(self.folder / DRIVER):
            self.remote.patient = True
            self.copy.settle()
            with self.copy.following(self._listed):
                yield

    def driver_at_work(self) -> bool:
        """Whether a driver holds this run right now."""
        return Lease(self.remote.child(DRIVERS)).holder() is not None

    def refresh(self) -> None:
        """Brings this machine's copy up to date: records, and finished jobs without models."""
        self.copy.refresh(self._listed)

    def _listed(self) -> set[str]:
        """Who has finished: one listing, a request a thousand."""
        return set(self.remote.listing(DONE))

    def publish(self, name: str) -> str:
        """Uploads a folder that was made in the copy (``report``); returns where it stands."""
        made = self.folder / name
        files = [path for path in made.rglob("*") if path.is_file()]
        self.remote.send({f"{name}/{p.relative_to(made).as_posix()}": p for p in files})
        return self.remote.where(name)

    # --- states -------------------------------------------------------------------------------

    def is_done(self, job: Job) -> bool:
        """Whether a job's result stands at its place."""
        return (
            self.remote.exists(f"{DONE}/{job.key}") if job.kind in IN_RUN else super().is_done(job)
        )

    def states(self, plan: Plan) -> dict[str, State]:
        """State of every job of a plan; a listing for each kind of record."""
        with self.copy.lock:
            self.copy.sync_records()
            self._done = self._listed()
            return super().states(plan)

    def _done_keys(self) -> set[str]:
        return self._done

    def losses(self) -> dict[str, list[str]]:
        """Why attempts were lost, for each job that lost any."""
        self.copy.sync_records()
        return super().losses()

    # --- one job ------------------------------------------------------------------------------

    def job_folder(self, key: str) -> Path:
        """Where this machine's copy of a finished job stands, brought here if it is not."""
        here = (self._place(key) / "result.json").is_file()
        if not here and self.remote.exists(f"{DONE}/{key}"):
            self.copy.fetch_job(key)
        return self._place(key)

    def model(self, key: str) -> Path:
        """Where this machine's copy of a finished job's model stands, brought here if it is not."""
        folder = self.job_folder(key) / "model"
        if not folder.is_dir():
            with self.copy.one_at_a_time(f"{key}.model"):
                if not folder.is_dir():
                    self.copy.fetch_folder(f"jobs/{key}/model", folder)
        return folder

    @contextmanager
    def work_folder(self, job: Job) -> Iterator[Path]:
        """The folder of this node in which a job works. After a crash it is gone on with, here or,
        from the last checkpoint that was uploaded, on another node; after an error it is not."""
        self.remote.patient = True
        with super().work_folder(job) as work:
            try:
                yield work
            except (StorageError, OSError, MemoryError):
                raise
            except Exception:
                shutil.rmtree(work, ignore_errors=True)
                raise

    def training_place(self, key: str) -> tuple[str, Any]:
        """Where Ray Train keeps what is its own; every node must see it."""
        filesystem, path = self.remote.opened
        return f"{path}/{CHECKPOINTS}/{key}/train", filesystem

    @contextmanager
    def keeping_checkpoints(self, key: str) -> Iterator[None]:
        """For the length of a training: its checkpoints are uploaded now and then, and a node that
        has none begins with the last that was."""
        with self.checkpoints(key).following(self.partial_folder(key)):
            yield

    def checkpoints(self, key: str) -> RemoteCheckpoints:
        """The uploaded checkpoints of a job."""
        return RemoteCheckpoints(self.remote.child(f"{CHECKPOINTS}/{key}"))

    def mark_running(self, job: Job, group: str = "") -> None:
        """Says that this process, the first of a ``group`` of workers, works on the job."""
        self.remote.patient = True
        self.remote.write(f"running/{job.key}.json", json.dumps(running_record(group)).encode())

    def commit(
        self, job: Job, work: Path, record: Mapping[str, Any], result: Mapping[str, Any]
    ) -> None:
        """Uploads a finished job; it is finished once its mark stands, which is written last."""
        self._seal(work, record, result)
        files = {p.relative_to(work).as_posix(): p for p in work.rglob("*") if p.is_file()}
        last = files.pop("result.json")
        there = self.remote.child(f"jobs/{job.key}")
        there.send(files)
        there.send({"result.json": last})
        self.remote.write(f"{DONE}/{job.key}", b"")
        self.checkpoints(job.key).forget()
        with self.copy.one_at_a_time(job.key):
            self._put_in_place(job.key, work)
        self.remote.delete([f"running/{job.key}.json"])
        super().clear(job.key)

    def forget_running(self, job: Job) -> None:
        """Forgets that a job was running that leaves nothing in the run."""
        super().forget_running(job)
        self.remote.delete([f"running/{job.key}.json"])

    def forget_failures(self) -> None:
        """Whatever failed is tried again from its beginning."""
        with self.copy.lock:
            self.copy.sync_records()
            failed = self._keys("failed")
            super().forget_failures()
            self.remote.delete(f"failed/{key}.json" for key in failed)

    def clear_running(self) -> None:
        """Forgets what a killed driver left marked as running."""
        with self.copy.lock:
            self.copy.sync_records()
            self.remote.delete(f"running/{key}.json" for key in self._keys("running"))
            super().clear_running()

    def record_failure(self, job: Job, failure: Mapping[str, Any]) -> None:
        """Keeps what a job raised."""
        with self.copy.lock:
            super().record_failure(job, failure)
            self._send("failed", job.key)
            self.remote.delete([f"running/{job.key}.json"])

    def record_loss(self, job: Job, reason: str, detail: str = "") -> None:
        """Counts an attempt that was lost."""
        with self.copy.lock:
            super().record_loss(job, reason, detail)
            self._send("lost", job.key)
            self.remote.delete([f"running/{job.key}.json"])

    def _send(self, folder: str, key: str) -> None:
        name = f"{folder}/{key}.json"
        self.remote.send({name: self.folder / name})
