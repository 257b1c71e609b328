"""`aubench tune` from end to end.

suite file → plan of the search → shared stages as ordinary jobs → one experiment a fold → table,
best options, overlay

Whatever it is interrupted by, the same command goes on: finished stages and finished trials stand
in the run folder.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import UserError
from harness.runs import open_run
from harness.search.planning import SearchPlan, plan_search
from harness.search.records import SearchStore
from harness.store import RunStore, write_text
from harness.sweep import RUNS, frozen_suite


@dataclass(frozen=True, kw_only=True)
class SearchResult:
    """How a search ended: its store, ``search.json``, the rows of its table, and whether anything
    was done."""

    store: RunStore
    search: dict[str, Any]
    trials: list[dict[str, Any]]
    worked: bool

    @property
    def best_file(self) -> Path:
        """The overlay for `aubench run SUITE --with`."""
        return SearchStore(self.store.folder).best_file


def run_search(
    suite: str,
    out: str | None = None,
    *,
    address: str | None = None,
    cpus: int | None = None,
    gpus: int | None = None,
    at_end: Callable[[SearchResult], None] | None = None,
) -> SearchResult:
    """Makes the trials of a suite's search that were not made yet.

    ``at_end`` is called with the result while W&B still listens.

    Raises:
        UserError: a mistake in the suite; a shared stage that failed; or all trials of a fold
            failed, with the cause of the first.
    """
    from harness.plan.build import build_plan
    from harness.suite.load import load_suite
    from harness.tracking.mirror import mirror_sweep
    from harness.tracking.mode import choose_mode, redacted

    loaded = load_suite(suite)
    whole = build_plan(loaded)
    store = open_run(out or RUNS / loaded.spec.name)
    if not store.everywhere:
        raise UserError(
            f"a search keeps its trials in a folder: give --out a path, not {store.address}"
        )
    plan = plan_search(loaded, store)
    mode = choose_mode(loaded.spec.tracking.mode)
    text = frozen_suite(loaded)
    if redacted(text) != text:
        raise UserError(
            f"{loaded.file} holds your W&B key: take it out, and use `wandb login` or WANDB_API_KEY"
        )
    records = SearchStore(store.folder)
    store.check_writable()
    with store.driver_lock():
        known = records.search() or {}
        worked = known.get("key") != plan.key or not known.get("complete")
        store.begin(whole, text)
        if worked:
            store.clear_running()
            store.forget_failures()
            records.begin(plan.describe())
        tracking = loaded.spec.tracking
        mirrored = mode if worked else "disabled"
        with mirror_sweep(store, mirrored, tracking.project, tracking.entity):
            if worked:
                _work(plan, store, records, address, cpus, gpus)
                _conclude(plan, records, suite)
            result = SearchResult(
                store=store, search=records.search() or {}, trials=records.table(), worked=worked
            )
            if at_end is not None:
                at_end(result)
    return result


def _work(
    plan: SearchPlan,
    store: RunStore,
    records: SearchStore,
    address: str | None,
    cpus: int | None,
    gpus: int | None,
) -> None:
    from harness.engine.cluster import ray_cluster
    from harness.progress import show_progress

    where = f"the cluster at {address}" if address else "a local Ray instance"
    folds = len(plan.tasks)
    print(
        f"{plan.spec.method} · {plan.tasks[0].setting}: {plan.num_trials} trials in each of "
        f"{folds} fold{'' if folds == 1 else 's'}; starting {where}",
        flush=True,
    )
    with ray_cluster(address, cpus, gpus, log=store.folder / "ray.log"):
        from harness.engine.loop import run_sweep
        from harness.engine.preflight import check_cluster
        from harness.search.experiment import run_experiment

        _check_room(plan, joined=address is not None)
        states = store.states(plan.shared)
        check_cluster(plan.shared, states, store, joined=address is not None)
        if any(state != "done" for state in states.values()):
            with show_progress(plan.shared, states) as progress:
                run_sweep(plan.shared, store, progress, joined=address is not None)
            _check_shared(plan, store)
        for task in plan.tasks:
            mark = records.fold_mark(plan.key, task.fold_position)
            if mark.exists():
                continue
            run_experiment(plan, task)
            own = [trial for trial in records.trials(plan.key) if trial["fold"] == task.fold]
            if not any(trial["state"] == "finished" for trial in own):
                failed = [trial for trial in own if trial["state"] == "failed"]
                cause = failed[0]["error"] if failed else "none was made"
                raise UserError(f"all {len(own)} trials of fold {task.fold} failed; first: {cause}")
            mark.touch()


def _check_room(plan: SearchPlan, *, joined: bool) -> None:
    """Refuses trials that no node can ever hold; Tune would wait for ever."""
    import ray

    from harness.engine.preflight import may_grow

    nodes = [node for node in ray.nodes() if node["Alive"]]
    held = {name: amount for name, amount in (("CPU", plan.cpus), ("GPU", plan.gpus)) if amount}
    if any(all(n["Resources"].get(r, 0.0) >= a for r, a in held.items()) for n in nodes):
        return
    has = [
        ", ".join(f"{node['Resources'].get(name, 0.0):g} {name}" for name in held) for node in nodes
    ]
    needs = ", ".join(f"{amount:g} {name}" for name, amount in held.items())
    line = f"search: a trial needs {needs}, no node has that much (there are: {'; '.join(has)})"
    if not (joined and may_grow(nodes)):
        raise UserError(f"{line}. Say less under `cpus` and `gpus` of the search")
    print(f"{line}; waiting for the autoscaler", flush=True)


def _check_shared(plan: SearchPlan, store: RunStore) -> None:
    for key, state in store.states(plan.shared).items():
        if state == "failed":
            failure = store.failure(key) or {}
            title = plan.shared.jobs[key].title
            raise UserError(
                f"search: {title} failed: {failure.get('error', 'no message was kept')}"
            )


def _conclude(plan: SearchPlan, records: SearchStore, suite: str) -> None:
    """Writes the table, what was found, and the overlay; forgets what trials worked on."""
    from harness.search.outcome import find_outcome, overlay_text

    trials = records.write_table(plan.key)
    outcome = find_outcome(plan, trials)
    write_text(records.best_file, overlay_text(plan, outcome, suite))
    records.drop_all_work()
    records.begin({**plan.describe(), **outcome})
