"""Starting or joining Ray, quietly and never by accident.

A local run starts its own Ray instance, whatever else runs on the machine, and takes it down again.
Only an address that the user gives joins a cluster.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from harness.engine.reach import check_reachable
from harness.errors import UserError
from harness.tracking.mode import redacted

QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",  # workers use the driver's Python as it is
    "RAY_CHDIR_TO_TRIAL_DIR": "0",  # Train workers stay where they are: paths keep their meaning
    "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",
    "RAY_TRAIN_METRICS_ENABLED": "0",
}


def import_paths() -> list[str]:
    """Where this process finds the project and the user's own modules, for the workers to find
    them too: everything on its path that is not the Python installation's own."""
    project = str(Path(__file__).resolve().parent.parent.parent)
    installed = (sys.prefix, sys.base_prefix)
    own = [str(Path(entry).absolute()) for entry in sys.path if not entry.startswith(installed)]
    inherited = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    return list(dict.fromkeys(path for path in [project, *own, *inherited] if path))


def _divert_messages(log: Path | None) -> None:
    """Sends Ray's messages about dying workers to a file; the loop reports what matters of them.

    Ray prints them from a thread of the driver whatever ``log_to_driver`` says, by this function.
    """
    from ray._private import worker

    def keep(data: dict[str, Any], *_: Any, **__: Any) -> None:
        if log is not None:
            with log.open("a", encoding="utf-8") as file:
                file.writelines(redacted(f"{line}\n") for line in data.get("lines", ()))

    if hasattr(worker, "print_to_stdstream"):
        worker.print_to_stdstream = keep


@contextmanager
def ray_cluster(
    address: str | None = None,
    cpus: int | None = None,
    gpus: int | None = None,
    log: Path | None = None,
) -> Iterator[dict[str, float]]:
    """Ray for the length of the block; gives the cluster's resources.

    Args:
        address: of a running cluster (``"auto"`` or ``host:port``); None starts a local instance.
        cpus, gpus: of the local instance; None means those of the machine.
        log: file that takes what Ray would otherwise print on the terminal.

    Raises:
        UserError: if the cluster cannot be reached, or is asked to have other CPUs or GPUs.
    """
    os.environ.update({key: os.environ.get(key, value) for key, value in QUIET.items()})
    import ray

    if address is None:
        os.environ.pop("RAY_ADDRESS", None)
        os.environ["PYTHONPATH"] = os.pathsep.join(import_paths())
        options: dict[str, Any] = {
            "address": "local",
            "num_cpus": cpus,
            "num_gpus": gpus,
            "include_dashboard": False,
        }
    else:
        if cpus is not None or gpus is not None:
            raise UserError(
                f"--cpus and --gpus size a local Ray instance; the cluster at {address} has its own"
            )
        check_reachable(address)
        options = {"address": address}
    _divert_messages(log)
    on_terminate = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(**options, log_to_driver=False, logging_level=logging.ERROR, namespace="aubench")
    except (ConnectionError, ValueError, RuntimeError, ray.exceptions.RayError) as error:
        reason = " ".join(str(error).split())
        where = f"the Ray cluster at {address!r}" if address else "a local Ray instance"
        raise UserError(f"cannot reach {where}: {reason}") from error
    signal.signal(signal.SIGTERM, on_terminate)  # Ray's own prints a stack and ends the process
    if address is None:
        # What this run's own workers ask of Ray must reach this instance and no other.
        os.environ["RAY_ADDRESS"] = ray.get_runtime_context().gcs_address
    try:
        yield ray.cluster_resources()
    finally:
        ray.shutdown()
        if address is None:
            os.environ.pop("RAY_ADDRESS", None)
