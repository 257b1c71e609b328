"""Measures of frame-by-frame decisions, all from the four counts of ``Confusion``.

Each comes twice: ``*_of`` on counts of any leading shape (so that a bootstrap evaluates thousands
of resamples at once), and on ``(labels, scores)``. Undefined numbers are NaN; when a number is
undefined is said with each.

Legend: N frames, L action units.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from harness.errors import UserError
from harness.metrics.confusion import Confusion, confusion_counts
from harness.metrics.undefined import check_choice, fill_undefined, ratio

SKEW_VARIANTS = ("jeni", "l2ior")


def f1_of(counts: Confusion) -> np.ndarray:
    """2 TP / (2 TP + FP + FN); undefined where the AU is never present. 0 where it is present and
    never found."""
    f1 = ratio(2 * counts.tp, 2 * counts.tp + counts.fp + counts.fn)
    return np.where(counts.tp + counts.fn > 0, f1, np.nan)


def precision_of(counts: Confusion) -> np.ndarray:
    """TP / (TP + FP); undefined where nothing is decided present."""
    return ratio(counts.tp, counts.tp + counts.fp)


def recall_of(counts: Confusion) -> np.ndarray:
    """TP / (TP + FN); undefined where the AU is never present."""
    return ratio(counts.tp, counts.tp + counts.fn)


def balanced_accuracy_of(counts: Confusion) -> np.ndarray:
    """Mean of the recalls of both classes; undefined where a class does not occur."""
    return (recall_of(counts) + ratio(counts.tn, counts.tn + counts.fp)) / 2


def skew_normalised_f1_of(
    counts: Confusion, *, variant: str = "jeni", target_skew: float = 1.0
) -> np.ndarray:
    """F1 as it would be at skew (absent : present) ``target_skew``; undefined where a class does
    not occur.

    ``variant="jeni"`` (Jeni, Cohn, De la Torre: Facing imbalanced data, ACII 2013) divides the
    counts of the absent class, FP and TN, by the skew of the labels. ``variant="l2ior"`` repeats a
    slip of a public toolbox, for comparison with numbers that were made with it: it reads the
    transposed matrix, and so divides FN and TN by the skew of the decisions.
    """
    check_choice("variant", variant, SKEW_VARIANTS)
    if not target_skew > 0:
        raise UserError(f"target_skew={target_skew} must be above 0")
    present, absent = counts.tp + counts.fn, counts.fp + counts.tn
    if variant == "jeni":
        scale = target_skew * ratio(present, absent)
        fp, fn = counts.fp * scale, counts.fn
    else:
        scale = target_skew * ratio(counts.tp + counts.fp, counts.fn + counts.tn)
        fp, fn = counts.fp, counts.fn * scale
    f1 = ratio(2 * counts.tp, 2 * counts.tp + fp + fn)
    return np.where((present > 0) & (absent > 0), f1, np.nan)


def s_score_of(counts: Confusion) -> np.ndarray:
    """2 A - 1 with A the share of right decisions (Bennett's S, free-marginal kappa); undefined
    where no label is known."""
    known = counts.tp + counts.fp + counts.fn + counts.tn
    return 2 * ratio(counts.tp + counts.tn, known) - 1


def cohen_kappa_of(counts: Confusion) -> np.ndarray:
    """(A - Pe) / (1 - Pe), Pe the agreement expected of independent decisions with the same
    margins; undefined where Pe is 1 (labels and decisions are both constant, and equal)."""
    known = counts.tp + counts.fp + counts.fn + counts.tn
    by_chance = (counts.tp + counts.fn) * (counts.tp + counts.fp) + (counts.tn + counts.fp) * (
        counts.tn + counts.fn
    )
    # In whole numbers until the last division, so that "Pe is 1" is exact.
    return ratio((counts.tp + counts.tn) * known - by_chance, known * known - by_chance)


def frame_f1(
    labels: np.ndarray,
    scores: np.ndarray,
    *,
    threshold: float | np.ndarray = 0.0,
    undefined: str = "nan",
) -> np.ndarray:
    """F1 per AU (L,). See ``f1_of``; ``threshold`` a number, (L,) or (N, L)."""
    return _measure(f1_of, labels, scores, threshold, undefined)


def precision(
    labels: np.ndarray,
    scores: np.ndarray,
    *,
    threshold: float | np.ndarray = 0.0,
    undefined: str = "nan",
) -> np.ndarray:
    """Precision per AU (L,). See ``precision_of``; ``threshold`` as of ``frame_f1``."""
    return _measure(precision_of, labels, scores, threshold, undefined)


def recall(
    labels: np.ndarray,
    scores: np.ndarray,
    *,
    threshold: float | np.ndarray = 0.0,
    undefined: str = "nan",
) -> np.ndarray:
    """Recall per AU (L,). See ``recall_of``; ``threshold`` as of ``frame_f1``."""
    return _measure(recall_of, labels, scores, threshold, undefined)


def balanced_accuracy(
    labels: np.ndarray,
    scores: np.ndarray,
    *,
    threshold: float | np.ndarray = 0.0,
    undefined: str = "nan",
) -> np.ndarray:
    """Balanced accuracy per AU (L,). See ``balanced_accuracy_of``; ``threshold`` as of
    ``frame_f1``."""
    return _measure(balanced_accuracy_of, labels, scores, threshold, undefined)


def skew_normalised_f1(
    labels: np.ndarray,
    scores: np.ndarray,
    *,
    threshold: float | np.ndarray = 0.0,
    variant: str = "jeni",
    target_skew: float = 1.0,
    undefined: str = "nan",
) -> np.ndarray:
    """Skew-normalised F1 per AU (L,). See ``skew_normalised_f1_of``; ``threshold`` as of
    ``frame_f1``."""
    return _measure(
        skew_normalised_f1_of,
        labels,
        scores,
        threshold,
        undefined,
        variant=variant,
        target_skew=target_skew,
    )


def s_score(
    labels: np.ndarray,
    scores: np.ndarray,
    *,
    threshold: float | np.ndarray = 0.0,
    undefined: str = "nan",
) -> np.ndarray:
    """S score per AU (L,). See ``s_score_of``; ``threshold`` as of ``frame_f1``."""
    return _measure(s_score_of, labels, scores, threshold, undefined)


def cohen_kappa(
    labels: np.ndarray,
    scores: np.ndarray,
    *,
    threshold: float | np.ndarray = 0.0,
    undefined: str = "nan",
) -> np.ndarray:
    """Cohen's kappa per AU (L,). See ``cohen_kappa_of``; ``threshold`` as of ``frame_f1``."""
    return _measure(cohen_kappa_of, labels, scores, threshold, undefined)


def _measure(
    measure: Callable[..., np.ndarray],
    labels: np.ndarray,
    scores: np.ndarray,
    threshold: float | np.ndarray,
    undefined: str,
    **options: Any,
) -> np.ndarray:
    values_L = measure(confusion_counts(labels, scores, threshold), **options)
    return fill_undefined(values_L, undefined)
