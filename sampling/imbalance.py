"""How uneven a label matrix is: imbalance ratios per AU, and per frame (SCUMBLE).

Measures of Charte, Rivera, del Jesus and Herrera (2013, 2015), which their resamplers use to tell
minority from majority AUs. An AU without positives has no ratio (nan) and is neither.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from sampling.checked import checked_labels


def imbalance_ratios(counts_L: np.ndarray) -> np.ndarray:
    """IRLbl, float64 (L,): positives of the most frequent AU over those of each; nan for none."""
    counts_L = np.asarray(counts_L, dtype=float)
    return np.where(counts_L > 0, counts_L.max() / np.where(counts_L > 0, counts_L, 1.0), np.nan)


def minority_labels(counts_L: np.ndarray) -> np.ndarray:
    """Whether each AU's IRLbl is above their mean (MeanIR), bool (L,)."""
    ratios_L = imbalance_ratios(counts_L)
    if np.isnan(ratios_L).all():
        return np.zeros(len(ratios_L), dtype=bool)
    return ratios_L > np.nanmean(ratios_L)


def scumble(labels: ArrayLike) -> np.ndarray:
    """Concurrence of rare and frequent AUs in each frame, float64 (N,) in [0, 1).

    1 - geometric / arithmetic mean of IRLbl over the frame's AUs; 0 for frames without any.
    """
    has_NL = checked_labels(labels) > 0
    ratios_L = np.nan_to_num(imbalance_ratios(has_NL.sum(axis=0)), nan=1.0)
    num_N = np.maximum(has_NL.sum(axis=1), 1)
    geometric_N = np.exp(has_NL @ np.log(ratios_L) / num_N)
    arithmetic_N = has_NL @ ratios_L / num_N
    return np.where(has_NL.any(axis=1), 1 - geometric_N / np.maximum(arithmetic_N, 1e-300), 0.0)
