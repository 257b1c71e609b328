"""Checks between joining a cluster and submitting the first job, so that what cannot work is said
in one line instead of by every job in turn: nodes that are too small, or that see other files.
"""

from __future__ import annotations

import contextlib
import json
import secrets
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import ray
import ray.exceptions
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from harness.data.places import dataset_stands, open_dataset
from harness.engine.admission import Admission, wanted
from harness.engine.losses import root_cause
from harness.errors import UserError
from harness.plan.jobs import Job, Plan
from harness.runs import open_run
from harness.storage import is_remote
from harness.store import RunStore, State

PROBE_SECONDS = 120.0
UNITS = {"CPU": 1.0, "GPU": 1.0, "memory": 1e9}


def check_cluster(
    plan: Plan, states: Mapping[str, State], store: RunStore, *, joined: bool
) -> None:
    """Refuses a cluster that cannot do what is left of a plan.

    Args:
        joined: whether it is a running cluster, with nodes of their own, and not a local instance.

    Raises:
        UserError: what the cluster lacks, or what a node of it does not see.
    """
    nodes = [node for node in ray.nodes() if node["Alive"]]
    left = [job for key, job in plan.jobs.items() if states[key] != "done"]
    check_room(left, [node["Resources"] for node in nodes], store, grows=joined and may_grow(nodes))
    if joined:
        check_sight(plan, store, nodes)


def check_room(
    jobs: list[Job], nodes: list[Mapping[str, float]], store: RunStore, *, grows: bool = False
) -> None:
    """Refuses jobs that no node could hold; where an autoscaler may bring others, only says so."""
    room = Admission(nodes, {})
    shapes = Counter((job.group, job.resources) for job in jobs)
    short = {}
    for job in jobs:
        shape = job.group, job.resources
        if shape not in short:
            short[shape] = None if room.holdable(_placed(job, store)) else job
    lacking = {shape: job for shape, job in short.items() if job is not None}
    if not lacking:
        return
    listed = "; ".join(
        f"{shapes[shape]} job{'s' if shapes[shape] > 1 else ''} of {job.group} "
        f"{'each ' if shapes[shape] > 1 else ''}hold{'' if shapes[shape] > 1 else 's'} {_held(job)}"
        for shape, job in lacking.items()
    )
    has = " and ".join(f"{n} with {what}" for what, n in Counter(map(_has, nodes)).items())
    line = f"no node is large enough: {listed}; the nodes are {has}"
    if grows:
        print(f"{line}; waiting for the autoscaler", flush=True)
        return
    raise UserError(f"{line}. Say less under `resources:` in the suite, or start larger nodes")


def _placed(job: Job, store: RunStore) -> Job:
    """A job as it is placed: where nodes share no folder, all of its workers are on one."""
    needs = job.resources
    if store.everywhere or needs.workers == 1:
        return job
    whole = {"cpus": needs.cpus, "gpus": needs.gpus, "memory": needs.memory}
    scaled: dict[str, Any] = {name: share * needs.workers for name, share in whole.items()}
    return replace(job, resources=replace(needs, workers=1, **scaled))


def _held(job: Job) -> str:
    share = {name: amount for name, amount in wanted(job, workers=1).items() if amount}
    text = ", ".join(_amount(name, amount) for name, amount in share.items())
    return (
        f"{text} on each of {job.resources.workers} workers" if job.resources.workers > 1 else text
    )


def _has(node: Mapping[str, float]) -> str:
    return ", ".join(_amount(name, node.get(name, 0.0)) for name in UNITS)


def _amount(name: str, amount: float) -> str:
    if name == "memory":
        return f"{amount / 1e9:.1f} GB memory"
    return f"{amount:g} {name}{'' if amount == 1 else 's'}"


def may_grow(nodes: list[dict[str, Any]]) -> bool:
    """Whether an autoscaler started these nodes, and may start others: they then have a type."""
    if any(node.get("Labels", {}).get("ray.io/node-group") for node in nodes):
        return True
    with contextlib.suppress(Exception):  # Ray's own record for `ray status`, which may change
        from ray._private.ray_constants import DEBUG_AUTOSCALING_STATUS
        from ray.experimental.internal_kv import _internal_kv_get

        said = json.loads(_internal_kv_get(DEBUG_AUTOSCALING_STATUS) or b"{}")
        types = said.get("autoscaler_report", {}).get("active_nodes", {})
        return any(not name.startswith("node_") for name in types)
    return False


# --- what nodes see -----------------------------------------------------------------------------


def check_sight(plan: Plan, store: RunStore, nodes: list[dict[str, Any]]) -> None:
    """Lets a task on every node look for run folder and datasets, and try to write.

    Raises:
        UserError: the first node that lacks something, and what.
    """
    datasets = {str(d["folder"]): str(d["identity"]) for d in plan.datasets.values()}
    ready = {address: mark for address, mark in datasets.items() if dataset_stands(address)}
    shared = [str(store.folder)] if store.everywhere else []
    shared += [str(Path(a).parent) for a in datasets if a not in ready and not is_remote(a)]
    for node, complaint in look_round(store, shared, ready, nodes):
        if complaint:
            raise UserError(f"node {node} {complaint}")


def nodes_that_see(out: str) -> list[tuple[str, str]]:
    """Every node of the cluster that is joined, and what it has to say of a place for runs."""
    store = open_run(out)
    nodes = [node for node in ray.nodes() if node["Alive"]]
    return look_round(store, [str(store.folder)] if store.everywhere else [], {}, nodes)


def look_round(
    store: RunStore,
    folders: list[str],
    datasets: Mapping[str, str],
    nodes: list[dict[str, Any]],
) -> list[tuple[str, str]]:
    """What each node that does jobs has to complain of; empty where all is well.

    Args:
        folders: that every node must see.
        datasets: address and fingerprint of those that every node must find.
        nodes: as ``ray.nodes()`` tells of them.
    """
    look = ray.remote(max_retries=0)(_look)
    with _marked(folders) as mark:
        asked = {}
        for node in nodes:
            if not node["Resources"].get("CPU"):
                continue
            pinned = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            task = look.options(num_cpus=0, scheduling_strategy=pinned, name="look round")
            asked[task.remote(store.address, folders, mark, datasets)] = node["NodeManagerAddress"]
        done, _ = ray.wait(list(asked), num_returns=len(asked), timeout=PROBE_SECONDS)
        found = []
        for reference, node in asked.items():
            if reference in done:
                found.append((node, _answer(reference)))
                continue
            ray.cancel(reference, force=True)
            found.append((node, f"has not done a task within {PROBE_SECONDS:.0f} s: see its logs"))
    return found


def _answer(reference: Any) -> str:
    try:
        return str(ray.get(reference))
    except (ray.exceptions.RayError, ImportError) as error:
        cause = root_cause(error)
        lines = [line.strip() for line in str(cause).splitlines() if line.strip()]
        missing = next((line for line in lines if "No module named" in line), "")
        if missing:
            return (
                f"cannot load aubench ({missing}): install it on every node, or submit with `ray "
                "job submit --working-dir`"
            )
        return f"cannot do a task: {lines[0] if lines else type(cause).__name__}"


@contextmanager
def _marked(folders: list[str]) -> Iterator[str]:
    """Leaves a file of a random name in folders that all nodes should see."""
    mark = f".aubench-look-{secrets.token_hex(6)}"
    try:
        for folder in folders:
            Path(folder).mkdir(parents=True, exist_ok=True)
            (Path(folder) / mark).touch()
        yield mark
    finally:
        for folder in folders:
            with contextlib.suppress(OSError):
                (Path(folder) / mark).unlink(missing_ok=True)


def _look(run: str, folders: list[str], mark: str, datasets: Mapping[str, str]) -> str:
    """On a node: what it does not see or may not write; empty if all is well."""
    for folder in folders:
        if not (Path(folder) / mark).exists():
            return (
                f"does not see {folder}: the run folder (--out) and the cache (AUBENCH_CACHE) must "
                "be on storage that all nodes share, or on object storage (--out s3://…, "
                "AUBENCH_DATASETS=s3://…)"
            )
    try:
        open_run(run).check_writable()
        for address, identity in datasets.items():
            if open_dataset(address).fingerprint != identity:
                return f"has another dataset at {address} than this one: copy it there again"
    except UserError as error:
        return f"says: {error}"
    return ""
