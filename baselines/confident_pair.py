"""CPM's training stage: a pair of classifiers that keep confident by giving up on hard frames.

The confidence preserving machine is the paper's reference [12]; its Algorithm 1 alternates between

1. two independent squared-hinge machines w+ and w-, on easy frames with their labels and on hard
   frames with labels of their own, and
2. E, the easy frames, which both machines get right; all others, H, are hard and are relabelled.

What the relabelling is was not printed where we could read it (open question A-1.1):

- ``reject``: every hard frame is negative for w+ and positive for w-, so that each machine keeps
  its own class to frames that it is sure of;
- ``conditional``: only hard frames of a machine's class that it now misses are turned over;
- ``drop``: hard frames leave the loss;
- ``consensus``: hard frames take the sign that both machines give them, else as ``reject``.

Legend: N frames, K columns (AUs, or AUs for each C of a grid), D features and the bias.

What always holds: with no hard frame both machines are the class-weighted SVM; E and H part the
known frames; turning all labels round turns w+ into -w- (rules ``reject`` and ``drop``). A column
stops when E stands still, when more than half of its frames are hard (A-1.2: the hard set feeds
itself), or when a machine would be left with one class.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch

from baselines.design_matrix import DesignMatrix
from baselines.newton import minimise_squared_hinge

Relabel = Literal["reject", "conditional", "drop", "consensus"]
SETTLED = 1e-3
RUNAWAY = 0.5


@dataclass(frozen=True, kw_only=True)
class PairOptions:
    """How the pair is trained: ``hard_weight`` h, ``max_iter`` solves at most, class weights."""

    relabel: Relabel = "reject"
    hard_weight: float = 1.0
    max_iter: int = 2
    balanced: bool = True
    class_weight_follows_relabel: bool = True
    tolerance: float = 1e-4


@dataclass(frozen=True, kw_only=True)
class ConfidentPair:
    """Weights float32 (D + 1, K) of both machines, and how training ended.

    Attributes:
        easy_NK: bool, frames that both machines get right.
        hard_share_K: part of the known frames that is hard.
        ran_away_K: bool, stopped as more than half of the frames had become hard.
    """

    plus_DK: torch.Tensor
    minus_DK: torch.Tensor
    easy_NK: torch.Tensor
    hard_share_K: torch.Tensor
    ran_away_K: torch.Tensor


def train_confident_pair(
    design: DesignMatrix, labels_NK: torch.Tensor, cost_K: torch.Tensor, options: PairOptions
) -> ConfidentPair:
    """Algorithm 1 for K columns at once.

    Args:
        labels_NK: int8 in {-1, 0, +1}; 0 leaves a frame out of a column. Every column must hold
            both classes.
        cost_K: C = 1 / lambda of each column.
    """
    known_NK = labels_NK != 0
    num_known_K = known_NK.sum(dim=0).clamp_min(1)
    plus_DK = minus_DK = solve_one(design, labels_NK, labels_NK, known_NK, cost_K, None, options)
    plus_NK = minus_NK = design.times(plus_DK)
    easy_NK = easy_frames(labels_NK, plus_NK, minus_NK)
    ran_away_K = torch.zeros_like(cost_K, dtype=torch.bool)
    still = torch.arange(labels_NK.shape[1], device=design.device)
    for _ in range(options.max_iter - 1):
        hard_share = 1 - easy_NK[:, still].sum(dim=0) / num_known_K[still]
        ran_away_K[still] = hard_share > RUNAWAY
        still = still[(hard_share > 0) & (hard_share <= RUNAWAY)]
        if not len(still):
            break
        labels, easy = labels_NK[:, still], easy_NK[:, still]
        targets = relabelled(labels, easy, plus_NK[:, still], minus_NK[:, still], options.relabel)
        usable = both_classes(targets[0]) & both_classes(targets[1])
        still, labels, easy = still[usable], labels[:, usable], easy[:, usable]
        if not len(still):
            break
        plus, minus = (
            solve_one(
                design, labels, target[:, usable], easy, cost_K[still], start[:, still], options
            )
            for target, start in zip(targets, (plus_DK, minus_DK), strict=True)
        )
        # The first round shares one set of weights and scores between both machines.
        if plus_DK is minus_DK:
            minus_DK, minus_NK = plus_DK.clone(), plus_NK.clone()
        plus_DK[:, still], minus_DK[:, still] = plus, minus
        plus_NK[:, still], minus_NK[:, still] = design.times(plus), design.times(minus)
        new_easy = easy_frames(labels, plus_NK[:, still], minus_NK[:, still])
        moved = (new_easy != easy).sum(dim=0) / num_known_K[still]
        easy_NK[:, still] = new_easy
        still = still[moved >= SETTLED]
        if not len(still):
            break
    hard_share_K = 1 - easy_NK.sum(dim=0) / num_known_K
    return ConfidentPair(
        plus_DK=plus_DK,
        minus_DK=minus_DK,
        easy_NK=easy_NK,
        hard_share_K=hard_share_K,
        ran_away_K=ran_away_K | (hard_share_K > RUNAWAY),
    )


def easy_frames(
    labels_NK: torch.Tensor, plus_NK: torch.Tensor, minus_NK: torch.Tensor
) -> torch.Tensor:
    """bool (N, K): known frames that both machines get right (Eq. 1 of the source)."""
    return (labels_NK * plus_NK > 0) & (labels_NK * minus_NK > 0)


def relabelled(
    labels_NK: torch.Tensor,
    easy_NK: torch.Tensor,
    plus_NK: torch.Tensor,
    minus_NK: torch.Tensor,
    rule: Relabel,
) -> tuple[torch.Tensor, torch.Tensor]:
    """int8 (N, K) twice: what w+ and w- take each frame for; 0 is left out."""
    hard_NK = (labels_NK != 0) & ~easy_NK
    for_plus, for_minus = labels_NK.clone(), labels_NK.clone()
    if rule == "drop":
        for_plus[hard_NK] = for_minus[hard_NK] = 0
    elif rule == "conditional":
        for_plus[hard_NK & (labels_NK > 0) & (plus_NK <= 0)] = -1
        for_minus[hard_NK & (labels_NK < 0) & (minus_NK >= 0)] = 1
    else:
        for_plus[hard_NK], for_minus[hard_NK] = -1, 1
        if rule == "consensus":
            for sign in (-1, 1):
                agreed = hard_NK & (sign * plus_NK > 0) & (sign * minus_NK > 0)
                for_plus[agreed] = for_minus[agreed] = sign
    return for_plus, for_minus


def solve_one(
    design: DesignMatrix,
    labels_NK: torch.Tensor,
    target_NK: torch.Tensor,
    easy_NK: torch.Tensor,
    cost_K: torch.Tensor,
    start_DK: torch.Tensor | None,
    options: PairOptions,
) -> torch.Tensor:
    """(D + 1, K): one machine of each pair, with easy, hard and targets fixed."""
    weight_NK = torch.where(easy_NK, 1.0, options.hard_weight)
    if options.balanced:
        # Weights that stay with the original label make the hard set grow without end.
        counted = target_NK if options.class_weight_follows_relabel else labels_NK
        weight_NK = weight_NK * _balance(counted)
    signed_NK = target_NK * weight_NK * cost_K
    result = minimise_squared_hinge(
        design, signed_NK, start_DK=start_DK, tolerance=options.tolerance
    )
    return result.weights_DK


def _balance(labels_NK: torch.Tensor) -> torch.Tensor:
    """float32 (N, K): n / (2 n_class), so that both classes of a column weigh the same."""
    num_known_K = (labels_NK != 0).sum(dim=0)
    balance_NK = torch.zeros(labels_NK.shape, device=labels_NK.device)
    for sign in (-1, 1):
        members_NK = labels_NK == sign
        balance_NK += members_NK * (num_known_K / (2 * members_NK.sum(dim=0).clamp_min(1)))
    return balance_NK


def both_classes(labels_NK: torch.Tensor) -> torch.Tensor:
    """bool (K,): whether a column has frames of both classes."""
    return (labels_NK > 0).any(dim=0) & (labels_NK < 0).any(dim=0)
