"""A row an AU, a column a method, for one setting: the form of the paper's Tables 1 to 4."""

from __future__ import annotations

import numpy as np

from reports.compare import Comparison
from reports.evaluation import Evaluation
from reports.facts import facts_of, partial_notes
from reports.model_notes import model_notes
from reports.table import DASH, Column, Entry, Row, Table, count, percent, slug, text
from reports.tables.gaps import gap, tally
from reports.tables.overview import standing_entry

FEW_SUBJECTS = 6
TITLES = {"f1": "Frame F1 per AU", "auc": "ROC AUC per AU"}


def per_au(evaluation: Evaluation, setting: str, metric: str) -> Table | None:
    """Frame F1 (``metric="f1"``) or ROC AUC (``"auc"``) per AU × method, pooled over folds, in
    percent, with base rate and support; None while no cell of the setting is scored."""
    comparison = evaluation.comparisons[setting]
    if not comparison.measured:
        return None
    shown = comparison.typical
    methods = [m for m in evaluation.plan.methods if evaluation.cells_of(setting, m)]
    columns = [
        Column(key="au", title="AU", kind="text"),
        Column(key="base_rate", title="Base rate", help="share of frames with the AU, percent"),
        Column(key="support", title="Support", help="frames in which the AU is present"),
        *(Column(key=m, title=m, method=m) for m in methods),
    ]
    always_L = _always(comparison) if metric == "f1" else None
    if always_L is not None:
        help_line = "F1 of deciding present for every frame: what chance alone gives"
        columns.append(Column(key="always", title="always", apart=True, help=help_line))
    gaps = {m: gap(evaluation.cells_of(setting, m)) for m in methods}
    notes = [tally(evaluation.cells_of(setting, m)) for m in methods]
    rows = []
    for place in (*range(len(shown.aus)), -1):
        entries = _au_entries(comparison, place)
        for method, note in zip(methods, notes, strict=True):
            measured = comparison.measured.get(method)
            if measured is None:
                entries.append(gaps[method])
            else:
                standing = comparison.standing(metric, method)[place]
                entries.append(
                    standing_entry(standing, measured.complete, "" if measured.complete else note)
                )
        if always_L is not None:
            entries.append(percent(float(np.append(always_L, np.nanmean(always_L))[place])))
        rows.append(Row(entries=tuple(entries), role="mean" if place == -1 else "body"))
    return Table(
        key=slug(setting, metric),
        title=f"{TITLES[metric]}, {setting}",
        section=setting,
        columns=tuple(columns),
        rows=tuple(rows),
        facts=(*facts_of(comparison, metric), ("unit", "percent")),
        notes=(
            *_notes(comparison, metric, always_L is not None),
            *(model_notes(evaluation, setting) if metric == "f1" else ()),
        ),
    )


def _au_entries(comparison: Comparison, place: int) -> list[Entry]:
    """AU, base rate and support of a row; of the mean row the means."""
    shown = comparison.typical
    present_L = shown.present_L
    rates_L = present_L / np.maximum(shown.known_L, 1)
    if place == -1:
        return [text("Mean"), percent(float(rates_L.mean())), Entry(text=DASH)]
    return [
        Entry(text=str(shown.aus[place]), value=float(shown.aus[place])),
        percent(float(rates_L[place])),
        count(int(present_L[place])),
    ]


def _always(comparison: Comparison) -> np.ndarray | None:
    """F1 of deciding present everywhere; None if a method of the suite does just that."""
    for measured in comparison.measured.values():
        if measured.details is not None and np.array_equal(
            measured.f1_L, measured.details.always_f1_L, equal_nan=True
        ):
            return None
    details = comparison.typical.details
    if details is not None and np.isfinite(details.always_f1_L).any():
        return details.always_f1_L
    return None


def _notes(comparison: Comparison, metric: str, with_always: bool) -> tuple[str, ...]:
    notes = list(partial_notes(comparison))
    if comparison.too_few:
        notes.append("Too few subjects for intervals.")
    elif any(len(m.subjects) < FEW_SUBJECTS for m in comparison.measured.values()):
        notes.append(f"Intervals from fewer than {FEW_SUBJECTS} subjects say little.")
    if with_always:
        notes.append("always: F1 of deciding present for every frame; not ranked.")
    if metric == "auc":
        notes.append("Chance is 50.")
    return tuple(notes)
