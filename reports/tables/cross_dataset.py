"""Train × test: how much of a method's score it keeps on another dataset."""

from __future__ import annotations

from reports.evaluation import Evaluation
from reports.table import Column, Entry, Row, Table, text
from reports.tables.gaps import gap, tally
from reports.tables.overview import standing_entry


def cross_dataset(evaluation: Evaluation, metric: str) -> Table | None:
    """Mean F1 or AUC: a row a method and training dataset, a column a test dataset; None if every
    setting stays within one dataset."""
    cells = evaluation.plan.cells
    if all(cell.train_dataset == cell.test_dataset for cell in cells):
        return None
    setting_of: dict[tuple[str, str], str] = {}
    left_out: list[str] = []
    for cell in cells:
        pair = (cell.train_dataset, cell.test_dataset)
        if setting_of.setdefault(pair, cell.setting) != cell.setting:
            left_out.append(cell.setting)
    trains = list(dict.fromkeys(train for train, _ in setting_of))
    tests = list(dict.fromkeys(test for _, test in setting_of))
    rows = []
    for method in evaluation.plan.methods:
        for train in trains:
            entries = [text(method), text(train)]
            for test in tests:
                setting = setting_of.get((train, test))
                entries.append(_entry(evaluation, setting, method, metric))
            rows.append(Row(entries=tuple(entries), method=method))
    within = [s for (train, test), s in setting_of.items() if train == test]
    notes = [f"Within one dataset: {', '.join(within)}."] if within else []
    if left_out:
        notes.append(f"Not in this matrix: {', '.join(dict.fromkeys(left_out))}.")
    notes.append("Marks compare methods with the same training and test dataset.")
    if metric == "f1":
        notes.append(
            "F1 moves with the base rates of the test dataset; compare AUC across columns."
        )
    name = {"f1": "Mean F1", "auc": "Mean ROC AUC"}[metric]
    policy = "fixed at 0" if metric == "f1" else "none needed"
    return Table(
        key=f"cross-dataset-{metric}",
        title=f"{name}, trained on one dataset and tested on another",
        columns=(
            Column(key="method", title="Method", kind="text"),
            Column(key="train", title="Trained on", kind="text"),
            *(Column(key=f"test {test}", title=test, group="Tested on") for test in tests),
        ),
        rows=tuple(rows),
        facts=(
            ("pooling", "pooled over folds"),
            ("thresholds", policy),
            ("undefined", "left out of the mean, counted under each setting's table"),
            ("frames, subjects, frame sets", "under each setting's table"),
            ("unit", "percent"),
        ),
        notes=tuple(notes),
        shown_intervals=True,
    )


def _entry(evaluation: Evaluation, setting: str | None, method: str, metric: str) -> Entry:
    if setting is None:
        return gap([])
    comparison = evaluation.comparisons[setting]
    cells = evaluation.cells_of(setting, method)
    measured = comparison.measured.get(method)
    if measured is None:
        return gap(cells, evaluation.why_absent(setting, method))
    standing = comparison.standing(metric, method)[-1]
    return standing_entry(standing, measured.complete, "" if measured.complete else tally(cells))
