"""The trials of a search as W&B runs: all in one group of their own, beside the sweep's.

They are read from the run folder when they have ended; a trial's rows are its history.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.plan.jobs import Plan
from harness.search.records import SearchStore
from harness.store import RunStore
from harness.tracking.described import NAME_LENGTH, TAG_LENGTH, Description, flat_numbers


@dataclass(frozen=True, kw_only=True)
class EndedTrial:
    """A trial that has ended; ``mark`` tells this ending from an earlier one."""

    key: str
    mark: str
    description: Description
    rows: list[dict[str, float]]
    summary: dict[str, Any]
    failed: bool


def ended_trials(store: RunStore, plan: Plan, group: str) -> list[EndedTrial]:
    """Every trial of the run's present search that has ended."""
    records = SearchStore(store.folder)
    search = records.search()
    if search is None or "key" not in search:
        return []
    return [_ended(record, search, plan, group) for record in records.trials(search["key"])]


def _ended(
    record: Mapping[str, Any], search: Mapping[str, Any], plan: Plan, group: str
) -> EndedTrial:
    fold, number = str(record["fold"]), int(record["number"]) + 1
    name = f"{record['row']} · {record['setting']} · fold {fold} · trial {number}"
    config = {
        "suite": plan.suite,
        "trial": number,
        "fold": fold,
        "options": dict(record["options"]),
        **{part: search.get(part) for part in ("metric", "algorithm", "seed")},
    }
    started = record.get("cost", {}).get("started", "")
    summary = {"state": record["state"], "value": record["value"], **record.get("final", {})}
    if record["state"] == "failed":
        summary["error"] = record.get("error", "")
    return EndedTrial(
        key=str(record["key"]),
        mark=f"{record['state']} {started}",
        description=Description(
            id=f"trial-{record['key']}"[:TAG_LENGTH],
            name=name[:NAME_LENGTH],
            group=f"{group}-search",
            job_type="trial",
            tags=tuple(tag[:TAG_LENGTH] for tag in ("trial", record["row"], f"fold {fold}")),
            config=config,
        ),
        rows=[dict(row) for row in record.get("rows", ())],
        summary={**flat_numbers(summary), **flat_numbers({"cost": record.get("cost", {})})},
        failed=record["state"] == "failed",
    )
