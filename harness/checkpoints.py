"""Checkpoints of a training on object storage, so that another node can go on from them.

The context keeps a checkpoint in the job's folder on its node (`harness.context`), renamed into
place, the newest only. Here a thread looks now and then; where the checkpoint is new it is uploaded
with the history that belongs to it, under a number of its own, and then named as the latest. What
is named is therefore whole.
"""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.storage import RemoteFolder, StorageError

EVERY_SECONDS = 60.0
LATEST = "latest.json"
HISTORY = "history.jsonl"


class RemoteCheckpoints:
    """The uploaded checkpoints of one job."""

    def __init__(self, remote: RemoteFolder, every: float = EVERY_SECONDS) -> None:
        self.remote = remote
        self.every = every
        self._number = 0
        self._sent = (0, 0)

    @contextmanager
    def following(self, work: Path) -> Iterator[None]:
        """Begins with the latest where ``work`` has none; uploads new ones until the end."""
        self.restore(work)
        stop = threading.Event()
        thread = threading.Thread(target=self._follow, args=(work, stop), daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def restore(self, work: Path) -> None:
        """Brings the latest checkpoint into a job's folder that has none, whole or not at all."""
        if any((work / name).exists() for name in ("checkpoint", "checkpoint.old", "model")):
            return
        data = self.remote.read(LATEST)
        if data is None:
            return
        number = int(json.loads(data)["number"])
        aside = work / "checkpoint.fetching"
        shutil.rmtree(aside, ignore_errors=True)
        names = self.remote.listing(f"{number}/checkpoint", deep=True)
        self.remote.fetch({f"{number}/checkpoint/{name}": aside / name for name in names})
        try:
            self.remote.fetch({f"{number}/{HISTORY}": work / HISTORY})
        except FileNotFoundError:
            (work / HISTORY).write_text("", encoding="utf-8")
        aside.rename(work / "checkpoint")
        self._number = number

    def forget(self) -> None:
        """Deletes all that was uploaded: the job is finished."""
        self.remote.delete(self.remote.listing(deep=True))

    def keep(self, work: Path) -> bool:
        """Uploads the checkpoint of a job's folder if it is a new one."""
        checkpoint = work / "checkpoint"
        try:
            stamp = _stamp(checkpoint)
            if stamp == self._sent:
                return False
            number = self._number + 1
            files = {
                f"{number}/checkpoint/{path.relative_to(checkpoint).as_posix()}": path
                for path in checkpoint.rglob("*")
                if path.is_file()
            }
            if (work / HISTORY).is_file():
                files[f"{number}/{HISTORY}"] = work / HISTORY
            self.remote.send(files)
            if _stamp(checkpoint) != stamp:
                return False  # a newer one took its place meanwhile; that is for the next look
        except FileNotFoundError:
            return False
        self.remote.write(LATEST, json.dumps({"number": number}).encode())
        before = self.remote.listing(str(self._number), deep=True) if self._number else {}
        self.remote.delete(f"{self._number}/{name}" for name in before)
        self._number, self._sent = number, stamp
        return True

    def _follow(self, work: Path, stop: threading.Event) -> None:
        while not stop.wait(self.every):
            try:
                self.keep(work)
            except StorageError:
                continue  # the training goes on; the next look tries again


def _stamp(folder: Path) -> tuple[int, int]:
    """Tells one checkpoint from the next that takes its place."""
    found = folder.stat()
    return found.st_ino, found.st_mtime_ns
