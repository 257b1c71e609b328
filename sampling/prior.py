"""Prior correction: what a batch strategy adds to the log-odds of each AU, to be taken off again.

A classifier that is trained on batches in which an AU occurs at rate b, while it occurs at rate t
in the data, learns logits that are too high by log-odds(b) - log-odds(t). Without the correction,
part of what such a strategy gains in F1 at a fixed threshold is a shifted threshold; the corrected
run is its control.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike

from sampling.checked import checked_labels
from sampling.diagnostics import composition


def base_rates(labels: ArrayLike) -> np.ndarray:
    """Share of present among known labels of each AU, float64 (L,); nan where none is known."""
    labels_NL = checked_labels(labels)
    known_L = np.count_nonzero(labels_NL, axis=0)
    present_L = np.count_nonzero(labels_NL > 0, axis=0)
    return np.where(known_L > 0, present_L / np.maximum(known_L, 1), np.nan)


def prior_offsets(batch_rates: ArrayLike, training_rates: ArrayLike) -> np.ndarray:
    """What to subtract from each AU's logits, float64 (L,): log-odds(batch) - log-odds(training).

    0 for an AU with a rate that is unknown (nan), 0 or 1: no finite shift tells it from anything.

    Args:
        batch_rates: (L,) in [0, 1], share of present among known labels in the batches.
        training_rates: (L,) in [0, 1], the same in the training data.

    Raises:
        ValueError: shapes that differ, or rates outside [0, 1].
    """
    rates_2L = np.array([np.asarray(rates, dtype=float) for rates in (batch_rates, training_rates)])
    if ((rates_2L < 0) | (rates_2L > 1)).any():
        raise ValueError("base rates must be in [0, 1]")
    inside_L = ((rates_2L > 0) & (rates_2L < 1)).all(axis=0)
    odds_2L = np.log(np.where(inside_L, rates_2L, 0.5)) - np.log1p(
        -np.where(inside_L, rates_2L, 0.5)
    )
    return odds_2L[0] - odds_2L[1]


def stream_prior_offsets(labels: ArrayLike, batches: Iterable[np.ndarray]) -> np.ndarray:
    """``prior_offsets`` of a batch stream, measured on the batches given (say, one epoch)."""
    return prior_offsets(composition(labels, batches).base_rates_L, base_rates(labels))
