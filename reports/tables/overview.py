"""The table that answers first: methods × settings, mean F1 and mean AUC with their intervals."""

from __future__ import annotations

from collections.abc import Mapping

from reports.compare import Comparison, Standing
from reports.evaluation import Evaluation
from reports.facts import facts_of, partial_notes
from reports.table import Column, Entry, Row, Table, percent, text
from reports.tables.gaps import gap, tally


def overview(evaluation: Evaluation) -> Table:
    """Mean frame F1 and ROC AUC over the AUs, of every method in every setting, in percent."""
    columns = [Column(key="method", title="Method", kind="text")]
    for setting in evaluation.plan.settings:
        columns += [
            Column(key=f"f1 {setting}", title="F1", group=setting, help="mean frame F1, percent"),
            Column(key=f"auc {setting}", title="AUC", group=setting, help="mean ROC AUC, percent"),
        ]
    rows = []
    for method in evaluation.plan.methods:
        entries = [text(method)]
        for setting in evaluation.plan.settings:
            entries += _pair(evaluation, evaluation.comparisons[setting], setting, method)
        rows.append(Row(entries=tuple(entries), method=method))
    return Table(
        key="overview",
        title="Mean over the AUs",
        columns=tuple(columns),
        rows=tuple(rows),
        facts=(("pooling", "pooled over folds"), ("thresholds", "fixed at 0"), ("unit", "percent")),
        notes=_frame_notes(evaluation.comparisons),
        shown_intervals=True,
    )


def _pair(evaluation: Evaluation, comparison: Comparison, setting: str, method: str) -> list[Entry]:
    cells = evaluation.cells_of(setting, method)
    if method not in comparison.measured:
        absent = gap(cells, evaluation.why_absent(setting, method))
        return [absent, absent]
    complete = comparison.measured[method].complete
    note = "" if complete else tally(cells)
    return [
        standing_entry(comparison.f1[method][-1], complete, note),
        standing_entry(comparison.auc[method][-1], complete, note),
    ]


def standing_entry(standing: Standing, complete: bool = True, note: str = "") -> Entry:
    """A number with its interval and marks, in percent."""
    return percent(
        standing.value,
        low=standing.low,
        high=standing.high,
        mark=standing.mark,
        level=standing.level and standing.mark != "best",
        state="" if complete else "partial",
        note=note,
    )


def _frame_notes(comparisons: Mapping[str, Comparison]) -> tuple[str, ...]:
    lines = []
    for setting, comparison in comparisons.items():
        facts = dict(facts_of(comparison, "f1"))
        if "subjects" not in facts:
            lines.append(f"{setting}: no cell is scored yet.")
        else:
            lines.append(
                f"{setting}: {facts['frames']} frames of {facts['subjects']} subjects, F1 "
                f"undefined for {facts['undefined']}, frame set {facts['frame set']}."
            )
            lines += [f"{setting}, {note}" for note in partial_notes(comparison)]
    return tuple(lines)
