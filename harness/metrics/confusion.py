"""Counts of right and wrong decisions, per AU, and per subject where that is asked for.

A frame is decided present where its score lies above the threshold (strictly: a score of exactly 0
is absent, as in the reference code of the event F1). Frames whose label is unknown are in no count.

Counts of subjects add up: any resample of subjects is a weighted sum of them, so a bootstrap needs
no frames.

Legend: N frames, L action units, U units (subjects), B replicates.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.metrics.validate import check_pair


@dataclass(frozen=True, kw_only=True, eq=False)
class Confusion:
    """Counts with any leading shape and the AUs last: tp present decided present, fp absent decided
    present, fn present decided absent, tn absent decided absent."""

    tp: np.ndarray
    fp: np.ndarray
    fn: np.ndarray
    tn: np.ndarray

    def weighted(self, weights_BU: np.ndarray) -> Confusion:
        """Counts (B, L) of resamples that hold unit u ``weights_BU[b, u]`` times."""
        return Confusion(
            tp=weights_BU @ self.tp,
            fp=weights_BU @ self.fp,
            fn=weights_BU @ self.fn,
            tn=weights_BU @ self.tn,
        )


def confusion_counts(
    labels: np.ndarray, scores: np.ndarray, threshold: float | np.ndarray = 0.0
) -> Confusion:
    """Counts (L,) over all frames. ``threshold``: a number, (L,), or (N, L)."""
    labels_NL, scores_NL = check_pair(labels, scores)
    counts = _by_unit(labels_NL, scores_NL, threshold, np.zeros(len(labels_NL), np.int64), 1)
    return Confusion(**{name: getattr(counts, name)[0] for name in ("tp", "fp", "fn", "tn")})


def confusion_by_unit(
    labels: np.ndarray,
    scores: np.ndarray,
    units: np.ndarray,
    num_units: int,
    threshold: float | np.ndarray = 0.0,
) -> Confusion:
    """Counts (U, L) of each unit; ``units`` (N,) says which of 0 ... U-1 a frame belongs to."""
    labels_NL, scores_NL = check_pair(labels, scores)
    return _by_unit(labels_NL, scores_NL, threshold, units, num_units)


def _by_unit(
    labels_NL: np.ndarray,
    scores_NL: np.ndarray,
    threshold: float | np.ndarray,
    units_N: np.ndarray,
    num_units: int,
) -> Confusion:
    num_aus = labels_NL.shape[1]
    decided_NL = scores_NL > threshold
    # One histogram does it all: 0 unknown, then absent and present, each decided absent or present.
    kind_NL = np.where(labels_NL == 0, 0, 1 + 2 * (labels_NL > 0) + decided_NL)
    cell_NL = (units_N[:, None] * num_aus + np.arange(num_aus)) * 5 + kind_NL
    counts_ULK = np.bincount(cell_NL.ravel(), minlength=num_units * num_aus * 5)
    counts_ULK = counts_ULK.reshape(num_units, num_aus, 5)
    return Confusion(
        tn=counts_ULK[..., 1],
        fp=counts_ULK[..., 2],
        fn=counts_ULK[..., 3],
        tp=counts_ULK[..., 4],
    )
