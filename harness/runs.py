"""A run by its address: a folder of this machine, or on object storage."""

from __future__ import annotations

from pathlib import Path

from harness.remote_run import RemoteRun
from harness.storage import is_remote, plain_address
from harness.store import RunStore


def open_run(address: str | Path) -> RunStore:
    """The run store at an address: a folder, ``file://``, or on object storage."""
    if is_remote(address):
        return RemoteRun(str(address))
    return RunStore(Path(plain_address(address) if "://" in str(address) else address))
