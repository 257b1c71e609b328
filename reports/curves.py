"""Curves over the score of one AU: precision against recall, and how well scores can be trusted.

Reliability (calibration): a score s is read as the probability 1 / (1 + exp(-s)), so that a score
of 0, the fixed threshold, is one half. That is what a logit means; the score of a margin method is
no probability, and its diagram shows how far from one it is. Frames are put into ten bins of equal
width; the expected calibration error (ECE) is the mean distance between the share of frames present
and the mean probability, weighted by frames.

Legend: L action units.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.metrics.ranking import Ranked

NUM_BINS = 10
NUM_POINTS = 80
EDGES = np.linspace(0, 1, NUM_BINS + 1)[1:-1]


@dataclass(frozen=True, kw_only=True, eq=False)
class PrecisionRecall:
    """At most ``NUM_POINTS`` points of a precision-recall curve, recall rising; empty if the AU is
    never present. ``at_zero`` is the (recall, precision) of the fixed threshold."""

    recall: np.ndarray
    precision: np.ndarray
    at_zero: tuple[float, float] | None


@dataclass(frozen=True, kw_only=True, eq=False)
class Reliability:
    """Per bin that holds frames: mean probability, share of frames present, number of frames."""

    predicted: np.ndarray
    present: np.ndarray
    frames: np.ndarray

    @property
    def error(self) -> float:
        """Expected calibration error in [0, 1]; NaN without frames."""
        if not self.frames.sum():
            return float("nan")
        return float(np.average(np.abs(self.predicted - self.present), weights=self.frames))


def precision_recall(ranked_L: Sequence[Ranked]) -> tuple[PrecisionRecall, ...]:
    """One curve per AU; unknown labels are left out, tied scores are one step."""
    return tuple(_curve(ranked) for ranked in ranked_L)


def _curve(ranked: Ranked) -> PrecisionRecall:
    hits, misses = ranked.scores[ranked.present], ranked.scores[~ranked.present]
    if not len(hits):
        return PrecisionRecall(recall=np.zeros(0), precision=np.zeros(0), at_zero=None)
    ranks = np.ceil(np.linspace(0, 1, NUM_POINTS) * len(hits)).astype(np.int64).clip(1)
    thresholds = np.unique(hits[len(hits) - ranks])[::-1]
    found = len(hits) - np.searchsorted(hits, thresholds, side="left")
    wrong = len(misses) - np.searchsorted(misses, thresholds, side="left")
    hits_above = int(len(hits) - np.searchsorted(hits, 0, side="right"))
    decided = hits_above + int(len(misses) - np.searchsorted(misses, 0, side="right"))
    at_zero = (hits_above / len(hits), hits_above / decided) if decided else None
    return PrecisionRecall(
        recall=found / len(hits), precision=found / (found + wrong), at_zero=at_zero
    )


def reliability(ranked_L: Sequence[Ranked]) -> tuple[Reliability, ...]:
    """One reliability diagram per AU; unknown labels are left out."""
    diagrams = []
    for ranked in ranked_L:
        scores = np.clip(ranked.scores.astype(np.float64), -60, 60)
        probability = 1 / (1 + np.exp(-scores))
        # In order of score a bin is a stretch; a score of 0 goes with the absent.
        ends = np.r_[0, np.searchsorted(probability, EDGES, side="right"), len(scores)]
        frames = np.diff(ends)
        kept = frames > 0
        starts = ends[:-1][kept]
        sums = [
            np.add.reduceat(values.astype(np.float64), starts) if len(scores) else np.zeros(0)
            for values in (probability, ranked.present)
        ]
        diagrams.append(
            Reliability(
                predicted=sums[0] / frames[kept],
                present=sums[1] / frames[kept],
                frames=frames[kept],
            )
        )
    return tuple(diagrams)
