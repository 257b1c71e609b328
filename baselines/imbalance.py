"""Rare AUs: how much each frame counts in each AU's loss.

The paper does not say how its baselines met imbalance (open question A-8.1), so it is a choice:

- ``none``: every known frame counts 1, the plain SVM;
- ``balanced``: the two classes of an AU weigh the same, n / (2 n_class);
- ``subsample``: each subject keeps all its positives of an AU and twice as many negatives, drawn
  without replacement; a subject without positives gives none.

What always holds: weights are 0 where the label is unknown; AUs are drawn independently of each
other, reproducibly by seed.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from baselines.linear import frame_weights

Imbalance = Literal["none", "balanced", "subsample"]


def imbalance_weights(
    labels_NL: np.ndarray, subjects_N: np.ndarray, imbalance: Imbalance, seed: int
) -> np.ndarray:
    """float32 (N, L) weights of the frames in each AU's loss."""
    if imbalance == "balanced":
        return frame_weights(labels_NL, "balanced")
    if imbalance == "subsample":
        return draw_per_subject(labels_NL, subjects_N, seed, ratio=2.0).astype(np.float32)
    return frame_weights(labels_NL)


def draw_per_subject(
    labels_NL: np.ndarray,
    subjects_N: np.ndarray,
    seed: int,
    *,
    positives: int | None = None,
    negatives: int | None = None,
    ratio: float | None = None,
) -> np.ndarray:
    """bool (N, L): the frames drawn for each AU.

    Args:
        positives, negatives: frames of each class that a subject gives at most; all if None.
        ratio: negatives that a subject gives at most for each positive drawn from it.
    """
    generator = np.random.default_rng(seed)
    drawn_NL = np.zeros(labels_NL.shape, dtype=bool)
    _, codes_N = np.unique(subjects_N.astype(str), return_inverse=True)
    for au in range(labels_NL.shape[1]):
        # One random order of all frames; within (subject, class) its first ones are the draw.
        order = generator.permutation(len(labels_NL))
        order = order[np.argsort(codes_N[order], kind="stable")]
        signs, codes = labels_NL[order, au], codes_N[order]
        rank_positive = _rank_within(codes, signs > 0)
        rank_negative = _rank_within(codes, signs < 0)
        limit_positive = np.inf if positives is None else positives
        take_positive = (signs > 0) & (rank_positive < limit_positive)
        limit_negative = np.full(len(order), np.inf if negatives is None else negatives)
        if ratio is not None:
            count = np.bincount(codes[take_positive], minlength=codes_N.max(initial=0) + 1)
            limit_negative = np.minimum(limit_negative, np.floor(ratio * count)[codes])
        drawn_NL[order, au] = take_positive | ((signs < 0) & (rank_negative < limit_negative))
    return drawn_NL


def _rank_within(codes: np.ndarray, members: np.ndarray) -> np.ndarray:
    """For rows sorted by code: how many members of the same code stand before each row."""
    before = np.cumsum(members) - members
    starts = np.flatnonzero(np.r_[True, codes[1:] != codes[:-1]]) if len(codes) else codes
    lengths = np.diff(np.r_[starts, len(codes)])
    return before - np.repeat(before[starts], lengths)
