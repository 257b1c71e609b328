"""What every table says of itself: pooling, threshold policy, undefined values, frames, subjects,
and the hash of the evaluated frame set."""

from __future__ import annotations

import numpy as np

from reports.compare import Comparison
from reports.measure import Measured

POLICY = {
    "fixed": "fixed at 0",
    "validation": "per AU, chosen on validation subjects",
    "none": "none needed",
}


def facts_of(
    comparison: Comparison, metric: str, *, pooling: str = "", policy: str = "fixed"
) -> tuple[tuple[str, str], ...]:
    """Facts of a table about one setting; ``metric`` is ``"f1"``, ``"auc"``, or the name of a
    metric that the user asked for."""
    if not comparison.measured:
        return (("frames", "none scored yet"),)
    measured = comparison.typical
    own = {name: one.values_L for name, one in measured.own.items()}
    values_L = {"f1": measured.f1_L, "auc": measured.auc_L, **own}[metric]
    return (
        ("pooling", pooling or f"pooled over {_count(measured.num_folds, 'fold')}"),
        ("thresholds", POLICY["none"] if metric == "auc" else POLICY[policy]),
        ("undefined", undefined_line(measured, values_L)),
        ("frames", f"{measured.num_frames:,}"),
        ("subjects", f"{len(measured.subjects):,}"),
        ("frame set", measured.frame_set),
    )


def partial_notes(comparison: Comparison) -> tuple[str, ...]:
    """A line for each method whose numbers rest on part of its cells: on which frames they do."""
    return tuple(
        f"{m.method}: {m.done} of {m.planned} cells, {m.num_frames:,} frames of "
        f"{_count(len(m.subjects), 'subject')}, frame set {m.frame_set}."
        for m in comparison.measured.values()
        if not m.complete
    )


def undefined_line(measured: Measured, values_L: np.ndarray) -> str:
    """``"1 of 12 AUs (AU24), left out of the mean"``, or ``"no AU"``."""
    missing = [
        f"AU{au}" for au, v in zip(measured.aus, values_L, strict=True) if not np.isfinite(v)
    ]
    if not missing:
        return "no AU"
    return f"{len(missing)} of {len(measured.aus)} AUs ({', '.join(missing)}), left out of the mean"


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
