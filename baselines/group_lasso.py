"""FISTA for JPML: group lasso over face patches on top of a smooth joint loss.

    min_W  Lambda(W) + beta1 PC(W) + beta2 NC(W) + alpha Omega(W),   Omega = sum_l sum_p |w_l^p|_2

The accelerated proximal gradient of Beck and Teboulle with backtracking (the step grows by a tenth
each time, as the logistic loss flattens where it fits, and is halved until the quadratic bound
holds) and restart of the momentum whenever it points uphill (O'Donoghue and Candes). Problems that
differ in alpha or beta alone are solved side by side, so that each product with the rows serves all
of them; each has its own step, momentum and end.

Legend: N frames, D features, L AUs, B problems, K = B x L columns, P patches of G features each.

What always holds: the bias is not penalised; a whole patch of an AU (``per_label``), or of all AUs
(``shared``), is zero or is not (A-2.1).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch

from baselines.design_matrix import DesignMatrix
from baselines.joint_loss import JointLoss

Omega = Literal["per_label", "shared"]
MAX_HALVINGS = 30
GROWTH = 1.1


@dataclass(frozen=True, kw_only=True)
class GroupLassoResult:
    """Weights float32 (D + 1, K), objective float64 (B,), iterations int64 (B,)."""

    weights_DK: torch.Tensor
    objective_B: torch.Tensor
    iterations_B: torch.Tensor


def minimise_group_lasso(
    design: DesignMatrix,
    loss: JointLoss,
    alpha_BL: torch.Tensor,
    *,
    group_size: int,
    omega: Omega = "per_label",
    start_DK: torch.Tensor | None = None,
    tolerance: float = 1e-4,
    max_iter: int = 1000,
) -> GroupLassoResult:
    """Solves B problems until a proximal step moves W by less than ``tolerance`` of its norm."""
    num_problems, num_aus = alpha_BL.shape
    weights_DK = design.zeros(num_problems * num_aus) if start_DK is None else start_DK.clone()
    scores_NK = design.times(weights_DK)
    # 1 / (1/4 largest eigenvalue of X'X / N) bounds the curvature of the plain logistic loss.
    step_B = torch.full((num_problems,), 4 / largest_eigenvalue(design), device=design.device)
    iterations_B = torch.zeros(num_problems, dtype=torch.int64, device=design.device)
    still_B = torch.arange(num_problems, device=design.device)
    state = _State.at(weights_DK, scores_NK, step_B)
    for _ in range(max_iter):
        columns = _columns(still_B, num_aus)
        part, alpha = loss.only(still_B), alpha_BL[still_B]
        new, settled = _iterate(design, part, alpha, state, group_size, omega, tolerance)
        weights_DK[:, columns], scores_NK[:, columns] = new.weights_DK, new.scores_NK
        iterations_B[still_B] += 1
        still_B = still_B[~settled]
        if not len(still_B):
            break
        state = new.only(~settled, num_aus)
    return GroupLassoResult(
        weights_DK=weights_DK,
        objective_B=objective(design, loss, alpha_BL, weights_DK, group_size, omega),
        iterations_B=iterations_B,
    )


def objective(
    design: DesignMatrix,
    loss: JointLoss,
    alpha_BL: torch.Tensor,
    weights_DK: torch.Tensor,
    group_size: int,
    omega: Omega = "per_label",
) -> torch.Tensor:
    """float64 (B,): the whole objective of each problem."""
    smooth_BL = smooth_value(design, loss, weights_DK, design.times(weights_DK))
    norm_BL = patch_norms(weights_DK, loss.num_aus, group_size, omega).sum(dim=0)
    alpha = alpha_BL if omega == "per_label" else alpha_BL[:, :1]
    return smooth_BL.sum(dim=1) + (alpha * norm_BL).sum(dim=1).double()


@dataclass(frozen=True, kw_only=True)
class _State:
    """Where the open problems stand: W with its scores X W, the point V that momentum has reached
    with its scores, the step and momentum of each problem."""

    weights_DK: torch.Tensor
    scores_NK: torch.Tensor
    ahead_DK: torch.Tensor
    ahead_NK: torch.Tensor
    step_B: torch.Tensor
    momentum_B: torch.Tensor

    @classmethod
    def at(cls, weights_DK: torch.Tensor, scores_NK: torch.Tensor, step_B: torch.Tensor) -> _State:
        return cls(
            weights_DK=weights_DK.clone(),
            scores_NK=scores_NK.clone(),
            ahead_DK=weights_DK.clone(),
            ahead_NK=scores_NK.clone(),
            step_B=step_B,
            momentum_B=torch.ones_like(step_B),
        )

    def only(self, chosen_B: torch.Tensor, num_aus: int) -> _State:
        if bool(chosen_B.all()):
            return self
        columns = chosen_B.repeat_interleave(num_aus)
        return _State(
            weights_DK=self.weights_DK[:, columns],
            scores_NK=self.scores_NK[:, columns],
            ahead_DK=self.ahead_DK[:, columns],
            ahead_NK=self.ahead_NK[:, columns],
            step_B=self.step_B[chosen_B],
            momentum_B=self.momentum_B[chosen_B],
        )


def _iterate(
    design: DesignMatrix,
    loss: JointLoss,
    alpha_BL: torch.Tensor,
    state: _State,
    group_size: int,
    omega: Omega,
    tolerance: float,
) -> tuple[_State, torch.Tensor]:
    """One accelerated step of every open problem; which of them have settled, bool (B,)."""
    num_aus = loss.num_aus
    gradient_DK = smooth_gradient(design, loss, state.ahead_DK, state.ahead_NK)
    value_B = smooth_value(design, loss, state.ahead_DK, state.ahead_NK).sum(dim=1)
    step_B = GROWTH * state.step_B
    for _ in range(MAX_HALVINGS):
        step_K = step_B.repeat_interleave(num_aus)
        weights_DK = shrunk(
            state.ahead_DK - step_K * gradient_DK,
            step_B[:, None] * alpha_BL,
            num_aus,
            group_size,
            omega,
        )
        scores_NK = design.times(weights_DK)
        moved_DK = weights_DK - state.ahead_DK
        moved_B = _per_problem(moved_DK.square(), num_aus)
        bound_B = value_B + _per_problem(gradient_DK * moved_DK, num_aus) + moved_B / (2 * step_B)
        new_B = smooth_value(design, loss, weights_DK, scores_NK).sum(dim=1)
        # The slack is what float32 sums may be off by.
        too_long = new_B > bound_B + 1e-6 * value_B.abs()
        if not bool(too_long.any()):
            break
        step_B = torch.where(too_long, 0.5 * step_B, step_B)
    change_DK = weights_DK - state.weights_DK
    uphill = _per_problem((state.ahead_DK - weights_DK) * change_DK, num_aus) > 0
    momentum_B = torch.where(uphill, 1.0, state.momentum_B)
    next_B = 0.5 * (1 + (1 + 4 * momentum_B.square()).sqrt())
    push_K = torch.where(uphill, 0.0, (momentum_B - 1) / next_B).repeat_interleave(num_aus)
    settled = moved_B.sqrt() <= tolerance * _per_problem(weights_DK.square(), num_aus).sqrt()
    settled |= (moved_B == 0) & (_per_problem(change_DK.abs(), num_aus) == 0)
    return (
        _State(
            weights_DK=weights_DK,
            scores_NK=scores_NK,
            ahead_DK=weights_DK + push_K * change_DK,
            ahead_NK=scores_NK + push_K * (scores_NK - state.scores_NK),
            step_B=step_B,
            momentum_B=next_B,
        ),
        settled,
    )


def smooth_value(
    design: DesignMatrix, loss: JointLoss, weights_DK: torch.Tensor, scores_NK: torch.Tensor
) -> torch.Tensor:
    """float64 (B, L): the smooth part of each problem; relations counted on its first AU."""
    value_BL = loss.fit_value(scores_NK)
    if loss.is_joint:
        value_BL[:, 0] += loss.relation_value(scores_NK - design.bias * weights_DK[-1])
    return value_BL


def smooth_gradient(
    design: DesignMatrix, loss: JointLoss, weights_DK: torch.Tensor, scores_NK: torch.Tensor
) -> torch.Tensor:
    """float32 (D + 1, K): gradient of the smooth part."""
    slope_NK = loss.fit_slope(scores_NK)
    if not loss.is_joint:
        return design.transposed_times(slope_NK)
    bias_slope_K = design.bias * slope_NK.sum(dim=0)
    slope_NK += loss.relation_slope(scores_NK - design.bias * weights_DK[-1])
    gradient_DK = design.transposed_times(slope_NK)
    gradient_DK[-1] = bias_slope_K
    return gradient_DK


def shrunk(
    weights_DK: torch.Tensor,
    amount_BL: torch.Tensor,
    num_aus: int,
    group_size: int,
    omega: Omega = "per_label",
) -> torch.Tensor:
    """The proximal map of ``amount`` x Omega: every patch's norm is made shorter, down to 0."""
    norm_PBL = patch_norms(weights_DK, num_aus, group_size, omega)
    amount = amount_BL if omega == "per_label" else amount_BL[:, :1]
    factor_PBL = torch.relu(1 - amount / norm_PBL.clamp_min(1e-30)).expand(-1, -1, num_aus)
    out_DK = weights_DK.clone()
    groups = out_DK[:-1].view(len(norm_PBL), group_size, -1)
    groups *= factor_PBL.reshape(len(norm_PBL), 1, -1)
    return out_DK


def patch_norms(
    weights_DK: torch.Tensor, num_aus: int, group_size: int, omega: Omega = "per_label"
) -> torch.Tensor:
    """float32 (P, B, L), or (P, B, 1) for ``shared``: the norm of each patch's weights."""
    patches = weights_DK[:-1].unflatten(0, (-1, group_size))
    squared_PBL = patches.square().sum(dim=1).unflatten(1, (-1, num_aus))
    if omega == "shared":
        squared_PBL = squared_PBL.sum(dim=2, keepdim=True)
    return squared_PBL.sqrt()


def largest_eigenvalue(design: DesignMatrix, iterations: int = 12) -> float:
    """Of X'X / N with the bias entry, by the power method, 5% to the safe side."""
    generator = torch.Generator().manual_seed(0)
    vector = torch.rand(design.dimension + 1, 1, generator=generator).to(design.device)
    value = 0.0
    for _ in range(iterations):
        vector = vector / vector.norm().clamp_min(1e-30)
        vector = design.transposed_times(design.times(vector)) / design.num_rows
        value = float(vector.norm())
    return max(1.05 * value, 1e-12)


def _per_problem(array_XK: torch.Tensor, num_aus: int) -> torch.Tensor:
    """float64 (B,): the sum over a problem's columns."""
    return array_XK.sum(dim=0, dtype=torch.float64).unflatten(0, (-1, num_aus)).sum(dim=1)


def _columns(problems_B: torch.Tensor, num_aus: int) -> torch.Tensor:
    offsets = torch.arange(num_aus, device=problems_B.device)
    return (problems_B[:, None] * num_aus + offsets).flatten()
