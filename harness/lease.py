"""Who drives a run: one driver at a time, on a file system and on object storage.

On a file system the lock is `flock`, which ends with its process. Object storage has no locks, but
a listing after a write names what was written; so a driver writes an object of its own, then looks
who else has one:

- whoever sees a *holder* is refused and told who it is;
- whoever sees another who is only *asking* takes its own object back, waits for a random moment and
  asks again: of two who ask at once, at least one sees the other, so never do both hold;
- a holder writes its object again every 10 s. One that has been silent for a minute has died, and
  whoever asks next takes over; a holder whose process is gone from this very machine needs no
  minute.

Ages are differences between times that the storage itself gave, so clocks need not agree. A holder
that was cut off for longer than its minute, and finds somebody else in its place, stops. Results do
not rest on this lock: a job that two drivers did has the same result.
"""

from __future__ import annotations

import _thread
import fcntl
import json
import os
import random
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import UserError
from harness.storage import RemoteFolder, StorageError

BEAT = 10.0  # seconds between two signs of life
EXPIRY = 60.0  # seconds of silence after which a holder counts as dead
ROUNDS = 5
LOOKS, LOOK = 20, 0.02  # tries at a lock file, and the seconds between them


@contextmanager
def file_lock(file: Path) -> Iterator[None]:
    """Holds a lock file for the length of the block; refused while another process holds it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a+", encoding="utf-8") as lock:
        for last in (*[False] * LOOKS, True):
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if last:
                    lock.seek(0)
                    raise _refusal(str(file.parent), lock.read().strip()) from None
                time.sleep(LOOK)  # somebody may only be looking whether it is held
        lock.truncate(0)
        lock.write(this_process())
        lock.flush()
        yield


def file_lock_held(file: Path) -> bool:
    """Whether some process holds a lock file right now."""
    if not file.exists():
        return False
    with file.open("rb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def this_process() -> str:
    """``"process 17 on host"``: how a holder is named."""
    return f"process {os.getpid()} on {socket.gethostname()}"


def _refusal(place: str, holder: str) -> UserError:
    return UserError(
        f"{place} is being run by {holder or 'another process'}: wait for it, or stop it first"
    )


@dataclass(frozen=True)
class _Claim:
    """Somebody's object: who it is, whether it holds or asks, and how long it has been silent."""

    name: str
    holder: str
    holds: bool
    silent: float
    gone: bool


class Lease:
    """The driver's lock of a run on object storage: objects in one small folder."""

    def __init__(self, folder: RemoteFolder, *, beat: float = BEAT, expiry: float = EXPIRY) -> None:
        self.folder = folder
        self.beat = beat
        self.expiry = expiry
        self._name = f"{secrets.token_hex(8)}.json"
        self._lost = ""

    def holder(self) -> str | None:
        """Who holds the lease right now, or None."""
        now = time.time()
        live = [claim for claim in self._claims(now) if claim.holds and not self._dead(claim)]
        return live[0].holder if live else None

    @contextmanager
    def held(self) -> Iterator[None]:
        """Holds the lease for the length of the block.

        Raises:
            UserError: somebody else holds it; or, out of the block, has taken it over after this
                process was cut off from the storage for longer than the lease lasts.
        """
        self._acquire()
        stop = threading.Event()
        thread = threading.Thread(target=self._beat_on, args=(stop,), daemon=True)
        thread.start()
        try:
            yield
        except KeyboardInterrupt:
            if self._lost:
                raise UserError(self._lost) from None
            raise
        finally:
            stop.set()
            thread.join()
            with suppress(StorageError):  # else it expires by itself
                self.folder.delete([self._name])

    def _acquire(self) -> None:
        for _ in range(ROUNDS):
            asked = time.monotonic()
            others = self._others()
            holding = [claim for claim in others if claim.holds]
            if holding:
                self.folder.delete([self._name])
                raise self._refused(holding[0])
            if not others:
                self._write(holds=True)
                if time.monotonic() - asked < self.expiry / 2:
                    return
                # Held up since it asked, it may have been taken for dead: it asks again.
            self.folder.delete([self._name])
            time.sleep(random.uniform(0.2, 2.0))
        raise _refusal(self.folder.where(), others[0].holder if others else "")

    def _others(self) -> list[_Claim]:
        """Asks, and gives the others who are alive; what dead ones left is cleared away."""
        self._write(holds=False)
        claims = self._claims(None)
        dead = [claim.name for claim in claims if self._dead(claim)]
        self.folder.delete(dead)
        return [claim for claim in claims if claim.name not in dead]

    def _claims(self, now: float | None) -> list[_Claim]:
        """Every claim but this one's own; ``now`` is None to go by the time of the own object."""
        listed = self.folder.listing()
        own = listed.pop(self._name, None)
        if now is None:
            now = own.written if own else time.time()
        claims = []
        for name, found in listed.items():
            # what cannot be read may be just being written: whoever it is, is not nobody
            said = _parsed(self.folder.read(name)) or {}
            claims.append(
                _Claim(
                    name=name,
                    holder=str(said.get("holder", "another process")),
                    holds=said.get("state") == "holds",
                    silent=now - found.written,
                    gone=bool(said) and _is_gone(said),
                )
            )
        return claims

    def _dead(self, claim: _Claim) -> bool:
        return claim.gone or claim.silent > self.expiry

    def _refused(self, claim: _Claim) -> UserError:
        error = _refusal(self.folder.where().rpartition("/")[0], claim.holder)
        if claim.silent < 2 * self.beat:
            return error
        rest = max(1.0, self.expiry - claim.silent)
        return UserError(
            f"{error}; it was last heard of {claim.silent:.0f} s ago and counts as dead in "
            f"{rest:.0f} s"
        )

    def _write(self, *, holds: bool) -> None:
        said = {
            "holder": this_process(),
            "state": "holds" if holds else "asks",
            "pid": os.getpid(),
            "began": _birth(os.getpid()),
            "machine": _machine(),
        }
        self.folder.write(self._name, json.dumps(said).encode())

    def _beat_on(self, stop: threading.Event) -> None:
        """Signs of life until ``stop``; after too long a silence, looks who is there now."""
        last = _clock()
        while not stop.wait(self.beat):
            try:
                if _clock() - last > self.expiry:
                    others = [claim for claim in self._others() if claim.holds]
                    if others:
                        self._lost = (
                            f"{self.folder.where()} could not be reached for "
                            f"{_clock() - last:.0f} s, and {others[0].holder} has taken the run "
                            "over: this driver stops"
                        )
                        _thread.interrupt_main()
                        return
                self._write(holds=True)
                last = _clock()
            except StorageError:
                continue  # the next beat tries again


def _parsed(data: bytes | None) -> dict[str, Any] | None:
    try:
        said = json.loads(data) if data is not None else None
    except ValueError:
        return None
    return said if isinstance(said, dict) else None


def _is_gone(said: dict[str, Any]) -> bool:
    """Whether a claim is of a process of this machine that is no more."""
    if not _machine() or said.get("machine") != _machine():
        return False
    return _birth(int(said.get("pid", 0))) != said.get("began")


def _birth(pid: int) -> str:
    """When a process of this machine began, in the kernel's ticks; empty if there is none."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] == "Z" else fields[19]


def _machine() -> str:
    """This boot of this machine and its space of process ids."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return ""


def _clock() -> float:
    """Seconds that also pass while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
