"""How weights are chosen on validation subjects: by mean F1 over their frames at threshold 0.

An AU that validation never shows present has no F1 and is left out of the mean.
"""

from __future__ import annotations

import numpy as np

from harness.metrics import frame_f1


def mean_f1(labels_NL: np.ndarray, scores_NL: np.ndarray) -> float:
    """Mean F1 over the AUs that have a present frame; 0 where none has."""
    f1_L = frame_f1(labels_NL, scores_NL)
    return float(np.nanmean(f1_L)) if np.isfinite(f1_L).any() else 0.0
