"""Every pair of methods the Bayesian way: better, worse, or the same for all practice."""

from __future__ import annotations

from reports.evaluation import Evaluation
from reports.ranks import block_values
from reports.table import DASH, Column, Entry, Row, Table, text


def equivalence(evaluation: Evaluation, rope: float) -> Table | None:
    """Probability that the method of a row is better than that of a column by more than ``rope``
    F1 points, and that the two are within it of each other (Bayesian signed ranks over the AUs of
    all settings)."""
    from harness.statistics.equivalence import bayesian_signed_rank

    found = block_values(evaluation)
    if found is None:
        return None
    methods, values_BM = found
    rows = []
    for i, method in enumerate(methods):
        entries = [text(method)]
        for j in range(len(methods)):
            if i == j:
                entries.append(Entry(text=DASH))
                continue
            ranked = bayesian_signed_rank(values_BM[:, i] - values_BM[:, j], rope=rope / 100)
            entries.append(
                Entry(text=f"{ranked.better:.2f} (same {ranked.same:.2f})", value=ranked.better)
            )
        rows.append(Row(entries=tuple(entries), method=method))
    return Table(
        key="equivalence",
        title=f"Methods in pairs: probability of being better by more than {rope:g} points",
        columns=(
            Column(key="method", title="Method", kind="text"),
            *(Column(key=f"better than {name}", title=name, method=name) for name in methods),
        ),
        rows=tuple(rows),
        facts=(
            ("test", "Bayesian signed ranks (Benavoli et al.)"),
            ("region of practical equivalence", f"±{rope:g} F1 points"),
            ("blocks", f"{len(values_BM)} AUs of settings"),
            ("pooling", "pooled over folds"),
            ("thresholds", "fixed at 0"),
            ("frames, subjects, frame sets", "under each setting's table"),
        ),
        notes=("AUs of one dataset are not independent blocks: the probabilities are too sure.",),
    )
