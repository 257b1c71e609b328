"""The mirror: a process of its own that reads a run folder and keeps W&B in step with it.

    python -m harness.tracking.mirror_process RUN --mode online --project NAME

It lives until its standard input ends (the driver closes it, or has died), then sends what is still
missing and ends; ``--once`` does only the latter, for a run that has ended long ago. Nothing waits
for it but the driver's end, and that for a bounded time. Whatever goes wrong at W&B is written to
``<run>/tracking.log``, is tried again later, and is never the sweep's trouble.

Online, a training can be followed while it runs; offline, a run is written when its job has ended.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TextIO

from harness.errors import UserError
from harness.store import RunStore
from harness.tracking.client import Client, Run
from harness.tracking.described import describe_job, describe_report, flat_numbers
from harness.tracking.ledger import Ledger
from harness.tracking.mode import DEFAULT_SERVER, MODES, choose_mode, redacted, server
from harness.tracking.report_run import log_report
from harness.tracking.run_folder import Ended, RunFolder
from harness.tracking.trials import EndedTrial

POLL_SECONDS = 2.0
MOST_LIVE_RUNS = 32
FIRST_PAUSE, LONGEST_PAUSE = 10.0, 300.0
LAST_LOOK_SECONDS = 600
PROJECT = "aubench"


class Mirror:
    """Keeps the W&B runs of one sweep in step with its run folder."""

    def __init__(
        self, run: RunFolder, client: Client, ledger: Ledger, say: Callable[[str], None]
    ) -> None:
        self.run = run
        self.client = client
        self.ledger = ledger
        self.say = say
        self.group = ledger.group(run.plan)
        self.sent = 0
        self.troubled: dict[str, str] = {}
        self._settled: set[str] = set()
        self._live: dict[str, Run] = {}
        self._resume_at = 0.0
        self._pause = FIRST_PAUSE

    @property
    def used(self) -> bool:
        """Whether W&B was needed at all."""
        return bool(self.sent or self.troubled or self._live)

    def look(self, go_on: Callable[[], bool] = lambda: True) -> None:
        """Sends what has ended since the last look and, online, what runs have reported; leaves off
        early when ``go_on`` says so, or when W&B does not answer."""
        if time.monotonic() < self._resume_at:
            return
        for key in [*self.run.done(), *self.run.failed()]:
            if key not in self._settled and go_on() and not self._send_ended(key):
                return
        for trial in self.run.trials(self.group):
            known = self.ledger.has(trial.key, trial.mark)
            if not known and go_on() and not self._send_trial(trial):
                return
        if self.client.mode == "online":
            for key in self.run.at_work():
                if go_on() and not self._follow(key):
                    return

    def close(self) -> None:
        """The last look: everything that has ended, the report, and an end to what is live."""
        self._resume_at = 0.0
        self._settled -= set(self.troubled)
        self.look()
        for key in list(self._live):
            run = self._live.pop(key)
            with self._trouble(key):
                run.finish({"state": "stopped"}, failed=True)
        if not self.troubled:
            self._send_report()

    def _send_ended(self, key: str) -> bool:
        ended = self.run.ended(key)
        if ended is None:
            return True
        if self.ledger.has(key, ended.mark):
            self._settled.add(key)
            return True
        with self._trouble(key):
            self._send(ended)
        return key not in self.troubled

    def _send(self, ended: Ended) -> None:
        key = ended.job.key
        run = self._live.pop(key, None) or self._open(key)
        run.log_history(self.run.history(key))
        run.configure({"environment": ended.environment})
        run.finish(flat_numbers(ended.summary), failed=ended.state == "failed")
        self.ledger.note(key, ended.mark)
        self._settled.add(key)
        self.sent += 1

    def _send_trial(self, trial: EndedTrial) -> bool:
        with self._trouble(trial.key):
            run = self.client.open(trial.description, self.ledger.attempt(trial.key))
            run.log_history(trial.rows)
            run.finish(trial.summary, failed=trial.failed)
            self.ledger.note(trial.key, trial.mark)
            self.sent += 1
        return trial.key not in self.troubled

    def _follow(self, key: str) -> bool:
        rows = self.run.history(key)
        if not rows or (key not in self._live and len(self._live) >= MOST_LIVE_RUNS):
            return True
        with self._trouble(key):
            if key not in self._live:
                self._live[key] = self._open(key)
            self._live[key].log_history(rows)
        return key not in self.troubled

    def _open(self, key: str) -> Run:
        description = describe_job(self.run.plan, self.run.plan.jobs[key], self.group)
        return self.client.open(description, self.ledger.attempt(key))

    def _send_report(self) -> None:
        found = self.run.report()
        if found is None or self.ledger.has("report", found[1]):
            return
        folder, digest = found
        with self._trouble("report"):
            description = describe_report(self.run.plan, self.group)
            run = self.client.open(description, self.ledger.attempt("report"))
            log_report(run, folder, self.run.plan.suite)
            run.finish({"jobs": len(self.run.plan.jobs), "done": len(self.run.done())})
            self.ledger.note("report", digest)
            self.sent += 1

    @contextlib.contextmanager
    def _trouble(self, key: str) -> Iterator[None]:
        """Whatever W&B raises is logged, and W&B left alone for a while; a run that goes through
        clears its own trouble."""
        try:
            yield
        except Exception as error:  # the client raises what it likes, and the sweep must go on
            self._live.pop(key, None)
            job = self.run.plan.jobs.get(key)
            line = next(iter(str(error).strip().splitlines()), type(error).__name__)
            self.troubled[key] = line
            self.say(f"{job.title if job else key}: {type(error).__name__}: {line}")
            self._resume_at = time.monotonic() + self._pause
            self._pause = min(2 * self._pause, LONGEST_PAUSE)
        else:
            self.troubled.pop(key, None)
            self._pause = FIRST_PAUSE


def main(arguments: Sequence[str] | None = None) -> int:
    """The process: mirrors until standard input ends; prints one line on what it came to."""
    options = _parser().parse_args(arguments)
    told = _quiet_output()
    os.nice(10)
    store = RunStore(Path(options.run))
    try:
        mode = choose_mode(options.mode)
        if mode == "disabled" or not store.exists:
            told.write("W&B: nothing to mirror\n")
            return 0
        return _mirror(store, mode, options, told)
    except UserError as error:
        told.write(f"W&B: {redacted(str(error))}\n")
        return 2
    finally:
        told.close()


def _mirror(store: RunStore, mode: str, options: argparse.Namespace, told: TextIO) -> int:
    folder = store.folder / "wandb"
    folder.mkdir(exist_ok=True)

    def say(line: str) -> None:
        with (store.folder / "tracking.log").open("a", encoding="utf-8") as log:
            log.write(redacted(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {line}\n"))

    with (folder / "mirror.lock").open("a") as lock:
        while not _locked(lock):  # the mirror of a driver that was killed is still at its last look
            if options.once or _input_ended(POLL_SECONDS):
                told.write(f"W&B: another mirror is at work on {store.folder}\n")
                return 1
        target = " ".join([mode, options.entity or "-", options.project])
        if mode == "online" and server() != DEFAULT_SERVER:
            target += f" {server()}"
        client = Client(store.folder, choose_mode(mode), options.project, options.entity)
        ledger = Ledger(folder / "ledger.jsonl", target)
        mirror = Mirror(RunFolder(store), client, ledger, say)
        ended = bool(options.once)
        while not ended:
            mirror.look(go_on=lambda: not _input_ended(0))
            ended = _input_ended(POLL_SECONDS)
        if not options.once:
            signal.alarm(LAST_LOOK_SECONDS)  # nobody may be left to end a last look that hangs
        mirror.close()
        if mirror.used:
            client.close()
            told.write(redacted(_line(mirror, store, options)) + "\n")
    return 1 if mirror.troubled else 0


def _line(mirror: Mirror, store: RunStore, options: argparse.Namespace) -> str:
    runs = f"W&B: {mirror.sent} run{'s' if mirror.sent != 1 else ''} in {mirror.group}"
    if mirror.troubled:
        entity = f" --entity {options.entity}" if options.entity else ""
        return (
            f"{runs}; the others could not be sent ({store.folder / 'tracking.log'}); to try "
            f"again: python -m harness.tracking.mirror_process {store.folder} --once --mode "
            f"{mirror.client.mode} --project {options.project}{entity}"
        )
    if mirror.client.mode == "offline":
        return f"{runs}, offline; to send them: wandb sync {store.folder}/wandb/offline-run-*"
    return runs


def _locked(lock: TextIO) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _input_ended(seconds: float) -> bool:
    """Waits at most so long for standard input to end; says whether it has."""
    readable, _, _ = select.select([0], [], [], seconds)
    return bool(readable) and os.read(0, 1024) == b""


def _quiet_output() -> TextIO:
    """Sends what the client may print nowhere; returns the real standard output."""
    real = os.fdopen(os.dup(1), "w", encoding="utf-8")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    os.close(nowhere)
    return real


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m harness.tracking.mirror_process", description="Mirror a run in W&B."
    )
    parser.add_argument("run", metavar="RUN", help="the run folder")
    parser.add_argument("--mode", choices=MODES, help="default: $WANDB_MODE, else by the login")
    parser.add_argument("--project", default=PROJECT, help=f"W&B project (default: {PROJECT})")
    parser.add_argument("--entity", help="W&B team or user (default: the login's own)")
    parser.add_argument("--once", action="store_true", help="send what is missing, and end")
    return parser


if __name__ == "__main__":
    sys.exit(main())
