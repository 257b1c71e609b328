"""An AU's latent split into parts of different pace, from figures of coded video in closed form.

The model of ``labels.py`` is a Gaussian process per AU that is present where it is above zero.
Given the task, its mean gives the base rate; its variance 1 is split into a part that stays with
the person, a part that stays with the person in that task, and several processes of different pace:

- a lag's autocorrelation, inverted through the bivariate Gaussian, is the latent's correlation at
  that lag; non-negative least squares over time constants turns those into variances;
- the variance of the people's base rates, the same way, gives the person's part;
- two AUs' phi, inverted over the tasks, gives their latent correlation (for one task: tetrachoric).

What always holds: an AU's parts are at least 0 and add up to 1, and the correlations are those of a
Gaussian.

Legend: L action units, T tasks, K time constants.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.optimize import nnls

from harness.synthetic.bivariate import both_above, solve
from harness.synthetic.process import mean_of_a_sequence, process_correlation

TIME_CONSTANTS = (1.5, 4.0, 10.0, 25.0, 60.0, 150.0, 400.0)


def fit(
    target: dict[str, Any],
    means_TL: np.ndarray,
    weights_T: np.ndarray,
    tetrachoric: np.ndarray | None = None,
    shrink: float = 0.0,
) -> dict[str, Any]:
    """The latent model whose thresholded frames have the target's figures.

    Args:
        target: one entry of ``targets.json``.
        means_TL: the latent's mean for each task, Phi^-1(rate).
        weights_T: each task's share of the frames.
        tetrachoric: latent correlations to use instead of those that the target's phi asks for.
        shrink: how strongly an AU's paces are drawn to those of all AUs. Figures of few events are
            noisy, and AUs that do not share their paces cannot come together.
    """
    rates_L = np.asarray(target["base_rate"])
    lags = np.array([int(lag) for lag in target["autocorrelation"]])
    autocorrelation_KL = np.array(list(target["autocorrelation"].values()))
    spread = rates_L * (1 - rates_L)

    def pooled(correlation: np.ndarray) -> np.ndarray:
        return np.tensordot(weights_T, both_above(means_TL, means_TL, correlation), 1)

    latent_KL = np.stack(
        [solve(pooled, row * spread + rates_L**2) for row in autocorrelation_KL], 0
    )
    columns = np.stack(
        [np.ones(len(lags)), *[process_correlation(tau, lags) for tau in TIME_CONSTANTS]], 1
    )
    free = [_parts(latent_KL[:, unit], columns) for unit in range(len(rates_L))]
    common = np.mean(free, axis=0)
    person, stay, paces = [], [], []
    sequence_frames = int(target["frames"] / target["sequences"])
    for unit in range(len(rates_L)):
        part = _parts(latent_KL[:, unit], columns, common=common, shrink=shrink)
        own = _person_variance(
            target["subject_sd"][unit],
            rates_L[unit],
            means_TL[:, unit],
            weights_T,
            part,
            sequence_frames,
        )
        if own > part[0]:  # people differ more than the longest lag tells
            part = _parts(latent_KL[:, unit], columns, own, common, shrink)
        person.append(own)
        stay.append(part[0] - own)
        paces.append(part[1:])
    paces_KL = np.array(paces).T
    # the means of a sequence's processes are drawn as one, with what stays with the person there
    _, of_mean_K = mean_of_a_sequence(TIME_CONSTANTS, np.eye(len(paces_KL)), sequence_frames)
    staying_L = stay + of_mean_K @ paces_KL
    shares_ML = np.vstack([person, staying_L, (1 - of_mean_K)[:, None] * paces_KL])
    if tetrachoric is None:
        tetrachoric = latent_correlations(np.asarray(target["phi"]), means_TL, weights_T, rates_L)
    # parts of different pace do not correlate: what is shared must make up for it
    roots_ML = np.sqrt(shares_ML)
    kept = np.maximum(roots_ML.T @ roots_ML, 0.4)
    return {
        "person": person,
        "person_task": stay,
        "time_constants": list(TIME_CONSTANTS),
        "paces": paces_KL.tolist(),
        "correlation": _nearest_correlation(tetrachoric / kept).tolist(),
    }


def _parts(
    latent_K: np.ndarray,
    columns: np.ndarray,
    constant: float | None = None,
    common: np.ndarray | float = 0.0,
    shrink: float = 0.0,
) -> np.ndarray:
    """Variances (constant, then one per time constant, sum 1) behind correlations at the lags."""
    # a small error at lag 1 changes the number of events, so rows weigh by their distance to 1
    weight = np.append(1 / np.maximum(1 - latent_K, 0.002), 3000.0)  # the last row: sum 1
    rows = np.vstack([columns, np.ones(columns.shape[1])]) * weight[:, None]
    wanted = np.append(latent_K, 1.0) * weight
    rows = np.vstack([rows, shrink * np.eye(columns.shape[1])])
    wanted = np.append(wanted, shrink * common * np.ones(columns.shape[1]))
    if constant is None:
        part, _ = nnls(rows, wanted)
        return np.asarray(part / part.sum())
    part, _ = nnls(rows[:, 1:], wanted - constant * rows[:, 0])
    return np.append(constant, part * (1 - constant) / part.sum())


def _person_variance(
    sd: float,
    rate: float,
    means_T: np.ndarray,
    weights_T: np.ndarray,
    part: np.ndarray,
    num_frames: int,
) -> float:
    """The person's share of the variance, from the spread of the people's base rates."""
    lags = np.unique(np.geomspace(1, num_frames, 60).astype(int))
    latent = part[0] + sum(
        v * process_correlation(tau, lags) for v, tau in zip(part[1:], TIME_CONSTANTS, strict=True)
    )
    within = both_above(means_T[:, None], means_T[:, None], latent[None, :])
    # mean over all pairs of frames of one sequence
    share = np.gradient(lags) * (1 - lags / num_frames)
    within_T = within @ (share / share.sum())
    weights_TT = np.outer(weights_T, weights_T)
    across = ~np.eye(len(weights_T), dtype=bool)

    def variance(correlation: np.ndarray) -> np.ndarray:
        pairs = both_above(means_T[:, None], means_T[None, :], correlation)
        between = (weights_TT * pairs)[across].sum() + (weights_T**2 * within_T).sum()
        return np.asarray(between - rate**2)

    if len(weights_T) == 1:
        return float(min(part[0], 0.95))
    return float(np.clip(solve(variance, np.asarray(sd**2)), 0.02, 0.7))


def latent_correlations(
    phi: np.ndarray, means_TL: np.ndarray, weights_T: np.ndarray, rates_L: np.ndarray
) -> np.ndarray:
    """(L, L) correlations of the latents that give the presence its phi, pooled over the tasks."""
    deviations = np.sqrt(rates_L * (1 - rates_L))
    both = phi * np.outer(deviations, deviations) + np.outer(rates_L, rates_L)

    def pooled(correlation: np.ndarray) -> np.ndarray:
        pairs = both_above(means_TL[:, :, None], means_TL[:, None, :], correlation)
        return np.tensordot(weights_T, pairs, 1)

    correlation = solve(pooled, both)
    np.fill_diagonal(correlation, 1.0)
    return correlation


def _nearest_correlation(matrix: np.ndarray) -> np.ndarray:
    """The matrix with eigenvalues of at least .01 and unit diagonal, by alternating projections."""
    matrix = np.clip(matrix, -0.99, 0.99)
    for _ in range(50):
        np.fill_diagonal(matrix, 1.0)
        values, vectors = np.linalg.eigh(matrix)
        matrix = (vectors * np.maximum(values, 0.01)) @ vectors.T
    scale = 1 / np.sqrt(np.diag(matrix))
    return np.asarray(matrix * np.outer(scale, scale))
