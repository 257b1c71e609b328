"""Every pair of methods: by how much they differ, and what the tests say of it."""

from __future__ import annotations

import numpy as np

from reports.evaluation import Evaluation
from reports.ranks import rank_methods
from reports.table import DASH, Column, Entry, Row, Table, number, text


def pairs(evaluation: Evaluation) -> Table | None:
    """Holm-corrected p-values of Wilcoxon's signed-rank test between the methods, over the AUs of
    all settings, with their mean ranks."""
    ranks = rank_methods(evaluation)
    if ranks is None:
        return None
    order = np.argsort(ranks.mean_ranks_M, kind="stable")
    names = [ranks.methods[i] for i in order]
    rows = []
    for i in order:
        entries = [text(ranks.methods[i]), number(float(ranks.mean_ranks_M[i]), 2)]
        for j in order:
            p = float(ranks.wilcoxon_p_MM[i, j])
            shown = "<0.001" if p < 0.001 else f"{p:.3f}"
            entries.append(Entry(text=DASH) if i == j else Entry(text=shown, value=p))
        rows.append(Row(entries=tuple(entries), method=ranks.methods[i]))
    dropped = f", {ranks.num_dropped} left out" if ranks.num_dropped else ""
    friedman = (("Friedman's test", f"p = {ranks.friedman_p:.2g}"),) if len(names) > 2 else ()
    return Table(
        key="pairs",
        title="Methods in pairs: p-values by frame F1",
        columns=(
            Column(key="method", title="Method", kind="text"),
            Column(key="rank", title="Mean rank"),
            *(Column(key=f"p {name}", title=name, method=name) for name in names),
        ),
        rows=tuple(rows),
        facts=(
            ("test", "Wilcoxon's signed ranks, two-sided, corrected by Holm"),
            ("blocks", f"{ranks.num_blocks} AUs of settings{dropped}"),
            *friedman,
            ("pooling", "pooled over folds"),
            ("thresholds", "fixed at 0"),
            ("frames, subjects, frame sets", "under each setting's table"),
        ),
        notes=(
            "AUs of one dataset are not independent blocks: the p-values are too small by an "
            "unknown amount.",
        ),
    )
