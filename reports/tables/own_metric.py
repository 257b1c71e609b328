"""A metric that the user asked for: a row an AU, a column a method, for one setting."""

from __future__ import annotations

from reports.evaluation import Evaluation
from reports.facts import facts_of, partial_notes
from reports.own_metrics import REPLICATES
from reports.table import Column, Entry, Row, Table, number, slug, text
from reports.tables.gaps import gap

DECIMALS = 3


def own_metric(evaluation: Evaluation, setting: str, metric: str) -> Table | None:
    """The metric per AU × method, pooled over folds, as the function gives it; None while no cell
    of the setting is scored."""
    comparison = evaluation.comparisons[setting]
    if not comparison.measured:
        return None
    shown = comparison.typical
    methods = [m for m in evaluation.plan.methods if evaluation.cells_of(setting, m)]
    gaps = {m: gap(evaluation.cells_of(setting, m)) for m in methods}
    columns = (
        Column(key="au", title="AU", kind="text"),
        *(Column(key=m, title=m, method=m) for m in methods),
    )
    rows = []
    for place in (*range(len(shown.aus)), -1):
        first = text("Mean")
        if place != -1:
            first = Entry(text=str(shown.aus[place]), value=float(shown.aus[place]))
        entries = [first]
        for method in methods:
            measured = comparison.measured.get(method)
            if measured is None:
                entries.append(gaps[method])
                continue
            standing = comparison.standing(metric, method)[place]
            entries.append(
                number(
                    standing.value,
                    DECIMALS,
                    low=standing.low,
                    high=standing.high,
                    mark=standing.mark,
                    level=standing.level and standing.mark != "best",
                    state="" if measured.complete else "partial",
                )
            )
        rows.append(Row(entries=tuple(entries), role="mean" if place == -1 else "body"))
    notes = [*partial_notes(comparison), f"{metric}; the larger is taken for the better."]
    if comparison.too_few:
        notes.append("Too few subjects for intervals.")
    else:
        notes.append(f"Intervals from {REPLICATES} resamples of the test subjects.")
    return Table(
        key=slug(setting, "metric", short_name(metric)),
        title=f"{short_name(metric)} per AU, {setting}",
        section=setting,
        columns=columns,
        rows=tuple(rows),
        facts=facts_of(comparison, metric),
        notes=tuple(notes),
    )


def short_name(metric: str) -> str:
    """``"matthews"`` of ``"own_metric:matthews"``."""
    return metric.partition(":")[2] or metric
