"""Comparing several methods over blocks: Friedman, Nemenyi's critical difference, Wilcoxon-Holm.

A block is what all methods were measured on: an AU of a dataset, or a subject. The procedure is
that of Demsar (Statistical comparisons of classifiers over multiple data sets, JMLR 2006): ranks
within blocks, Friedman's test whether the methods differ at all, then which pairs. Nemenyi's
verdict on a pair depends on which other methods are in the pool (Benavoli, Corani, Mangili: Should
we really use post-hoc tests based on mean-ranks?, JMLR 2016), so it is for the diagram; for
verdicts there is Wilcoxon's signed-rank test of each pair with Holm's correction. AUs of one
dataset are not independent blocks: the p-values are too small by an unknown amount, and a report
must say so.

Legend: B blocks, M methods.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.errors import UserError


@dataclass(frozen=True, kw_only=True, eq=False)
class RankComparison:
    """Several methods over blocks; methods stand in the order given.

    Attributes:
        mean_ranks_M: 1 is best; ties share their mean.
        friedman_statistic, friedman_p: with correction for ties; NaN for two methods.
        critical_difference: mean ranks further apart than this differ (Nemenyi, level alpha).
        cliques: largest sets of methods, best first, whose mean ranks lie within it.
        wilcoxon_p_MM: two-sided p of every pair, corrected by Holm; 1 on the diagonal.
        num_blocks, num_dropped: blocks used, and blocks left out as a method had no number there.
    """

    methods: tuple[str, ...]
    alpha: float
    mean_ranks_M: np.ndarray
    friedman_statistic: float
    friedman_p: float
    critical_difference: float
    cliques: tuple[tuple[str, ...], ...]
    wilcoxon_p_MM: np.ndarray
    num_blocks: int
    num_dropped: int


def compare_ranks(
    values_BM: np.ndarray,
    methods: Sequence[str],
    *,
    higher_is_better: bool = True,
    alpha: float = 0.05,
) -> RankComparison:
    """Compares methods by their numbers (B, M); blocks with a NaN are left out for all methods.

    ``higher_is_better`` gives the largest number rank 1; ``alpha`` is the level of the critical
    difference.

    Raises:
        UserError: shapes that do not fit, or fewer than two blocks with a number from everyone.
    """
    from scipy import stats

    values_BM = np.asarray(values_BM, np.float64)
    if values_BM.ndim != 2 or values_BM.shape[1] != len(methods) or len(methods) < 2:
        raise UserError(
            f"numbers of shape {values_BM.shape} do not fit (blocks, {len(methods)} methods), at "
            "least 2 of them"
        )
    if not 0 < alpha < 1:
        raise UserError(f"alpha={alpha} must lie above 0 and below 1")
    complete_B = ~np.isnan(values_BM).any(axis=1)
    used_BM = values_BM[complete_B]
    if len(used_BM) < 2:
        raise UserError(
            f"only {len(used_BM)} of {len(values_BM)} blocks have a number from every method; at "
            "least 2 are needed"
        )
    ranks_BM = stats.rankdata(-used_BM if higher_is_better else used_BM, axis=1)
    statistic, p = float("nan"), float("nan")
    if len(methods) > 2:
        statistic, p = 0.0, 1.0
        if not np.all(ranks_BM == ranks_BM[:, :1]):
            statistic, p = map(float, stats.friedmanchisquare(*used_BM.T))
    mean_ranks_M = ranks_BM.mean(axis=0)
    difference = nemenyi_difference(len(methods), len(used_BM), alpha)
    return RankComparison(
        methods=tuple(methods),
        alpha=alpha,
        mean_ranks_M=mean_ranks_M,
        friedman_statistic=statistic,
        friedman_p=p,
        critical_difference=difference,
        cliques=_cliques(mean_ranks_M, methods, difference),
        wilcoxon_p_MM=_wilcoxon_holm(used_BM),
        num_blocks=len(used_BM),
        num_dropped=int((~complete_B).sum()),
    )


def nemenyi_difference(num_methods: int, num_blocks: int, alpha: float = 0.05) -> float:
    """Critical difference of mean ranks: q sqrt(M (M + 1) / (6 B)), q of the studentised range."""
    from scipy.stats import studentized_range

    q = float(studentized_range.ppf(1 - alpha, num_methods, np.inf)) / np.sqrt(2)
    return float(q * np.sqrt(num_methods * (num_methods + 1) / (6 * num_blocks)))


def holm(p_values: np.ndarray) -> np.ndarray:
    """Holm's step-down correction of ``p_values`` (n,): as large as must be for all to hold."""
    p_values = np.asarray(p_values, np.float64)
    order = np.argsort(p_values)
    corrected = np.maximum.accumulate(p_values[order] * np.arange(len(p_values), 0, -1))
    adjusted = np.empty_like(p_values)
    adjusted[order] = np.minimum(corrected, 1)
    return adjusted


def _wilcoxon_holm(values_BM: np.ndarray) -> np.ndarray:
    num_methods = values_BM.shape[1]
    first, second = np.triu_indices(num_methods, k=1)
    raw = [
        _signed_rank_p(values_BM[:, a] - values_BM[:, b])
        for a, b in zip(first, second, strict=True)
    ]
    p_MM = np.ones((num_methods, num_methods))
    p_MM[first, second] = p_MM[second, first] = holm(np.asarray(raw))
    return p_MM


def _signed_rank_p(differences_B: np.ndarray) -> float:
    """Two-sided p: exact up to 50 differences without ties, else by the normal distribution.

    Differences of 0 are left out, as Wilcoxon did; if there is no other, nothing tells the methods
    apart. Left to itself scipy would try all sign changes of up to 13 tied differences, in seconds.
    """
    from scipy.stats import wilcoxon

    moved = differences_B[differences_B != 0]
    if not len(moved):
        return 1.0
    tied = len(np.unique(np.abs(moved))) < len(moved)
    method = "exact" if len(moved) <= 50 and not tied else "approx"
    return float(wilcoxon(moved, method=method).pvalue)


def _cliques(
    mean_ranks_M: np.ndarray, methods: Sequence[str], difference: float
) -> tuple[tuple[str, ...], ...]:
    """Runs of at least two methods, by rank, that no longer run contains."""
    order = np.argsort(mean_ranks_M, kind="stable")
    ranks = mean_ranks_M[order]
    cliques: list[tuple[str, ...]] = []
    furthest = 0
    for start in range(len(ranks)):
        stop = int(np.searchsorted(ranks, ranks[start] + difference, side="right"))
        if stop > furthest and stop - start > 1:
            cliques.append(tuple(methods[m] for m in order[start:stop]))
        furthest = max(furthest, stop)
    return tuple(cliques)
