"""This machine's copy of a run on object storage: a run folder like any other, models left out.

Small files (suite, plan, records of jobs) are brought when a listing says that they are new, and
taken out when it no longer names them. Folders of finished jobs are brought once, each whole or not
at all, by one process of this machine at a time.
"""

from __future__ import annotations

import fcntl
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

from harness.errors import UserError
from harness.storage import AT_ONCE, Found, RemoteFolder

FOLLOW_SECONDS = 3.0
SMALL = ("plan.json", "suite.yaml")


class RunCopy:
    """Brings what stands at ``remote`` into ``folder``.

    Args:
        records: names of the folders of one small file a job.
        lock: held while the copy is changed; a store that writes into both holds it too.
    """

    def __init__(self, remote: RemoteFolder, folder: Path, records: Iterable[str]) -> None:
        self.remote = remote
        self.folder = folder
        self.records = tuple(records)
        self.lock = threading.RLock()
        self._seen: dict[str, dict[str, Found]] = {}

    def settle(self) -> None:
        """Makes the folders of the copy, as the first to write into it needs them."""
        for name in ("jobs", *self.records):
            (self.folder / name).mkdir(parents=True, exist_ok=True)

    def refresh(self, done: Callable[[], set[str]]) -> None:
        """Brings records and finished jobs; ``done`` lists who has finished."""
        with self.lock:
            self.bring_small()
            self.sync_records()
            here = self._jobs_here()  # before the listing: a job is put in place after its mark
            finished = done()
            for key in here - finished:
                shutil.rmtree(self.folder / "jobs" / key, ignore_errors=True)
            missing = sorted(finished - self._jobs_here())
            if missing:
                with ThreadPoolExecutor(min(AT_ONCE, len(missing))) as pool:
                    list(pool.map(self.fetch_job, missing))

    @contextmanager
    def following(self, done: Callable[[], set[str]]) -> Iterator[None]:
        """For the length of the block, a thread keeps the copy up to date, as often as is quick."""
        stop = threading.Event()

        def follow() -> None:
            pause = FOLLOW_SECONDS
            while not stop.wait(pause):
                begun = time.monotonic()
                with suppress(OSError, UserError):  # tried again soon; nothing is lost by it
                    self.refresh(done)
                pause = max(FOLLOW_SECONDS, 5 * (time.monotonic() - begun))

        thread = threading.Thread(target=follow, daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def _jobs_here(self) -> set[str]:
        return {path.name for path in (self.folder / "jobs").iterdir() if "." not in path.name}

    def sync_records(self) -> None:
        """Makes the copy's small files those that stand at the address."""
        with self.lock:
            self.settle()
            wanted: list[str] = []
            seen = {}
            for folder in self.records:
                there = self.remote.listing(folder)
                here = {path.name for path in (self.folder / folder).glob("*.json")}
                known = self._seen.get(folder, {})
                for name in here - set(there):
                    (self.folder / folder / name).unlink(missing_ok=True)
                for name, found in there.items():
                    if name not in here or known.get(name) != found:
                        wanted.append(f"{folder}/{name}")
                seen[folder] = there
            self._bring(wanted)
            self._seen |= seen

    def bring_small(self) -> None:
        """Brings suite and plan into the copy if they have changed."""
        there = self.remote.listing()
        known = self._seen.get("", {})
        self._bring(
            name
            for name in SMALL
            if name not in there
            or there[name] != known.get(name)
            or not (self.folder / name).is_file()
        )
        self._seen[""] = there

    def _bring(self, names: Iterable[str]) -> None:
        """Brings small objects into the copy; one that is gone is taken out of it."""

        def bring(name: str) -> None:
            try:
                self.remote.fetch({name: self.folder / name})
            except FileNotFoundError:
                (self.folder / name).unlink(missing_ok=True)

        chosen = list(names)
        if chosen:
            with ThreadPoolExecutor(min(AT_ONCE, len(chosen))) as pool:
                list(pool.map(bring, chosen))

    def fetch_job(self, key: str) -> None:
        """Brings a finished job without its model, unless it is here."""
        place = self.folder / "jobs" / key
        with self.one_at_a_time(key):
            if not (place / "result.json").is_file():
                self.fetch_folder(f"jobs/{key}", place, leave="model/")

    def fetch_folder(self, name: str, target: Path, leave: str = "\n") -> None:
        """Brings a folder, whole or not at all."""
        aside = target.with_name(f"{target.name}.fetching")
        shutil.rmtree(aside, ignore_errors=True)
        target.parent.mkdir(parents=True, exist_ok=True)
        there = [n for n in self.remote.listing(name, deep=True) if not n.startswith(leave)]
        self.remote.child(name).fetch({n: aside / n for n in there})
        if there:
            shutil.rmtree(target, ignore_errors=True)
            aside.rename(target)

    @contextmanager
    def one_at_a_time(self, name: str) -> Iterator[None]:
        """For one process of this machine at a time."""
        locks = self.folder / "locks"
        locks.mkdir(parents=True, exist_ok=True)
        with (locks / name).open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
