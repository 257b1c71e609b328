"""CPM's test stage: a machine of the test subject's own, learned from its unlabelled frames.

Where w+ and w- agree on a frame, their sign is its virtual label; elsewhere it has none. From these
and from smoothness over the graph of frames (quasi-semi-supervised, Eq. 4 of the source) comes

    min_w  1/2 |w - w_0|^2 + C_t / |E_t| sum_{E_t} b_i max(0, 1 - y_i w'x_i)^2 + gamma / 2Z w'X'LXw

with Z the number of edges. Where the virtual labels hold one class only, w is the mean of the pair.

Legend: N frames of one subject, L AUs, K = grid x L columns, D features and the bias.

What always holds: nothing in this file is given a label; the order of the frames does not matter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch

from baselines.design_matrix import DesignMatrix
from baselines.newton import minimise_squared_hinge
from baselines.smoothness_graph import FrameGraph

Centre = Literal["zero", "mean"]


@dataclass(frozen=True, kw_only=True)
class PersonalOptions:
    """``qss_balance``: both virtual classes weigh the same (A-1.4); ``w0``: see A-1.5."""

    qss_balance: bool = True
    w0: Centre = "zero"
    tolerance: float = 1e-4


def virtual_labels(plus_NL: torch.Tensor, minus_NL: torch.Tensor) -> torch.Tensor:
    """float32 (N, L) in {-1, 0, +1}: the sign that both machines give, 0 where they differ."""
    both_above = (plus_NL > 0) & (minus_NL > 0)
    both_below = (plus_NL < 0) & (minus_NL < 0)
    return both_above.float() - both_below.float()


def personal_machine(
    design: DesignMatrix,
    graph: FrameGraph,
    virtual_NK: torch.Tensor,
    mean_DK: torch.Tensor,
    *,
    cost_K: torch.Tensor,
    gamma_K: torch.Tensor,
    options: PersonalOptions,
) -> torch.Tensor:
    """float32 (D + 1, K): the subject's own weights.

    Args:
        virtual_NK: virtual labels; frames whose face was lost must have none.
        mean_DK: the mean of the pair, where one class is missing, and w_0 if ``w0`` is ``mean``.
        cost_K, gamma_K: C_t and gamma of each column.
    """
    weights_DK = mean_DK.clone()
    learnable = (virtual_NK > 0).any(dim=0) & (virtual_NK < 0).any(dim=0)
    if not bool(learnable.any()):
        return weights_DK
    virtual = virtual_NK[:, learnable]
    num_easy_K = (virtual != 0).sum(dim=0)
    signed = virtual * (cost_K[learnable] / num_easy_K)
    if options.qss_balance:
        for sign in (-1, 1):
            members = virtual == sign
            signed = torch.where(members, signed * (num_easy_K / (2 * members.sum(dim=0))), signed)
    centre = mean_DK[:, learnable] if options.w0 == "mean" else None
    result = minimise_squared_hinge(
        design,
        signed,
        start_DK=mean_DK[:, learnable],
        centre_DK=centre,
        graph=graph if graph.num_edges else None,
        strength_K=gamma_K[learnable] / max(1, graph.num_edges),
        tolerance=options.tolerance,
    )
    weights_DK[:, learnable] = result.weights_DK
    return weights_DK
