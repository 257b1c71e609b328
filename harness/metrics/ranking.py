"""Measures of the order that scores put frames into: ROC AUC and average precision.

Neither needs a threshold. Tied scores count half in the AUC (the rank statistic of Mann and
Whitney), and are one step of the precision-recall curve. Unknown labels are left out.

For a bootstrap over subjects both come in a form that needs no resampled frames and gives the very
numbers that resampled frames would give:

- AUC: with M[a, b] the number of pairs (present frame of subject a, absent frame of subject b) that
  are in the right order, ties half, a resample that holds subject s w_s times has the AUC
  w'Mw / ((w'present) (w'absent)). M is counted once.
- average precision is no such sum, but the frames are sorted once, and each resample is one walk
  down the sorted frames with the frames' weights.

Legend: N frames, L action units, U units (subjects), B replicates.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from harness.metrics.undefined import fill_undefined, ratio
from harness.metrics.validate import check_pair


def roc_auc(labels: np.ndarray, scores: np.ndarray, *, undefined: str = "nan") -> np.ndarray:
    """Area under the ROC curve per AU (L,); undefined where a class does not occur."""
    pairs = pairs_in_order(labels, scores, np.zeros(len(labels), np.int64), 1)
    return fill_undefined(pairs.roc_auc(np.ones((1, 1)))[0], undefined)


def average_precision(
    labels: np.ndarray, scores: np.ndarray, *, undefined: str = "nan"
) -> np.ndarray:
    """Average precision per AU (L,), the sum over distinct scores of (rise of recall) x precision;
    undefined where the AU is never present."""
    labels_NL, scores_NL = check_pair(labels, scores)
    values_L = np.full(labels_NL.shape[1], np.nan)
    for column in range(labels_NL.shape[1]):
        present, last, _ = _descending(labels_NL[:, column], scores_NL[:, column])
        if not present.any():
            continue
        steps = np.flatnonzero(last)
        found = np.cumsum(present)[steps]
        rise = np.diff(found, prepend=0) / found[-1]
        values_L[column] = np.sum(rise * found / (steps + 1))
    return fill_undefined(values_L, undefined)


@dataclass(frozen=True, kw_only=True, eq=False)
class OrderedPairs:
    """Counts behind the AUC of every resample: pairs_LUU (rows: unit of the present frame),
    present_UL and absent_UL."""

    pairs_LUU: np.ndarray
    present_UL: np.ndarray
    absent_UL: np.ndarray

    def roc_auc(self, weights_BU: np.ndarray) -> np.ndarray:
        """(B, L) AUC of resamples that hold unit u ``weights_BU[b, u]`` times."""
        weights_BU = np.asarray(weights_BU, np.float64)
        right_BL = np.stack(
            [((weights_BU @ pairs_UU) * weights_BU).sum(axis=1) for pairs_UU in self.pairs_LUU],
            axis=1,
        )
        return ratio(right_BL, (weights_BU @ self.present_UL) * (weights_BU @ self.absent_UL))


def pairs_in_order(
    labels: np.ndarray, scores: np.ndarray, units: np.ndarray, num_units: int
) -> OrderedPairs:
    """Counts the ordered pairs of every two units, AU by AU.

    One sort an AU; then for each unit one running count of its absent frames, read off at the
    present frames: U passes over the sorted frames, no pair is ever formed.
    """
    labels_NL, scores_NL = check_pair(labels, scores)
    num_aus = labels_NL.shape[1]
    pairs_LUU = np.zeros((num_aus, num_units, num_units))
    present_UL = np.zeros((num_units, num_aus))
    absent_UL = np.zeros((num_units, num_aus))
    for column in range(num_aus):
        known = np.flatnonzero(labels_NL[:, column])
        order = known[np.argsort(scores_NL[known, column], kind="stable")]
        if not len(order):
            continue
        present = labels_NL[order, column] > 0
        unit = units[order]
        sorted_scores = scores_NL[order, column]
        starts = np.flatnonzero(np.r_[True, sorted_scores[1:] != sorted_scores[:-1]])
        stops = np.r_[starts[1:], len(order)]
        tie = np.repeat(np.arange(len(starts)), stops - starts)[present]
        below, through = starts[tie], stops[tie]  # how many frames lie below, and not above
        unit_of_present, unit_of_absent = unit[present], unit[~present]
        present_UL[:, column] = np.bincount(unit_of_present, minlength=num_units)
        absent_UL[:, column] = np.bincount(unit_of_absent, minlength=num_units)
        place_of_absent = np.flatnonzero(~present)
        for other in np.flatnonzero(absent_UL[:, column]):
            running = np.zeros(len(order) + 1, np.int64)
            running[place_of_absent[unit_of_absent == other] + 1] = 1
            np.cumsum(running, out=running)
            right = (running[below] + running[through]) * 0.5
            pairs_LUU[column, :, other] = np.bincount(unit_of_present, right, num_units)
    return OrderedPairs(pairs_LUU=pairs_LUU, present_UL=present_UL, absent_UL=absent_UL)


def average_precision_of_resamples(
    labels: np.ndarray, scores: np.ndarray, units: np.ndarray, weights_BU: np.ndarray
) -> np.ndarray:
    """(B, L) average precision of resamples that hold unit u ``weights_BU[b, u]`` times."""
    labels_NL, scores_NL = check_pair(labels, scores)
    weights_UB = np.ascontiguousarray(np.asarray(weights_BU, np.float64).T)
    values_BL = np.full((weights_UB.shape[1], labels_NL.shape[1]), np.nan)
    for column in range(labels_NL.shape[1]):
        present, last, order = _descending(labels_NL[:, column], scores_NL[:, column])
        if present.any():
            values_BL[:, column] = _walk()(present, last, units[order], weights_UB)
    return values_BL


def _descending(
    labels_N: np.ndarray, scores_N: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Known frames from the highest score down: present, last of its score, and row."""
    known = np.flatnonzero(labels_N)
    order = known[np.argsort(scores_N[known], kind="stable")[::-1]]
    ranked = scores_N[order]
    last = np.ones(len(order), dtype=bool)
    last[:-1] = ranked[1:] != ranked[:-1]
    return labels_N[order] > 0, last, order


@cache
def _walk() -> Any:
    """The compiled walk (numba is loaded only by those who resample average precision)."""
    import numba

    @numba.njit(nogil=True)
    def walk(
        present: np.ndarray, last: np.ndarray, unit: np.ndarray, weights_UB: np.ndarray
    ) -> np.ndarray:
        # All resamples walk together, so that the inner loop runs along memory.
        num_replicates = weights_UB.shape[1]
        seen, found, before = (
            np.zeros(num_replicates),
            np.zeros(num_replicates),
            np.zeros(num_replicates),
        )
        area = np.zeros(num_replicates)
        risen = False
        for frame in range(len(present)):
            row = weights_UB[unit[frame]]
            for b in range(num_replicates):
                seen[b] += row[b]
            if present[frame]:
                risen = True
                for b in range(num_replicates):
                    found[b] += row[b]
            if last[frame] and risen:
                risen = False
                for b in range(num_replicates):
                    if found[b] > before[b]:
                        area[b] += (found[b] - before[b]) * found[b] / seen[b]
                        before[b] = found[b]
        for b in range(num_replicates):
            area[b] = area[b] / found[b] if found[b] > 0 else np.nan
        return area

    return walk
