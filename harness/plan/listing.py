"""A plan and a run's state, as a person reads them in a terminal."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from harness.cost import Estimator
from harness.plan.jobs import Plan
from harness.progress import describe_losses, state_table
from harness.protocol import PARTS, Split
from harness.store import RunStore, State

if TYPE_CHECKING:
    from harness.suite.load import LoadedSuite

MARKS = {
    "done": "cached",
    "waiting": "to do",
    "failed": "failed",
    "blocked": "blocked",
    "running": "running",
}


def print_plan(plan: Plan, states: Mapping[str, State]) -> None:
    """Every job with its state and expected seconds, then the sum."""
    estimator = Estimator()
    for name, dataset in plan.datasets.items():
        print(
            f"dataset {name}: {dataset['subjects']} subjects, {dataset['sequences']} sequences, "
            f"{dataset['frames']} frames, {len(dataset['aus'])} AUs",
        )
    for key, job in plan.jobs.items():
        seconds = estimator.seconds(job)
        expected = "" if states[key] == "done" else _duration(seconds)
        print(f"{MARKS[states[key]]:<8} {expected:>8}  {job.kind:<8} {job.title}")
    cost = estimator.cost(plan, states)
    for entry in plan.omitted:
        print(f"not planned: {entry.name} · {entry.setting}: {entry.reason}")
    studies = f"{len(plan.studies)} studies, " if plan.studies else ""
    print(
        f"{len(plan.cells)} cells, {studies}{len(plan.jobs)} jobs, "
        f"{len(plan.jobs) - cost.jobs} cached, "
        f"{cost.jobs} to do",
    )
    parts = [f"{_hours(cost.cpu_hours)} CPU", f"{_hours(cost.gpu_hours)} GPU"]
    parts.append(f"{cost.disk_bytes / 1e9:.2f} GB on disk")
    parts.append(f"{cost.memory / 1e9:.2f} GB of memory for the largest job")
    if cost.untimed:
        parts.append(f"and {cost.untimed} jobs that were never timed on this machine")
    print("expected: " + ", ".join(parts))


def print_splits(suite: LoadedSuite, plan: Plan, folder: Path | None = None) -> None:
    """Every fold's parts with subjects, frames and base rates; also into ``folder``, where the list
    files can be used again as ``protocol: list``."""
    from harness.plan.resolve import open_source
    from harness.protocol import describe_splits, write_list

    datasets: dict[str, tuple[str, str]] = {}
    splits: dict[str, dict[str, Split]] = {}
    for cell in plan.cells:
        datasets[cell.setting] = (cell.train_dataset, cell.test_dataset)
        key = plan.jobs[cell.job].split
        splits.setdefault(cell.setting, {})[key] = plan.splits[key]
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    for setting, (train, test) in datasets.items():
        chosen = list(splits[setting].values())
        tables = [open_source(suite, name).table for name in (train, test)]
        described = describe_splits(chosen, tables[0], None if train == test else tables[1])
        print(f"{setting}\n{described.round(3).to_string(index=False)}")
        for split in chosen:
            for part in PARTS:
                print(f"  fold {split.fold} {part}: {' '.join(split.part(part))}")
        if folder is not None:
            stem = setting.replace(" → ", "-to-").replace(" ", "-")
            write_list(chosen, folder / f"{stem}.csv")
            described.to_csv(folder / f"{stem}-base-rates.csv", index=False)
            print(f"  written to {folder / stem}.csv")


def print_status(store: RunStore) -> int:
    """Counts by state, what runs since when, what failed and why; 1 if something failed."""
    plan = store.plan()
    states = store.states(plan)
    console = Console(highlight=False)
    at_work = "a driver is at work" if store.driver_at_work() else "no driver is at work"
    console.print(state_table(plan, states, at_work))
    for key, state in states.items():
        job = plan.jobs[key]
        if state == "running" and (found := store.running(key)):
            since = time.time() - found["since"]
            console.print(
                f"running {since:.0f} s  {job.title}  (process {found['pid']} on {found['host']})",
                markup=False,
            )
        elif state == "failed" and (failure := store.failure(key)):
            console.print(f"failed  {job.title}: {failure['error']}", markup=False)
    if losses := Counter(reason for reasons in store.losses().values() for reason in reasons):
        console.print(describe_losses(losses), markup=False)
    return 1 if "failed" in states.values() else 0


def _hours(hours: float) -> str:
    return f"{hours:.2f} hours of" if hours >= 1 else f"{hours * 60:.1f} minutes of"


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "?"
    return f"{seconds:.1f} s" if seconds < 120 else f"{seconds / 60:.1f} min"
