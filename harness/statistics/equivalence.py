"""Bayesian signed-rank test with a region of practical equivalence (Benavoli, Corani, Demsar,
Zaffalon: Time for a change, JMLR 2017, section 4.2.2).

Given the differences of two methods over blocks, it asks: is the first practically worse,
practically the same (within ``rope``), or practically better? The distribution of the differences
is described by a Dirichlet process whose prior is one pseudo-difference of 0 with weight ``prior``;
for each draw w of the weights

    better = sum of w_i w_j over pairs with z_i + z_j > 2 rope,   worse and same accordingly,

and the answer is how often each of the three is the largest.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.errors import UserError


@dataclass(frozen=True, kw_only=True)
class SignedRank:
    """Probabilities, adding up to 1, that the first method is worse, the same, better; within
    ``rope`` counts as the same. ``num_blocks`` had a difference."""

    worse: float
    same: float
    better: float
    rope: float
    num_blocks: int


def bayesian_signed_rank(
    differences: np.ndarray,
    *,
    rope: float = 0.01,
    prior: float = 0.5,
    draws: int = 20_000,
    seed: int = 0,
) -> SignedRank:
    """Compares two methods by their differences (first minus second) over blocks.

    NaN differences are left out. ``rope`` is in the metric's own unit (0.01 is one F1 point);
    ``prior`` the weight of the pseudo-difference, above 0; ``draws`` how many weightings of the
    blocks are drawn.

    Raises:
        UserError: no difference that is a number, or an option out of its range.
    """
    values = np.asarray(differences, np.float64).ravel()
    values = values[~np.isnan(values)]
    if not len(values):
        raise UserError("there is no difference to compare two methods by")
    for name, number in (("prior", prior), ("draws", draws)):
        if not number > 0:
            raise UserError(f"{name}={number} must be above 0")
    if rope < 0:
        raise UserError(f"rope={rope} must not be negative")
    strength = np.r_[prior, np.ones(len(values))]
    values = np.r_[0.0, values]
    order = np.argsort(values)
    values, strength = values[order], strength[order]
    # Sorted, the partners j that make a pair with i large enough are those from a place onwards.
    above = np.searchsorted(values, 2 * rope - values, side="right")
    below = np.searchsorted(values, -2 * rope - values, side="left")
    weights = np.random.default_rng(seed).dirichlet(strength, size=draws)
    running = np.concatenate([np.zeros((draws, 1)), np.cumsum(weights, axis=1)], axis=1)
    better = (weights * (running[:, -1:] - running[:, above])).sum(axis=1)
    worse = (weights * running[:, below]).sum(axis=1)
    largest = np.argmax(np.stack([1 - better - worse, worse, better], axis=1), axis=1)
    same_share, worse_share, better_share = np.bincount(largest, minlength=3) / draws
    return SignedRank(
        worse=float(worse_share),
        same=float(same_share),
        better=float(better_share),
        rope=rope,
        num_blocks=len(values) - 1,
    )
