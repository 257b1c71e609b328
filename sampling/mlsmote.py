"""MLSMOTE: new frames of minority AUs, made between neighbours in feature space.

Charte, Rivera, del Jesus and Herrera (2015). For each frame x of a minority AU, a new one lies at
x + u (neighbour - x), with u uniform in [0, 1) and one of the k nearest frames of the same AU.
Its labels are voted by x and the k neighbours. For features, never for pixels: a mean of two faces
is no face.

What always holds: a new frame lies on the line between two frames of one minority AU; an AU is
present in it if at least half of the voters have it, else unknown if more than half do not know.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from sampling.checked import checked_count, checked_labels
from sampling.imbalance import minority_labels

_BLOCK = 1024  # rows of a distance matrix that are held at a time


def mlsmote(
    features: ArrayLike, labels: ArrayLike, num_neighbours: int = 5, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Synthesised frames, to be appended to the dataset. Time O(n^2 D) for an AU of n positives.

    Args:
        features: (N, D), real and finite.
        labels: (N, L) in {-1, 0, +1}.
        num_neighbours: k, 1 or more; an AU with k frames or less is left as it is.
        seed: 0 or more.

    Returns:
        Features (M, D) in the type given (float64 for integers), and labels int8 (M, L). M is 0
        where there is no minority AU.

    Raises:
        ValueError: shapes that do not fit, or an argument outside its range.
    """
    labels_NL = checked_labels(labels)
    features_ND = np.asarray(features)
    if features_ND.ndim != 2 or len(features_ND) != len(labels_NL):
        raise ValueError(
            f"features must be ({len(labels_NL)}, D), one row a row of the labels, "
            f"but have shape {features_ND.shape}"
        )
    if features_ND.dtype.kind != "f":
        features_ND = features_ND.astype(np.float64)
    num_neighbours = checked_count("num_neighbours", num_neighbours, 1)
    generator = np.random.default_rng(checked_count("seed", seed, 0))

    has_NL = labels_NL > 0
    made_features, made_labels = [features_ND[:0]], [labels_NL[:0]]
    for au in np.flatnonzero(minority_labels(has_NL.sum(axis=0))):
        bag = np.flatnonzero(has_NL[:, au])
        if len(bag) <= num_neighbours:
            continue
        nearest = bag[_nearest(features_ND[bag], num_neighbours)]
        chosen = nearest[np.arange(len(bag)), generator.integers(num_neighbours, size=len(bag))]
        share = generator.random((len(bag), 1)).astype(features_ND.dtype)
        start = features_ND[bag]
        made_features.append(start + share * (features_ND[chosen] - start))
        made_labels.append(_vote(labels_NL[np.column_stack((bag, nearest))]))
    return np.concatenate(made_features), np.concatenate(made_labels)


def _nearest(features_MD: np.ndarray, num_neighbours: int) -> np.ndarray:
    """The k nearest other rows of each row (Euclidean), int64 (M, k)."""
    rows_MD = features_MD.astype(np.float64)
    squares_M = np.einsum("md,md->m", rows_MD, rows_MD)
    nearest = []
    for begin in range(0, len(rows_MD), _BLOCK):
        block = rows_MD[begin : begin + _BLOCK]
        distances = squares_M - 2 * (block @ rows_MD.T)  # the block's own squares change no order
        distances[np.arange(len(block)), begin + np.arange(len(block))] = np.inf
        nearest.append(np.argpartition(distances, num_neighbours - 1, axis=1)[:, :num_neighbours])
    return np.concatenate(nearest)


def _vote(labels_MVL: np.ndarray) -> np.ndarray:
    """Labels of M new frames from V voters each."""
    num_voters = labels_MVL.shape[1]
    present_ML = 2 * np.count_nonzero(labels_MVL > 0, axis=1) >= num_voters
    unknown_ML = 2 * np.count_nonzero(labels_MVL == 0, axis=1) > num_voters
    return np.where(present_ML, 1, np.where(unknown_ML, 0, -1)).astype(np.int8)
