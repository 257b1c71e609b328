"""Which AUs go together and which compete: the relation sets P and Q of JPML.

- ``data``: from training labels. A pair is in P if its phi correlation, over frames where both
  labels are known, is at least 0.40; it is in Q if phi is at most -0.05 and one AU makes the other
  at most half as likely as it is overall. (Rare labels cannot reach a phi far below 0, so a plain
  cut on phi would leave Q empty.)
- ``curated``: pairs that the literature on facial expression names.

The source counted its relations on 350,000 labelled frames and prints them as a figure that we have
not read (open question A-2.3).

What always holds: both relations are symmetric, and no pair is in both; test labels take no part.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

RelationSource = Literal["data", "curated"]

TOGETHER = 0.40
APART = -0.05
LIFT = 0.5
CURATED_TOGETHER = ((1, 2), (4, 7), (6, 12), (15, 17), (15, 24), (17, 24), (23, 24))
CURATED_APART = ((2, 6), (2, 7), (12, 15), (12, 17))


@dataclass(frozen=True, kw_only=True)
class Relations:
    """Adjacency float32 (L, L) of P and Q: symmetric, the pairs' weights, 0 on the diagonal."""

    together_LL: np.ndarray
    apart_LL: np.ndarray

    def pairs(self, aus: Sequence[int]) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        """The pairs of AUs in P and in Q."""
        together, apart = (
            [(aus[a], aus[b]) for a, b in zip(*np.nonzero(np.triu(adjacency)), strict=True)]
            for adjacency in (self.together_LL, self.apart_LL)
        )
        return together, apart


def curated_relations(aus: Sequence[int]) -> Relations:
    """The pairs of the literature, as far as both AUs are given."""
    sets = []
    for pairs in (CURATED_TOGETHER, CURATED_APART):
        adjacency = np.zeros((len(aus), len(aus)), np.float32)
        for a, b in pairs:
            if a in aus and b in aus:
                i, j = aus.index(a), aus.index(b)
                adjacency[i, j] = adjacency[j, i] = 1
        sets.append(adjacency)
    return Relations(together_LL=sets[0], apart_LL=sets[1])


def data_relations(labels_NL: np.ndarray, *, weigh_by_phi: bool = False) -> Relations:
    """Relations counted on training labels; P weighs 1, or phi if asked for."""
    phi_LL, lift_LL = co_occurrence(labels_NL)
    together = phi_LL >= TOGETHER
    apart = (phi_LL <= APART) & (lift_LL <= LIFT)
    for adjacency in (together, apart):
        np.fill_diagonal(adjacency, False)
    weight = phi_LL if weigh_by_phi else 1.0
    return Relations(
        together_LL=(together * weight).astype(np.float32), apart_LL=apart.astype(np.float32)
    )


def co_occurrence(labels_NL: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """float64 (L, L) twice: phi correlation, and lift P(a, b) / (P(a) P(b)), of every pair.

    Both over frames where both labels are known; phi is 0 and lift 1 where an AU is constant there.
    """
    known = (labels_NL != 0).astype(np.float64)
    present = (labels_NL > 0).astype(np.float64)
    num_LL = np.maximum(known.T @ known, 1)
    both_LL = present.T @ present / num_LL
    first_LL = present.T @ known / num_LL
    second_LL = first_LL.T
    spread_LL = np.sqrt(first_LL * (1 - first_LL) * second_LL * (1 - second_LL))
    varies = spread_LL > 0
    phi_LL = np.where(
        varies, (both_LL - first_LL * second_LL) / np.where(varies, spread_LL, 1), 0.0
    )
    product_LL = first_LL * second_LL
    seen = product_LL > 0
    lift_LL = np.where(varies & seen, both_LL / np.where(seen, product_LL, 1), 1.0)
    return phi_LL, lift_LL
