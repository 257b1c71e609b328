"""The random process behind an action unit's pace, and how its mean over a sequence is told apart.

Second-order and stationary, with a double pole: its paths are smooth, so that it crosses zero once
where a first-order process would flicker. A slow process hardly moves within a sequence, so its
mean there acts like one more offset of the person; ``mean_of_a_sequence`` tells how to take it out
of a path, so that ``labels.py`` can draw it for all people together.

Legend: T frames of one sequence, L action units, K time constants.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike


def process_correlation(time_constant: np.ndarray | float, lag: np.ndarray | float) -> np.ndarray:
    """Correlation of the process at a lag; both in frames."""
    pole = np.exp(-1 / np.asarray(time_constant, float))
    lag = np.asarray(lag, float)
    return np.asarray((1 + lag * (1 - pole**2) / (1 + pole**2)) * pole**lag)


def path(time_constant: float, start_2L: np.ndarray, noise_TL: np.ndarray) -> np.ndarray:
    """(T, L) paths of variance 1 driven by white noise, begun in their stationary state.

    Args:
        time_constant: frames.
        start_2L: standard normal draws for the first two frames.
        noise_TL: standard normal draws, correlated over the AUs as the paths shall be.
    """
    from scipy.signal import lfilter

    pole = np.exp(-1 / time_constant)
    neighbour = 2 * pole / (1 + pole**2)
    before = start_2L[0]
    last = neighbour * before + np.sqrt(1 - neighbour**2) * start_2L[1]
    drive = np.sqrt((1 - pole**2) ** 3 / (1 + pole**2))
    state = np.stack([2 * pole * last - pole**2 * before, -(pole**2) * last])
    made, _ = lfilter([1.0], [1.0, -2 * pole, pole**2], drive * noise_TL, axis=0, zi=state)
    return np.asarray(made)


def mean_of_a_sequence(
    time_constants_K: ArrayLike, paces_KL: np.ndarray, num_frames: int
) -> tuple[np.ndarray, np.ndarray]:
    """What the mean of a sequence says of its frames, for a sum of processes.

    Args:
        time_constants_K: frames.
        paces_KL: variance of each process; an AU's sum must be above 0.

    Returns:
        The regression (T, L) of each frame on the mean, which averages 1, and the mean's variance
        (L,). ``path - regression * path.mean(0)`` does not depend on the mean.
    """
    lags = np.arange(num_frames)
    sums_KT = np.cumsum(process_correlation(np.asarray(time_constants_K)[:, None], lags), axis=1)
    with_mean_KT = (sums_KT + sums_KT[:, ::-1] - 1) / num_frames
    covariance_TL = with_mean_KT.T @ paces_KL
    variance_L = covariance_TL.mean(axis=0)
    return covariance_TL / variance_L, variance_L
