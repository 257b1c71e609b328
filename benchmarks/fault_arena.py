"""A cluster of small nodes on this machine whose processes can be killed, for `benchmarks.faults`.

Nodes are real raylets with real workers (`ray.cluster_utils.Cluster`); the head has no CPU. The
driver is ``aubench run`` in a process of its own.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from benchmarks.fault_methods import SIDE_FILE
from harness.store import RunStore


class Arena:
    """A cluster of small nodes on this machine, and a driver on it that can be killed."""

    def __init__(self, folder: Path, nodes: int) -> None:
        from ray.cluster_utils import Cluster

        self.folder = folder
        checks = {
            "health_check_initial_delay_ms": 1000,
            "health_check_period_ms": 500,
            "health_check_timeout_ms": 2000,
            "health_check_failure_threshold": 4,
        }
        self.cluster = Cluster(
            initialize_head=True, head_node_args={"num_cpus": 0, "_system_config": checks}
        )
        for _ in range(nodes):
            self.add_node()
        self.driver: subprocess.Popen[str] | None = None

    @property
    def nodes(self) -> list[Any]:
        """Nodes that work, without the head."""
        return sorted(self.cluster.worker_nodes, key=lambda node: str(node.unique_id))

    def add_node(self) -> None:
        """A node of one CPU joins."""
        self.cluster.add_node(num_cpus=1, object_store_memory=80 << 20, wait=False)

    def start_driver(self, suite: Path, out: Path) -> subprocess.Popen[str]:
        """``aubench run``, on this cluster, in a process of its own."""
        return subprocess.Popen(
            [
                *(sys.executable, "-m", "harness", "run", str(suite), "--out", str(out)),
                *("--address", self.cluster.address),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=self.folder,
        )

    def at_work(self, store: RunStore, training: bool) -> dict[int, Any]:
        """Processes that are at a job (in the middle of a training) and the node of each."""
        if not store.exists:
            return {}
        records = [store.running(key) for key in sorted(store.running_keys())]
        pids = {int(record["pid"]) for record in records if record}
        if training:  # further than a worker that is still importing
            pids &= _beating()
        raylets = {node.all_processes["raylet"][0].process.pid: node for node in self.nodes}
        parents = {pid: _parent(pid) for pid in pids}
        return {pid: raylets[parent] for pid, parent in parents.items() if parent in raylets}

    def kill(self, kind: str, pid: int, at_work: Mapping[int, Any], suite: Path, out: Path) -> None:
        """Kills the driver, a worker at its job, or the node that it is on (of a node: first its
        raylet alone); what was killed comes back, except the worker."""
        if kind == "driver":
            assert self.driver is not None
            self.driver.kill()
            self.driver.communicate()
            self.driver = self.start_driver(suite, out)
        elif kind == "worker":
            _end(pid)
        else:
            node = at_work[pid]
            if kind == "raylet":
                _end(node.all_processes["raylet"][0].process.pid)
                time.sleep(0.2)
            self.cluster.remove_node(node, allow_graceful=False)
            self.add_node()

    def close(self) -> None:
        """Ends every process of the cluster."""
        if self.driver is not None and self.driver.poll() is None:
            self.driver.kill()
        self.cluster.shutdown()


def _end(pid: int) -> None:
    with suppress(ProcessLookupError):  # it may just have ended by itself
        os.kill(pid, signal.SIGKILL)


def _beating() -> set[int]:
    """Processes that have made a step of a training within half a second."""
    side = Path(os.environ[SIDE_FILE])
    lines = side.read_text().splitlines()[-200:] if side.is_file() else []
    beats = [line.split() for line in lines]
    now = time.time()
    return {int(pid) for _, pid, word, at in beats if word == "beat" and now - float(at) < 0.5}


def _parent(pid: int) -> int:
    """The process that started another; 0 if that is gone."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, IndexError):
        return 0
