"""Features × linear SVM: what a feature is worth to the plainest classifier (the paper's SVM and
ANet-T columns of Tables 1 and 2)."""

from __future__ import annotations

from harness.registry import METHODS
from reports.compare import compare
from reports.evaluation import Evaluation
from reports.facts import facts_of, partial_notes
from reports.table import Column, Row, Table, slug, text
from reports.tables.overview import standing_entry

LINEAR_SVMS = {path for name, path in METHODS.items() if name.split("-")[0] == "svm"}


def linear_svm(evaluation: Evaluation, setting: str) -> Table | None:
    """A row a linear SVM of the setting, named by its feature, an AU a column; None unless there
    are two features to compare. Marks compare these rows alone."""
    comparison = evaluation.comparisons[setting]
    features = {
        method: feature
        for method in comparison.measured
        if (feature := _feature(evaluation, setting, method))
    }
    if len(set(features.values())) < 2:
        return None
    compared = compare(setting, [comparison.measured[method] for method in features])
    aus = compared.typical.aus
    rows = []
    for method, feature in features.items():
        measured = compared.measured[method]
        if measured.aus != aus:
            continue
        f1 = [standing_entry(standing, measured.complete) for standing in compared.f1[method]]
        auc = standing_entry(compared.auc[method][-1], measured.complete)
        entries = (text(feature), text(method), f1[-1], auc, *f1[:-1])
        rows.append(Row(entries=entries, method=method))
    return Table(
        key=slug(setting, "features"),
        title=f"Features × linear SVM: frame F1, {setting}",
        section=setting,
        columns=(
            Column(key="feature", title="Feature", kind="text"),
            Column(key="method", title="Method", kind="text"),
            Column(key="mean", title="Mean F1"),
            Column(key="mean_auc", title="Mean AUC"),
            *(Column(key=f"AU{au}", title=f"AU{au}") for au in aus),
        ),
        rows=tuple(rows),
        facts=(*facts_of(compared, "f1"), ("unit", "percent")),
        notes=(*partial_notes(compared), "Marks compare the linear SVMs with each other only."),
    )


def _feature(evaluation: Evaluation, setting: str, method: str) -> str:
    """The feature of a linear SVM, of a trained network fc7; empty for any other method."""
    cells = evaluation.cells_of(setting, method)
    spec = evaluation.plan.jobs[cells[0].cell.job].spec if cells else {}
    if spec.get("method") not in LINEAR_SVMS:
        return ""
    return " + ".join(spec.get("features") or ()) or "fc7"
