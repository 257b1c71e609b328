"""Resampling a dataset once, before training: ML-ROS, ML-RUS, LP-ROS, LP-RUS.

Rivals of the batch strategies (Charte, Rivera, del Jesus and Herrera, 2013, 2015). Each gives the
rows of the new dataset as sorted int64 indices into the old one, with repeats (over-sampling) or
omissions (under-sampling). ML works by AU, LP by label power set: frames with the very same AUs.

What always holds: over-sampling keeps every row and adds at most ``fraction`` of their number;
under-sampling removes at most that, and no row twice; equal seeds give equal rows.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from sampling.checked import checked_count, checked_fraction, checked_labels
from sampling.imbalance import imbalance_ratios, minority_labels


def ml_ros(labels: ArrayLike, fraction: float = 0.25, seed: int = 0) -> np.ndarray:
    """Repeats random frames of minority AUs, each AU in turn, until the dataset has grown.

    An AU drops out when its imbalance ratio has come down to the mean that the original dataset
    had; so the growth may end early.

    Args:
        labels: (N, L) in {-1, 0, +1}.
        fraction: growth in parts of N, in (0, 1).
        seed: 0 or more.

    Raises:
        ValueError: wrong labels, or an argument outside its range.
    """
    has_NL, wanted, generator = _start(labels, fraction, seed)
    counts_L = has_NL.sum(axis=0)
    open_aus = [int(au) for au in np.flatnonzero(minority_labels(counts_L))]
    mean_ratio = np.nanmean(imbalance_ratios(counts_L)) if open_aus else np.nan
    bags = {au: np.flatnonzero(has_NL[:, au]) for au in open_aus}
    clones: list[int] = []
    while open_aus and len(clones) < wanted:
        for au in tuple(open_aus)[: wanted - len(clones)]:
            clones.append(int(generator.choice(bags[au])))
            counts_L += has_NL[clones[-1]]
            if counts_L.max() / counts_L[au] <= mean_ratio:
                open_aus.remove(au)
    return np.sort(np.concatenate((np.arange(len(has_NL)), np.array(clones, dtype=np.int64))))


def ml_rus(labels: ArrayLike, fraction: float = 0.25, seed: int = 0) -> np.ndarray:
    """Removes random frames of majority AUs that carry no minority AU, each AU in turn.

    An AU drops out when it has no such frame left, or has itself become a minority.

    Args, Raises: as ``ml_ros``; ``fraction`` is what is removed, in parts of N.
    """
    has_NL, wanted, generator = _start(labels, fraction, seed)
    counts_L = has_NL.sum(axis=0)
    minority_L = minority_labels(counts_L)
    mean_ratio = np.nanmean(imbalance_ratios(counts_L)) if counts_L.any() else np.nan
    spared_N = has_NL[:, minority_L].any(axis=1)
    open_aus = [int(au) for au in np.flatnonzero(~minority_L & (counts_L > 0))]
    bags = {
        au: generator.permutation(np.flatnonzero(has_NL[:, au] & ~spared_N)).tolist()
        for au in open_aus
    }
    kept_N = np.ones(len(has_NL), dtype=bool)
    num_removed = 0
    while open_aus and num_removed < wanted:
        for au in tuple(open_aus):
            while bags[au] and not kept_N[bags[au][-1]]:  # removed for another AU
                bags[au].pop()
            is_minority = counts_L[au] == 0 or counts_L.max() / counts_L[au] > mean_ratio
            if not bags[au] or is_minority:
                open_aus.remove(au)
            elif num_removed < wanted:
                frame = bags[au].pop()
                kept_N[frame] = False
                counts_L -= has_NL[frame]
                num_removed += 1
    return np.flatnonzero(kept_N)


def lp_ros(labels: ArrayLike, fraction: float = 0.25, seed: int = 0) -> np.ndarray:
    """Repeats random frames of label sets that are smaller than the mean, up to the mean.

    The growth is shared evenly, starting at the largest of them; what one has no room for goes to
    those after it.

    Args, Raises: as ``ml_ros``.
    """
    has_NL, wanted, generator = _start(labels, fraction, seed)
    bags, mean_size = _label_sets(has_NL)
    small = sorted((bag for bag in bags if len(bag) < mean_size), key=len, reverse=True)
    clones = [np.arange(len(has_NL))]
    for bag, growth in zip(small, _shares(small, wanted, mean_size), strict=True):
        clones.append(generator.choice(bag, size=growth))
    return np.sort(np.concatenate(clones))


def lp_rus(labels: ArrayLike, fraction: float = 0.25, seed: int = 0) -> np.ndarray:
    """Removes random frames of label sets that are larger than the mean, down to the mean.

    The loss is shared evenly, starting at the smallest of them; what one cannot give is asked of
    those after it.

    Args, Raises: as ``ml_ros``; ``fraction`` is what is removed, in parts of N.
    """
    has_NL, wanted, generator = _start(labels, fraction, seed)
    bags, mean_size = _label_sets(has_NL)
    large = sorted((bag for bag in bags if len(bag) > mean_size), key=len)
    kept_N = np.ones(len(has_NL), dtype=bool)
    for bag, loss in zip(large, _shares(large, wanted, mean_size), strict=True):
        kept_N[generator.choice(bag, size=loss, replace=False)] = False
    return np.flatnonzero(kept_N)


RESAMPLERS: dict[str, Callable[[ArrayLike, float, int], np.ndarray]] = {
    "ml_ros": ml_ros,
    "ml_rus": ml_rus,
    "lp_ros": lp_ros,
    "lp_rus": lp_rus,
}


def _start(
    labels: ArrayLike, fraction: float, seed: int
) -> tuple[np.ndarray, int, np.random.Generator]:
    has_NL = checked_labels(labels) > 0
    fraction = checked_fraction("fraction", fraction, may_be_zero=False)
    generator = np.random.default_rng(checked_count("seed", seed, 0))
    return has_NL, int(fraction * len(has_NL)), generator


def _label_sets(has_NL: np.ndarray) -> tuple[list[np.ndarray], float]:
    """Frames by label set, and the mean number of frames in a set."""
    packed_NW = np.packbits(has_NL, axis=1)
    _, set_N = np.unique(packed_NW, axis=0, return_inverse=True)
    order_N = np.argsort(set_N.ravel(), kind="stable")
    bags = np.split(order_N, np.cumsum(np.bincount(set_N.ravel()))[:-1])
    return bags, len(has_NL) / len(bags)


def _shares(bags: list[np.ndarray], wanted: int, mean_size: float) -> list[int]:
    """Frames to add or remove for each bag: an even share, at most up or down to the mean."""
    shares = []
    for number, bag in enumerate(bags):
        even = wanted // (len(bags) - number)
        shares.append(min(even, int(abs(len(bag) - mean_size))))
        wanted -= shares[-1]
    return shares
