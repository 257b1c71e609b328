"""Threshold policies: where a score becomes a decision, and who was asked for it.

- ``fixed``: 0 for every AU, the headline of every table.
- ``validation``: per AU, the threshold with the best F1 on the fold's validation part.
- ``oracle``: per AU, the threshold with the best F1 on the test part itself. Much of the literature
  reports such numbers, knowingly or not; here it is shown only beside the headline, as what that
  habit would have claimed, with the inflation in points.

Legend: N frames, L action units.
"""

from __future__ import annotations

import numpy as np

from harness.errors import UserError
from harness.metrics.frame_measures import frame_f1
from harness.metrics.undefined import check_choice
from harness.metrics.validate import check_pair

POLICIES = ("fixed", "validation", "oracle")

LabelsAndScores = tuple[np.ndarray, np.ndarray]


def choose_thresholds(
    policy: str,
    num_aus: int,
    *,
    validation: LabelsAndScores | None = None,
    test: LabelsAndScores | None = None,
) -> np.ndarray:
    """float64 (L,) thresholds of one fold under a policy.

    ``validation`` is read by policy ``"validation"`` only, ``test`` by ``"oracle"`` only.
    """
    check_choice("threshold policy", policy, POLICIES)
    if policy == "fixed":
        return np.zeros(num_aus)
    part, name = (validation, "validation") if policy == "validation" else (test, "test")
    if part is None:
        raise UserError(
            f"threshold policy {policy!r} needs the labels and scores of the {name} part"
        )
    return best_f1_thresholds(*part)


def best_f1_thresholds(labels: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """float64 (L,) thresholds with the best F1; 0 for an AU that is never present.

    A threshold lies midway between two neighbouring scores (or below the lowest); of several that
    are equally good, the one nearest 0.
    """
    labels_NL, scores_NL = check_pair(labels, scores)
    thresholds_L = np.zeros(labels_NL.shape[1])
    for column in range(labels_NL.shape[1]):
        known = labels_NL[:, column] != 0
        present_N = labels_NL[known, column] > 0
        if not present_N.any():
            continue
        scores_N = scores_NL[known, column].astype(np.float64)
        order = np.argsort(scores_N)[::-1]
        ranked, found = scores_N[order], np.cumsum(present_N[order])
        last = np.flatnonzero(np.r_[ranked[1:] != ranked[:-1], True])
        f1 = 2 * found[last] / (last + 1 + found[-1])
        lower = np.r_[ranked[last[:-1] + 1], np.nextafter(ranked[-1], -np.inf)]
        with np.errstate(invalid="ignore"):
            cuts = lower + (ranked[last] - lower) / 2
        # Midway between neighbouring floats can round to the upper one; infinities have no middle.
        cuts = np.where(cuts < ranked[last], cuts, lower)
        # 0 itself is as good as any cut of its interval, and the one that needs no explaining.
        holds_zero = (lower <= 0) & (ranked[last] > 0)
        cuts[holds_zero] = 0.0
        if ranked[-1] > 0:
            cuts[-1] = 0.0
        best = np.flatnonzero(f1 >= f1.max() - 1e-12)
        thresholds_L[column] = cuts[best[np.argmin(np.abs(cuts[best]))]]
    return thresholds_L


def oracle_inflation(
    labels: np.ndarray, scores: np.ndarray, threshold: float | np.ndarray = 0.0
) -> np.ndarray:
    """(L,) F1 points (of 100) by which thresholds chosen on the test part beat ``threshold``; NaN
    where F1 is undefined, and not negative unless ``threshold`` differs from frame to frame."""
    oracle = frame_f1(labels, scores, threshold=best_f1_thresholds(labels, scores))
    return 100 * (oracle - frame_f1(labels, scores, threshold=threshold))
