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
        thresholds_L[column] = _best_cut(scores_NL[known, column], present_N)
    return thresholds_L


def _best_cut(scores_N: np.ndarray, present_N: np.ndarray) -> float:
    """The threshold of one AU that is present at least once.

    Going down from a present frame's score, nothing but absent frames makes F1 worse: so only cuts
    right below present frames can be best, and both classes are sorted apart, which is cheaper than
    one order of all.
    """
    hits, misses = np.sort(scores_N[present_N]), np.sort(scores_N[~present_N])
    # Of equal scores the first counts them all; the others count too few, and never win.
    found = np.arange(len(hits), 0, -1)
    wrong = len(misses) - np.searchsorted(misses, hits, side="left")
    f1 = 2 * found / (found + wrong + len(hits))
    cuts = [
        _cut_below(hits, misses, place)
        for place in np.flatnonzero(f1 >= f1.max() - 1e-12)[::-1].tolist()
    ]
    return min(cuts, key=abs)


def _cut_below(hits: np.ndarray, misses: np.ndarray, place: int) -> float:
    """A threshold between the score ``hits[place]`` and the next lower one of all frames."""
    upper = float(hits[place])
    lower_hits = [float(hits[place - 1])] if place else []
    num_lower = int(np.searchsorted(misses, hits[place], side="left"))
    lower_misses = [float(misses[num_lower - 1])] if num_lower else []
    if not lower_hits and not lower_misses:  # the lowest of all: any threshold below it
        return 0.0 if upper > 0 else float(np.nextafter(upper, -np.inf))
    lower = max(lower_hits + lower_misses)
    if lower <= 0 < upper:
        return 0.0  # as good as any cut of its interval, and the one that needs no explaining
    cut = lower + (upper - lower) / 2 if np.isfinite(upper - lower) else lower
    # Midway between neighbouring floats can round to the upper one.
    return cut if cut < upper else lower


def oracle_inflation(
    labels: np.ndarray, scores: np.ndarray, threshold: float | np.ndarray = 0.0
) -> np.ndarray:
    """(L,) F1 points (of 100) by which thresholds chosen on the test part beat ``threshold``; NaN
    where F1 is undefined, and not negative unless ``threshold`` differs from frame to frame."""
    oracle = frame_f1(labels, scores, threshold=best_f1_thresholds(labels, scores))
    return 100 * (oracle - frame_f1(labels, scores, threshold=threshold))
