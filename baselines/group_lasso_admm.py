"""JPML's published solver: ADMM that splits patch learning from multi-label learning.

    min Lambda(W1) + alpha Omega(W1) + beta1 PC(W2) + beta2 NC(W2)   such that W1 = W2

The source's Algorithm 1 alternates accelerated proximal steps on W1 (patches), gradient steps on W2
(relations), and U <- U + rho (W1 - W2). Its box, as far as it can be read, shrinks by alpha and
means step x alpha, and takes the gradient at w1 and means the extrapolated point; both are mended
here. ``group_lasso.py`` minimises the same objective in fewer passes over the rows.

Legend: as in ``group_lasso.py``.

What always holds: the bias belongs to Lambda alone and is not split.
"""

from __future__ import annotations

import torch

from baselines.design_matrix import DesignMatrix
from baselines.group_lasso import (
    GroupLassoResult,
    Omega,
    largest_eigenvalue,
    objective,
    shrunk,
)
from baselines.joint_loss import JointLoss

INNER = 30


def minimise_by_admm(
    design: DesignMatrix,
    loss: JointLoss,
    alpha_BL: torch.Tensor,
    *,
    group_size: int,
    omega: Omega = "per_label",
    rho: float = 1.0,
    tolerance: float = 1e-3,
    max_iter: int = 60,
) -> GroupLassoResult:
    """Solves B problems; ends when W1 and W2 meet, and stand, to ``tolerance`` of W1's norm."""
    num_problems, num_aus = alpha_BL.shape
    one_DK = torch.full(
        (design.dimension + 1, num_problems * num_aus), 1 / design.dimension, device=design.device
    )
    one_DK[-1] = 0
    two_DK, multiplier_DK = one_DK.clone(), torch.zeros_like(one_DK)
    largest = largest_eigenvalue(design)
    # An AU known in few frames sees a larger curvature, at most by this factor.
    fewest = design.num_rows / float(loss.count_L.min())
    patch_step = 1 / (0.25 * largest * fewest + rho)
    ties = loss.beta1_B * loss.together_LL.sum(0).max() + loss.beta2_B * loss.apart_LL.sum(0).max()
    relation_step_K = (1 / (2 * largest * ties + rho)).repeat_interleave(num_aus)
    rounds = 0
    while rounds < max_iter:
        rounds += 1
        one_DK = _learn_patches(
            design,
            loss,
            alpha_BL,
            (one_DK, two_DK, multiplier_DK),
            patch_step,
            rho,
            group_size,
            omega,
        )
        before_DK = two_DK
        for _ in range(INNER):
            slope_DK = -multiplier_DK - rho * (one_DK - two_DK)
            if loss.is_joint:
                scores_NK = design.times(two_DK) - design.bias * two_DK[-1]
                slope_DK += design.transposed_times(loss.relation_slope(scores_NK))
            two_DK = two_DK - relation_step_K * slope_DK
            two_DK[-1] = one_DK[-1]
        gap_DK = one_DK - two_DK
        multiplier_DK = multiplier_DK + rho * gap_DK
        # W1 = W2 alone is met at once where relations weigh nothing: W2 must also stand still.
        apart, moved = float(gap_DK.norm()), float((two_DK - before_DK).norm())
        if max(apart, moved) < tolerance * float(one_DK.norm()):
            break
    return GroupLassoResult(
        weights_DK=one_DK,
        objective_B=objective(design, loss, alpha_BL, one_DK, group_size, omega),
        iterations_B=torch.full((num_problems,), rounds, device=design.device),
    )


def _learn_patches(
    design: DesignMatrix,
    loss: JointLoss,
    alpha_BL: torch.Tensor,
    point: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
    step: float,
    rho: float,
    group_size: int,
    omega: Omega,
) -> torch.Tensor:
    """The PL step: W1 by accelerated proximal gradients, W2 and U held."""
    one_DK, two_DK, multiplier_DK = point
    ahead_DK, momentum = one_DK, 1.0
    for t in range(INNER):
        slope_DK = multiplier_DK + rho * (ahead_DK - two_DK)
        slope_DK[-1] = 0
        slope_DK += design.transposed_times(loss.fit_slope(design.times(ahead_DK)))
        new_DK = shrunk(
            ahead_DK - step * slope_DK, step * alpha_BL, loss.num_aus, group_size, omega
        )
        next_momentum = 2 / (t + 3)
        ahead_DK = new_DK + (1 - momentum) / momentum * next_momentum * (new_DK - one_DK)
        one_DK, momentum = new_DK, next_momentum
    return one_DK
