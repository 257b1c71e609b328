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

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from harness.metrics.undefined import fill_undefined, ratio
from harness.metrics.validate import check_pair

GROUP = 8


def roc_auc(labels: np.ndarray, scores: np.ndarray, *, undefined: str = "nan") -> np.ndarray:
    """Area under the ROC curve per AU (L,); undefined where a class does not occur."""
    pairs = pairs_in_order(labels, scores, np.zeros(len(labels), np.int64), 1)
    return fill_undefined(pairs.roc_auc(np.ones((1, 1)))[0], undefined)


def average_precision(
    labels: np.ndarray, scores: np.ndarray, *, undefined: str = "nan"
) -> np.ndarray:
    """Average precision per AU (L,), the sum over distinct scores of (rise of recall) x precision;
    undefined where the AU is never present."""
    return fill_undefined(average_precision_of(rank_frames(labels, scores)), undefined)


@dataclass(frozen=True, kw_only=True, eq=False)
class Ranked:
    """The K known frames of one AU from the lowest score up (equal scores in the order of rows):
    their ``rows`` (int64), ``scores``, and whether the AU is ``present`` (all (K,))."""

    rows: np.ndarray
    scores: np.ndarray
    present: np.ndarray


def rank_frames(labels: np.ndarray, scores: np.ndarray) -> tuple[Ranked, ...]:
    """One sort an AU, for all measures that ask for the order."""
    labels_NL, scores_NL = check_pair(labels, scores)
    return tuple(
        _rank(labels_NL[:, column], scores_NL[:, column]) for column in range(labels_NL.shape[1])
    )


def _rank(labels_N: np.ndarray, scores_N: np.ndarray) -> Ranked:
    known = np.flatnonzero(labels_N)
    scores_K = scores_N[known]
    order = _stable_order(scores_K)
    rows = known[order]
    return Ranked(rows=rows, scores=scores_K[order], present=labels_N[rows] > 0)


def _stable_order(scores_K: np.ndarray) -> np.ndarray:
    """``argsort(kind="stable")``; single-precision scores and their places go into one integer
    each, whose plain sort is more than twice as fast."""
    if scores_K.dtype != np.float32:
        return np.argsort(scores_K, kind="stable")
    packed = (scores_K + np.float32(0)).view(np.int32).astype(np.int64)  # 0 is added for -0.0
    packed ^= (packed >> 31) & 0x7FFFFFFF  # the bits of a float, so that they order as it does
    packed <<= 32
    packed |= np.arange(len(packed))
    packed.sort()
    packed &= 0xFFFFFFFF
    return packed


def average_precision_of(ranked_L: Sequence[Ranked]) -> np.ndarray:
    """Average precision per AU (L,); NaN where the AU is never present."""
    values_L = np.full(len(ranked_L), np.nan)
    for column, ranked in enumerate(ranked_L):
        found_above = np.cumsum(ranked.present[::-1])
        if not len(found_above) or not found_above[-1]:
            continue
        steps = np.flatnonzero(_last_of_score(ranked.scores))
        found = found_above[steps]
        rise = np.diff(found, prepend=0) / found[-1]
        values_L[column] = np.sum(rise * found / (steps + 1))
    return values_L


def _last_of_score(scores_K: np.ndarray) -> np.ndarray:
    """Walking down ascending scores: which frame is the last of its score."""
    last = np.ones(len(scores_K), dtype=bool)
    last[:-1] = scores_K[:0:-1] != scores_K[-2::-1]
    return last


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
    """Counts the ordered pairs of every two units, AU by AU; ``units`` (N,) says which of
    0 ... U-1 a frame belongs to."""
    return pairs_of(rank_frames(labels, scores), units, num_units)


def pairs_of(ranked_L: Sequence[Ranked], units_N: np.ndarray, num_units: int) -> OrderedPairs:
    """The pairs of frames that are ranked already.

    No pair is ever formed: present frames are taken ``GROUP`` at a time, and of an absent frame is
    counted which groups lie above it, and which frames of the group that it lies in.
    """
    num_aus = len(ranked_L)
    pairs_LUU = np.zeros((num_aus, num_units, num_units))
    present_UL = np.zeros((num_units, num_aus))
    absent_UL = np.zeros((num_units, num_aus))
    for column, ranked in enumerate(ranked_L):
        unit = units_N[ranked.rows]
        of_present, of_absent = unit[ranked.present], unit[~ranked.present]
        present_UL[:, column] = np.bincount(of_present, minlength=num_units)
        absent_UL[:, column] = np.bincount(of_absent, minlength=num_units)
        if not len(of_present) or not len(of_absent):
            continue
        lower, through = _places_among_present(ranked)
        pairs_LUU[column] = _pairs_above(lower, of_absent, of_present, num_units)
        tied = np.flatnonzero(lower < through)
        if len(tied):  # pairs of equal scores are half in order
            of_tied = of_absent[tied]
            above, behind = (
                _pairs_above(place[tied], of_tied, of_present, num_units)
                for place in (lower, through)
            )
            pairs_LUU[column] -= (above - behind) / 2
    return OrderedPairs(pairs_LUU=pairs_LUU, present_UL=present_UL, absent_UL=absent_UL)


def _places_among_present(ranked: Ranked) -> tuple[np.ndarray, np.ndarray]:
    """For every absent frame, how many present frames have lower scores, and lower or equal."""
    seen = np.cumsum(ranked.present)
    first = np.r_[True, ranked.scores[1:] != ranked.scores[:-1]]
    if first.all():
        lower = seen[~ranked.present]
        return lower, lower
    starts = np.flatnonzero(first)
    sizes = np.diff(np.r_[starts, len(first)])
    lower = np.repeat(np.r_[0, seen][starts], sizes)[~ranked.present]
    through = np.repeat(seen[starts + sizes - 1], sizes)[~ranked.present]
    return lower, through


def _pairs_above(
    place: np.ndarray, of_absent: np.ndarray, of_present: np.ndarray, num_units: int
) -> np.ndarray:
    """(U, U) pairs (unit of the present frame, unit of the absent frame), where every absent frame
    pairs with the present frames from its ``place`` on."""
    num_groups = -(-len(of_present) // GROUP)
    group_of_present = np.arange(len(of_present)) // GROUP
    owners_GU = _counts(group_of_present, of_present, num_groups, num_units)
    next_group = -(-place // GROUP)
    below_GU = np.cumsum(_counts(next_group, of_absent, num_groups + 1, num_units), axis=0)
    pairs_UU = owners_GU.T.astype(np.float64) @ below_GU[:-1].astype(np.float64)
    end = np.minimum(next_group * GROUP, len(of_present))
    for _ in range(GROUP - 1):
        short = np.flatnonzero(place < end)  # of the group that it lies in
        place, end, of_absent = place[short], end[short], of_absent[short]
        pairs_UU += _counts(of_present[place], of_absent, num_units, num_units)
        place = place + 1
    return pairs_UU


def _counts(first: np.ndarray, second: np.ndarray, num_first: int, num_second: int) -> np.ndarray:
    """How often each two codes come together."""
    counts = np.bincount(first * num_second + second, minlength=num_first * num_second)
    return counts.reshape(num_first, num_second)


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
    ranked = _rank(labels_N, scores_N)
    return ranked.present[::-1], _last_of_score(ranked.scores), ranked.rows[::-1]


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
