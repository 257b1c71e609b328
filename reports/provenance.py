"""What the foot of a report says about where its numbers come from, from the jobs' own records."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from reports.evaluation import Evaluation


def provenance(evaluation: Evaluation) -> list[tuple[str, str]]:
    """Name and value of each fact: code, versions, machines, times, datasets. Nothing in it depends
    on when or where the report is built."""
    run = evaluation.run
    records = [run.records[key] for key in run.plan.jobs if key in run.records]
    environments = [record.get("environment", {}) for record in records]
    facts = [
        ("Suite", run.plan.suite),
        ("Cells", f"{evaluation.count('done')} of {len(evaluation.cells)} done"),
        ("Code revision", _distinct(environments, "revision") or "not recorded"),
        ("Python", _distinct(environments, "python")),
        ("Packages", _packages(environments)),
        ("Machines", _machines(environments)),
        ("Started", _moment(min(_starts(records), default=None))),
        ("Ended", _moment(max(_ends(records), default=None))),
    ]
    for name, entry in run.plan.datasets.items():
        facts.append(
            (
                f"Dataset {name}",
                f"{entry.get('frames', 0):,} frames, {entry.get('sequences', 0):,} sequences, "
                f"{entry.get('subjects', 0):,} subjects, identity {entry.get('identity', '')}",
            )
        )
    facts.append(
        (
            "Intervals",
            "95 %, percentile bootstrap over test subjects, 1,000 resamples with a fixed seed",
        )
    )
    return [(name, value) for name, value in facts if value]


def _distinct(environments: list[Mapping[str, Any]], key: str) -> str:
    return ", ".join(sorted({str(e[key]) for e in environments if e.get(key)}))


def _packages(environments: list[Mapping[str, Any]]) -> str:
    versions: dict[str, set[str]] = {}
    for environment in environments:
        for name, version in environment.get("packages", {}).items():
            if version:
                versions.setdefault(name, set()).add(str(version))
    return ", ".join(f"{name} {'/'.join(sorted(found))}" for name, found in versions.items())


def _machines(environments: list[Mapping[str, Any]]) -> str:
    machines = {
        f"{e.get('host', '?')} ({e.get('system', '?')}, {e.get('cpus', '?')} CPUs"
        + (f", {e['gpu']}" if e.get("gpu") else "")
        + ")"
        for e in environments
    }
    return ", ".join(sorted(machines))


def _starts(records: list[Mapping[str, Any]]) -> list[float]:
    return [float(r["cost"]["started"]) for r in records if "started" in r["cost"]]


def _ends(records: list[Mapping[str, Any]]) -> list[float]:
    return [
        float(r["cost"]["started"]) + float(r["cost"]["seconds"])
        for r in records
        if "started" in r["cost"]
    ]


def _moment(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(seconds))
