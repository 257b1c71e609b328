"""What a predicted number means, and the score that it becomes (> 0 means present).

    presence       0 or 1                        threshold 0.5
    probability    0 to 1                        present from 0.5 on, or from --threshold on
    intensity      0 and above (FACS: 0 to 5)    present from --threshold on, which must be named
    score          any real number               present above 0, or above --threshold

A probability becomes its log odds less those of the threshold. 1e-9 and 1e-12, less one half, would
be one number; so they stay apart, and a reliability diagram, which reads a score as log odds, shows
the probabilities that were given (at a threshold of 0.5).

What always holds: the order of the numbers is the order of the scores, so that ranking measures
such as ROC AUC do not depend on the threshold.

Legend: N rows, L action units.
"""

from __future__ import annotations

import numpy as np

from harness.errors import UserError
from harness.registry import suggestion

DEFAULTS: dict[str, float | None] = {
    "presence": 0.5,
    "probability": 0.5,
    "intensity": None,
    "score": 0.0,
}
KINDS = tuple(DEFAULTS)


def threshold_of(kind: str, threshold: float | None) -> float:
    """The threshold in force for a kind of number.

    Raises:
        UserError: unknown kind, a kind that needs a threshold without one, or one out of range.
    """
    if kind not in DEFAULTS:
        raise UserError(f"unknown kind {kind!r}{suggestion(kind, KINDS)}")
    default = DEFAULTS[kind]
    if threshold is None and default is None:
        raise UserError(
            f"kind {kind!r} needs --threshold: the least value that counts as present "
            "(2 on the FACS scale of 0 to 5 is usual for DISFA)"
        )
    if threshold is not None and kind == "presence":
        raise UserError("kind 'presence' is 0 or 1 and takes no --threshold")
    chosen = float(default if threshold is None else threshold)  # type: ignore[arg-type]
    highest = 1.0 if kind == "probability" else np.inf
    if kind != "score" and not 0 < chosen <= highest:
        raise UserError(
            f"--threshold {chosen:g} of kind {kind!r} must lie above 0"
            + (" and up to 1" if kind == "probability" else "")
        )
    if not np.isfinite(chosen):
        raise UserError(f"--threshold {chosen} must be a number")
    return chosen


def out_of_range(values_NL: np.ndarray, kind: str) -> np.ndarray:
    """bool (N, L): numbers that the kind does not allow. NaN is not among them."""
    with np.errstate(invalid="ignore"):
        if kind == "presence":
            return np.isfinite(values_NL) & (values_NL != 0) & (values_NL != 1)
        if kind == "probability":
            return (values_NL < 0) | (values_NL > 1)
        if kind == "intensity":
            return (values_NL < 0) | np.isinf(values_NL)
        return np.isinf(values_NL)


RANGES = {
    "presence": "0 or 1",
    "probability": "between 0 and 1",
    "intensity": "0 or more",
    "score": "finite",
}


def to_scores(values_NL: np.ndarray, kind: str, threshold: float) -> np.ndarray:
    """float32 (N, L), > 0 means present: the numbers of that ``kind`` less their threshold, for
    probabilities as log odds.

    A probability or intensity that equals its threshold counts as present: it becomes the smallest
    positive float32, above every score of a lower number and below that of any higher one.
    """
    values_NL = np.asarray(values_NL, np.float64)
    if kind == "probability":
        scores_NL = _log_odds(values_NL) - _log_odds(np.array(threshold))
    else:
        scores_NL = values_NL - threshold
    scores_NL = scores_NL.astype(np.float32)
    if kind in ("probability", "intensity"):  # rounding decides nothing
        present_NL, tiny = values_NL >= threshold, np.finfo(np.float32).tiny
        scores_NL = np.where(
            present_NL, np.maximum(scores_NL, tiny), np.minimum(scores_NL, np.float32(0))
        )
    return scores_NL


def _log_odds(probabilities: np.ndarray) -> np.ndarray:
    """log(p / (1 - p)), with those of 0 and 1 a little beyond all others that float64 can hold."""
    with np.errstate(divide="ignore"):
        return np.clip(np.log(probabilities) - np.log1p(-probabilities), -800, 800)
