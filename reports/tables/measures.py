"""A row a method, a column a measure: the means over AUs of everything that is measured, how the
number moves with the pooling and the threshold policy, and the folds one by one."""

from __future__ import annotations

import numpy as np

from harness.metrics.undefined import mean_of_defined
from reports.compare import Comparison
from reports.details import Details
from reports.evaluation import Evaluation
from reports.facts import facts_of, partial_notes
from reports.measure import Measured
from reports.table import Column, Entry, Row, Table, count, number, percent, slug, text
from reports.tables.overview import standing_entry

MEASURES = (
    ("precision", "Precision"),
    ("recall", "Recall"),
    ("average_precision", "Avg. precision"),
    ("skew_normalised_f1", "Skew-norm. F1"),
    ("balanced_accuracy", "Balanced acc."),
    ("cohen_kappa", "Cohen's κ"),
    ("s_score", "S score"),
    ("event_f1_at_half", "Event F1 at .5"),
    ("event_f1_area", "Event F1 area"),
)


def all_measures(evaluation: Evaluation, setting: str) -> Table | None:
    """The mean over AUs of every measure, in percent, with how many AUs are undefined."""
    comparison = evaluation.comparisons[setting]
    detailed = _detailed(comparison)
    if not detailed:
        return None
    columns = [
        Column(key="method", title="Method", kind="text"),
        Column(key="frame_f1", title="Frame F1"),
        Column(key="roc_auc", title="ROC AUC"),
        *(Column(key=key, title=title) for key, title in MEASURES),
        Column(key="undefined", title="Undefined", help="AUs × measures without a number"),
    ]
    rows = []
    for measured, details in detailed:
        complete = measured.complete
        values = [details.values[key] for key, _ in MEASURES]
        missing = sum(int(np.isnan(v).sum()) for v in (measured.f1_L, measured.auc_L, *values))
        means = [float(mean_of_defined(v, axis=0)) for v in values]
        rows.append(
            Row(
                entries=(
                    text(measured.method),
                    standing_entry(comparison.f1[measured.method][-1], complete),
                    standing_entry(comparison.auc[measured.method][-1], complete),
                    *(percent(mean, state="" if complete else "partial") for mean in means),
                    count(missing),
                ),
                method=measured.method,
            )
        )
    return Table(
        key=slug(setting, "measures"),
        title=f"All measures, mean over AUs, {setting}",
        section=setting,
        columns=tuple(columns),
        rows=tuple(rows),
        facts=(*facts_of(comparison, "f1"), ("unit", "percent")),
        notes=(
            *partial_notes(comparison),
            "Undefined numbers are left out of a mean and counted in the last column.",
        ),
    )


def poolings(evaluation: Evaluation, setting: str) -> Table | None:
    """Mean F1 under each pooling and threshold policy, and what an oracle threshold would claim."""
    comparison = evaluation.comparisons[setting]
    detailed = _detailed(comparison)
    if not detailed:
        return None
    columns = (
        Column(key="method", title="Method", kind="text"),
        Column(key="pooled", title="Pooled", group="Threshold fixed at 0", help="the headline"),
        Column(key="fold_mean", title="Fold mean", group="Threshold fixed at 0"),
        Column(key="fold_sd", title="SD", group="Threshold fixed at 0"),
        Column(key="subject_mean", title="Subject mean", group="Threshold fixed at 0"),
        Column(key="subject_sd", title="SD", group="Threshold fixed at 0"),
        Column(key="validation", title="Validation", group="Chosen thresholds, pooled"),
        Column(key="oracle", title="Oracle", group="Chosen thresholds, pooled", apart=True),
        Column(key="inflation", title="Inflation", group="Chosen thresholds, pooled", apart=True),
    )
    rows = []
    for measured, details in detailed:
        state = "" if measured.complete else "partial"
        folds = details.fold_f1[np.isfinite(details.fold_f1)]
        oracle = float(mean_of_defined(details.oracle_f1_L, axis=0))
        rows.append(
            Row(
                entries=(
                    text(measured.method),
                    standing_entry(comparison.f1[measured.method][-1], measured.complete),
                    percent(float(folds.mean()) if len(folds) else float("nan"), state=state),
                    _sd(float(folds.std(ddof=1)) if len(folds) > 1 else float("nan")),
                    percent(details.subject_f1, state=state),
                    _sd(details.subject_sd),
                    _validation(details, state),
                    percent(oracle, state=state),
                    number(100 * (oracle - measured.mean_f1)),
                ),
                method=measured.method,
            )
        )
    return Table(
        key=slug(setting, "poolings"),
        title=f"The same scores under other poolings and thresholds, {setting}",
        section=setting,
        columns=columns,
        rows=tuple(rows),
        facts=(
            *facts_of(comparison, "f1", pooling="as each column says"),
            ("unit", "percent, mean over AUs"),
        ),
        notes=(
            *partial_notes(comparison),
            "Oracle: thresholds chosen per AU on the test part itself, as much of the literature "
            "reports; inflation is what that adds, in points. Never a result.",
        ),
    )


def folds(evaluation: Evaluation, setting: str) -> Table | None:
    """Mean F1 of every method in every fold."""
    comparison = evaluation.comparisons[setting]
    detailed = _detailed(comparison)
    names = list(dict.fromkeys(fold for _, details in detailed for fold in details.folds))
    if len(names) < 2:
        return None
    columns = (
        Column(key="method", title="Method", kind="text"),
        *(Column(key=f"fold_{name}", title=f"Fold {name}") for name in names),
    )
    rows = []
    for measured, details in detailed:
        values = dict(zip(details.folds, details.fold_f1, strict=True))
        entries = [percent(float(values.get(name, float("nan")))) for name in names]
        rows.append(Row(entries=(text(measured.method), *entries), method=measured.method))
    return Table(
        key=slug(setting, "folds"),
        title=f"Mean F1 of each fold, {setting}",
        section=setting,
        columns=columns,
        rows=tuple(rows),
        facts=(*facts_of(comparison, "f1", pooling="none, a number a fold"), ("unit", "percent")),
        notes=partial_notes(comparison),
    )


def _detailed(comparison: Comparison) -> list[tuple[Measured, Details]]:
    return [(m, m.details) for m in comparison.measured.values() if m.details is not None]


def _sd(value: float) -> Entry:
    return number(100 * value)


def _validation(details: Details, state: str) -> Entry:
    if details.validation_f1_L is None:
        return Entry(text="–", state="undefined", note="no validation part was scored")
    return percent(float(mean_of_defined(details.validation_f1_L, axis=0)), state=state)
