"""``mirror_sweep``: starts the mirror's process beside a sweep, and asks it to finish at the end.

The sweep waits for W&B in one place only, at its end, and there for a bounded time; what is not
sent by then stays in the ledger's debt and is sent with the next run. No key is on a command line:
the process finds the login where the W&B client does.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.store import RunStore
from harness.tracking.mode import Mode, choose_mode, redacted

CLOSING_SECONDS = 120.0
STOPPED_SECONDS = 5.0
PROJECT_ROOT = Path(__file__).resolve().parent.parent.parent


@contextmanager
def mirror_sweep(
    store: RunStore,
    mode: str | None = None,
    project: str = "aubench",
    entity: str | None = None,
    *,
    closing_seconds: float = CLOSING_SECONDS,
) -> Iterator[None]:
    """Mirrors a run in W&B for the length of the block.

    Args:
        store: of a run whose plan is already written.
        mode: ``online``, ``offline``, ``disabled``; None chooses (``harness.tracking.mode``).
        project, entity: where at W&B.
        closing_seconds: how long the end of the block waits at most; a block that is left by an
            exception (Ctrl-C) waits 5 s.

    Raises:
        UserError: at once, for an unknown mode or ``online`` without a login. Nothing else of W&B
            is ever raised here.
    """
    chosen = choose_mode(mode)
    if chosen == "disabled":
        yield
        return
    process = _start(store, chosen, project, entity)
    patience = STOPPED_SECONDS
    try:
        yield
        patience = closing_seconds
    finally:
        if process is not None:
            _finish(process, store, patience)


def _start(
    store: RunStore, mode: Mode, project: str, entity: str | None
) -> subprocess.Popen[str] | None:
    command = [sys.executable, "-m", "harness.tracking.mirror_process", str(store.folder)]
    command += ["--mode", mode, "--project", project]
    command += ["--entity", entity] if entity else []
    path = os.pathsep.join(filter(None, [str(PROJECT_ROOT), os.environ.get("PYTHONPATH")]))
    try:
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "PYTHONPATH": path},
            start_new_session=True,  # Ctrl-C is for the sweep, which then tells the mirror
        )
    except OSError as error:
        _say(f"W&B: the mirror could not be started: {error}")
        return None


def _finish(process: subprocess.Popen[str], store: RunStore, patience: float) -> None:
    """Lets the mirror end by itself; ends it and the client's own process when time is up."""
    try:
        said, _ = process.communicate(timeout=patience)
    except subprocess.TimeoutExpired:
        _say(
            f"W&B: not everything was sent within {patience:.0f} s; the next run of the suite "
            f"sends the rest (log: {store.folder / 'tracking.log'})"
        )
    else:
        if said.strip():
            _say(said.strip())
        elif process.returncode:
            _say(
                f"W&B: the mirror ended with status {process.returncode}; nothing else is affected"
            )
    finally:
        _end_group(process)


def _end_group(process: subprocess.Popen[str]) -> None:
    """Ends whatever is left of the process group that the mirror leads."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    finally:
        process.wait()


def _say(line: str) -> None:
    print(redacted(line), file=sys.stderr, flush=True)
