"""Probabilities of two correlated Gaussians, and what a threshold makes of a correlation.

``both_above(h, k, r)`` is P(X > -h, Y > -k) for standard normal X, Y with correlation r, by
integrating the density over the correlation angle (Drezner and Wesolowsky 1990): a smooth
integrand, so 40 Gauss-Legendre nodes give it to better than 1e-6 for |r| <= .999.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.special import ndtr

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(40)


def both_above(h: np.ndarray, k: np.ndarray, r: np.ndarray) -> np.ndarray:
    """P(X > -h and Y > -k), elementwise; ``r`` in (-1, 1)."""
    h, k, r = np.broadcast_arrays(np.asarray(h, float), np.asarray(k, float), np.asarray(r, float))
    angle = np.arcsin(np.clip(r, -0.99995, 0.99995))
    theta = angle[..., None] * (_NODES + 1) / 2
    sine, cosine2 = np.sin(theta), np.cos(theta) ** 2
    h2k2, hk = (h**2 + k**2)[..., None], (h * k)[..., None]
    density = np.exp(-(h2k2 - 2 * hk * sine) / (2 * cosine2))
    return ndtr(h) * ndtr(k) + angle / 2 / (2 * np.pi) * (density @ _WEIGHTS)


def solve(function: Callable[[np.ndarray], np.ndarray], target: np.ndarray) -> np.ndarray:
    """The r in (-.999, .9999) with function(r) = target, elementwise; function increases in r.

    A target beyond the reach of any correlation gives the nearest end of the interval.
    """
    low = np.full(np.shape(target), -0.999)
    high = np.full(np.shape(target), 0.9999)
    for _ in range(40):
        middle = (low + high) / 2
        below = function(middle) < target
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return (low + high) / 2
