"""Planning and running a suite from end to end: what stands behind `aubench plan`, `run`, `status`.

suite file → plan → (Ray, only if something is left to do) → run folder
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from harness.errors import UserError
from harness.plan.jobs import Plan
from harness.runs import open_run
from harness.storage import is_remote
from harness.store import RunStore, State

if TYPE_CHECKING:
    from harness.suite.load import LoadedSuite

RUNS = Path("runs")


@dataclass(frozen=True, kw_only=True)
class SweepResult:
    """How a run ended: its ``store``, the ``states`` of all jobs by key, and whether anything was
    done (``worked``)."""

    store: RunStore
    states: dict[str, State]
    worked: bool

    @property
    def complete(self) -> bool:
        """Whether every job is done."""
        return all(state == "done" for state in self.states.values())


def run_folder(suite: str, out: str | None) -> str | Path:
    """The run folder of a suite (name or file), or of a run named by its folder or address; ``out``
    goes over both."""
    if out is not None:
        return out
    if is_remote(suite):
        return suite
    if (Path(suite) / "plan.json").is_file():
        return Path(suite)
    from harness.suite.load import load_suite

    try:
        return RUNS / load_suite(suite).spec.name
    except UserError:
        if (RUNS / suite / "plan.json").is_file():
            return RUNS / suite
        if Path(suite).is_dir():
            raise UserError(f"{suite} holds no run: it has no plan.json") from None
        raise


def run_suite(
    suite: str,
    out: str | None = None,
    *,
    overlay: str | None = None,
    address: str | None = None,
    cpus: int | None = None,
    gpus: int | None = None,
    at_end: Callable[[SweepResult], None] | None = None,
) -> SweepResult:
    """Does what is not done yet of a suite; Ray is not even started if nothing is left.

    ``out`` is the run folder, by default ``runs/<suite name>``; ``address`` a running Ray cluster
    to join, else a local one is started with ``cpus`` and ``gpus``.
    ``overlay`` is a file that is laid over the suite (``harness.suite.load``).
    ``at_end`` is called with the result while W&B still listens: what it writes into the run
    folder (the report) is mirrored too.
    """
    from harness.plan.build import build_plan
    from harness.suite.load import load_suite
    from harness.tracking.mirror import mirror_sweep
    from harness.tracking.mode import choose_mode, redacted

    loaded = load_suite(suite, overlay)
    plan = build_plan(loaded)
    tracking = loaded.spec.tracking
    mode = choose_mode(tracking.mode)
    text = frozen_suite(loaded)
    if redacted(text) != text:
        raise UserError(
            f"{loaded.file} holds your W&B key: take it out, and use `wandb login` or WANDB_API_KEY"
        )
    store = open_run(out or RUNS / loaded.spec.name)
    store.check_writable()
    with store.driver_lock():
        store.begin(plan, text)
        store.clear_running()
        store.forget_failures()
        states = store.states(plan)
        left = [key for key, state in states.items() if state != "done"]
        mode = mode if left else "disabled"  # nothing new to say
        with mirror_sweep(store, mode, tracking.project, tracking.entity):
            if left:
                _work(plan, store, states, address, cpus, gpus)
                states = store.states(plan)
            result = SweepResult(store=store, states=states, worked=bool(left))
            if at_end is not None:
                at_end(result)
    return result


def _work(
    plan: Plan,
    store: RunStore,
    states: dict[str, State],
    address: str | None,
    cpus: int | None,
    gpus: int | None,
) -> None:
    from harness.engine.cluster import ray_cluster
    from harness.progress import show_progress

    left = sum(state != "done" for state in states.values())
    where = f"the cluster at {address}" if address else "a local Ray instance"
    print(f"{plan.suite}: {left} of {len(states)} jobs to do; starting {where}", flush=True)
    with ray_cluster(address, cpus, gpus, log=store.folder / "ray.log"):
        from harness.engine.loop import run_sweep
        from harness.engine.preflight import check_cluster

        check_cluster(plan, states, store, joined=address is not None)
        with show_progress(plan, states) as progress:
            run_sweep(plan, store, progress, joined=address is not None)


def frozen_suite(loaded: LoadedSuite) -> str:
    """The suite as it was ``loaded``: checked, complete, with absolute paths, as YAML."""
    data = json.loads(loaded.spec.model_dump_json(exclude_defaults=True))
    return f"# frozen from {loaded.file}\n" + yaml.safe_dump(
        data, sort_keys=False, allow_unicode=True
    )
