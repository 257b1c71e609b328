"""Ranks of the methods over all AUs of all settings, by the harness's tests over blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from reports.evaluation import Evaluation

if TYPE_CHECKING:
    from harness.statistics import RankComparison

MIN_BLOCKS = 4


def rank_methods(evaluation: Evaluation) -> RankComparison | None:
    """Ranks by pooled frame F1 over ``block_values``."""
    from harness.statistics import compare_ranks

    found = block_values(evaluation)
    return None if found is None else compare_ranks(found[1], found[0])


def block_values(evaluation: Evaluation) -> tuple[list[str], np.ndarray] | None:
    """Methods, and their pooled frame F1 (blocks, methods); a block is an AU of a setting.

    Methods are those that are complete in every setting in which any is; None for fewer than two
    of them or too few blocks.
    """
    compared = [c for c in evaluation.comparisons.values() if len(c.ranked) >= 2]
    methods = [m for m in evaluation.plan.methods if all(m in c.ranked for c in compared)]
    if len(methods) < 2 or not compared:
        return None
    values_BM = np.concatenate(
        [np.stack([c.measured[m].f1_L for m in methods], axis=1) for c in compared]
    )
    if (~np.isnan(values_BM).any(axis=1)).sum() < MIN_BLOCKS:
        return None
    return methods, values_BM
