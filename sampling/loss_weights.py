"""Positive weights for the loss: imbalance met by cost instead of by sampling.

The rival that leaves batches alone: with weight absent / present, positives and negatives of an AU
count for equally much in a cross-entropy.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from sampling.checked import checked_labels


def positive_weights(labels: ArrayLike, most: float | None = None) -> np.ndarray:
    """Weight of a positive of each AU, float64 (L,): absent over present frames of known label.

    As torch's ``BCEWithLogitsLoss(pos_weight=...)`` takes it. 1 for an AU that is always or never
    present, about which weights can tell a loss nothing.

    Args:
        labels: (N, L) in {-1, 0, +1}.
        most: upper limit, above 0; None for none.

    Raises:
        ValueError: wrong labels, or a limit that is not above 0.
    """
    labels_NL = checked_labels(labels)
    if most is not None and not most > 0:
        raise ValueError(f"most must be above 0, or None for no limit, not {most!r}")
    present_L = np.count_nonzero(labels_NL > 0, axis=0)
    absent_L = np.count_nonzero(labels_NL < 0, axis=0)
    both_L = (present_L > 0) & (absent_L > 0)
    weights_L = np.where(both_L, absent_L / np.maximum(present_L, 1), 1.0)
    return weights_L if most is None else np.minimum(weights_L, most)
