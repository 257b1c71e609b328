"""Truncated Newton for many squared-hinge SVMs at once: one column, one problem.

The problems (``squared_hinge.py``) share the rows and nothing else, so all of them advance together
and each product with the rows serves all columns: the AUs, the values of C of a grid, the two
classifiers of CPM. A column stops on its own and then costs nothing: only the columns still open
take part in the products.

The products are nearly all of the time, so what counts is how few passes over the rows there are.
The solver begins at the minimum within the leading directions of the rows (``preconditioner.py``),
which takes products with a hundred numbers a row. Each round then finds a direction by
preconditioned conjugate gradients on the generalised Hessian, and goes along it to the minimum of a
piecewise quadratic, found by Newton's method on one number, which is cheap as the scores along the
direction are known. What a column has left to gain, g'H^-1 g / 2, is estimated with the
preconditioner; neither rounds nor conjugate gradients go on for less than is asked for.

What always holds: the objective of a column never rises (beyond rounding) from round to round.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from baselines.design_matrix import DesignMatrix
from baselines.preconditioner import LeadingDirections, NearHessian, leading_directions
from baselines.squared_hinge import Graph, Problems, by_columns, columns

MAX_CONJUGATE = 40
FORCING = 0.25
MAX_LINE_STEPS = 8
BEGINNING = 1e-3  # tolerance of the start within the leading directions


@dataclass(frozen=True, kw_only=True)
class NewtonResult:
    """What the solver found.

    Attributes:
        weights_DK: float32 (D + 1, K), the bias weight last.
        objective_K: float64 (K,) values of the objective there.
        rounds_K: int64 (K,) Newton rounds that each column took.
    """

    weights_DK: torch.Tensor
    objective_K: torch.Tensor
    rounds_K: torch.Tensor


def minimise_squared_hinge(
    design: DesignMatrix,
    signed_NK: torch.Tensor,
    *,
    start_DK: torch.Tensor | None = None,
    centre_DK: torch.Tensor | None = None,
    graph: Graph | None = None,
    strength_K: torch.Tensor | None = None,
    leading: LeadingDirections | None = None,
    tolerance: float = 1e-5,
    max_rounds: int = 50,
) -> NewtonResult:
    """Solves the K problems to ``tolerance``, relative, in the objective.

    Args:
        design: the rows, bias included.
        signed_NK: float32 (N, K), cost times label (+-1); 0 leaves a frame out of a column.
        start_DK: (D + 1, K) where to start, if something is known.
        centre_DK: (D + 1, K) w_0, zeros if not given.
        graph: of the frames, with ``strength_K`` (K,) >= 0, the g of each column.
        leading: directions of the rows to precondition with, where they are known already.
        tolerance: a column stops when what is left to gain falls below this part of its objective.
        max_rounds: Newton rounds at most.
    """
    num_columns = signed_NK.shape[1]
    if strength_K is None:
        strength_K = torch.zeros(num_columns, device=design.device)
    every = Problems(
        design=design,
        signed_NK=by_columns(signed_NK),
        centre_DK=design.zeros(num_columns) if centre_DK is None else by_columns(centre_DK),
        graph=graph,
        strength_K=strength_K,
    )
    if leading is None and graph is None:
        leading = leading_directions(design)
    if start_DK is None and centre_DK is None and graph is None and leading is not None:
        weights_DK, scores_NK = _beginning(every, leading, max(tolerance, BEGINNING), max_rounds)
    else:
        weights_DK = by_columns(every.centre_DK if start_DK is None else start_DK).clone()
        scores_NK = design.times(weights_DK)
    rounds_K = torch.zeros(num_columns, dtype=torch.int64, device=design.device)
    underestimate_K = torch.ones(num_columns, device=design.device)
    still = torch.arange(num_columns, device=design.device)
    for finished in range(max_rounds):
        problems, weights, scores = every, weights_DK, scores_NK
        if len(still) < num_columns:
            problems = every.only(still)
            weights, scores = columns(weights_DK, still), columns(scores_NK, still)
        gradient, curvature_NK, objective = problems.gradient(weights, scores)
        near = None if leading is None else leading.hessian(curvature_NK)
        solved = gradient if near is None else near.solve(gradient)
        left_K = 0.5 * (gradient * solved).sum(dim=0)
        wanted_K = 0.5 * tolerance * objective.float()
        if finished:
            going_on = left_K * underestimate_K[still] > wanted_K
            if not bool(going_on.any()):
                break
            if not bool(going_on.all()):
                still, problems = still[going_on], problems.only(going_on)
                weights, scores = columns(weights, going_on), columns(scores, going_on)
                gradient, curvature_NK = (
                    columns(gradient, going_on),
                    columns(curvature_NK, going_on),
                )
                solved, near = columns(solved, going_on), near.only(going_on) if near else None
                objective, left_K, wanted_K = (
                    values[going_on] for values in (objective, left_K, wanted_K)
                )
        direction, along_NK, modelled_K = _conjugate_gradients(
            problems, curvature_NK, gradient, solved, near, wanted_K
        )
        step_K = _exact_step(problems, weights, scores, direction, along_NK)
        weights_DK[:, still] = weights + step_K * direction
        scores_NK[:, still] = scores + step_K * along_NK
        rounds_K[still] += 1
        underestimate_K[still] = (modelled_K / left_K.clamp_min(1e-30)).clamp_min(1)
        gain_K = -0.5 * (gradient.double() * direction.double()).sum(dim=0) * step_K
        still = still[gain_K > tolerance * objective]
        if not len(still):
            break
    return NewtonResult(
        weights_DK=weights_DK,
        objective_K=every.objective(weights_DK, scores_NK),
        rounds_K=rounds_K,
    )


def _beginning(
    problems: Problems, leading: LeadingDirections, tolerance: float, max_rounds: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Weights (D + 1, K) of the minimum within the leading directions, and scores (N, K)."""
    design, inner = leading.within()
    num_columns = problems.signed_NK.shape[1]
    found = minimise_squared_hinge(
        design,
        problems.signed_NK,
        start_DK=design.zeros(num_columns),
        leading=inner,
        tolerance=tolerance,
        max_rounds=max_rounds,
    )
    inside_KR = found.weights_DK[:-1].T.contiguous()
    return (inside_KR @ leading.directions_DR.T).T, (inside_KR @ leading.seen_NR.T).T


def _conjugate_gradients(
    problems: Problems,
    curvature_NK: torch.Tensor,
    gradient: torch.Tensor,
    solved: torch.Tensor,
    near: NearHessian | None,
    wanted_K: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Direction d with Hessian times d close to minus the gradient; X d; what the model gains.

    Args:
        solved: the preconditioner's inverse times the gradient.
        wanted_K: a column stops when less than this is left to gain along its direction.
    """
    direction = torch.zeros_like(gradient)
    along_NK = torch.zeros_like(curvature_NK)
    residual, search = -gradient, -solved
    product_K = (residual * search).sum(dim=0)
    enough_K = torch.maximum(FORCING**2 * product_K, wanted_K)
    gain_K = torch.zeros_like(product_K)
    still = torch.arange(gradient.shape[1], device=gradient.device)
    for _ in range(MAX_CONJUGATE):
        product, seen = problems.hessian_times(curvature_NK, search)
        length = product_K / (search * product).sum(dim=0).clamp_min(1e-30)
        direction[:, still] += length * search
        along_NK[:, still] += length * seen
        gain_K[still] += 0.5 * length * product_K
        residual = residual - length * product
        solved = residual if near is None else near.solve(residual)
        before, product_K = product_K, (residual * solved).sum(dim=0)
        going_on = product_K > enough_K
        if not bool(going_on.any()):
            break
        search = solved + (product_K / before.clamp_min(1e-30)) * search
        if not bool(going_on.all()):
            still, problems = still[going_on], problems.only(going_on)
            curvature_NK = columns(curvature_NK, going_on)
            search, residual = columns(search, going_on), columns(residual, going_on)
            product_K, enough_K = product_K[going_on], enough_K[going_on]
            near = None if near is None else near.only(going_on)
    return direction, along_NK, gain_K


def _exact_step(
    problems: Problems,
    weights: torch.Tensor,
    scores: torch.Tensor,
    direction: torch.Tensor,
    along: torch.Tensor,
) -> torch.Tensor:
    """(K,) the step that minimises each column's objective along its direction."""
    labels, costs = torch.sign(problems.signed_NK), problems.signed_NK.abs()
    away = weights.double() - problems.centre_DK.double()
    inner = (away * direction.double()).sum(dim=0)
    square = direction.double().square().sum(dim=0)
    smoothed = problems.smoothed(along)
    if smoothed is not None:
        inner += (scores * smoothed).sum(dim=0, dtype=torch.float64)
        square += (along * smoothed).sum(dim=0, dtype=torch.float64)
    step = torch.ones_like(inner)
    low, high = torch.zeros_like(step), torch.full_like(step, torch.inf)
    for _ in range(MAX_LINE_STEPS):
        violations = torch.relu_(1 - labels * (scores + step.float() * along))
        pull = costs * violations * labels * along
        slope = inner + step * square - 2 * pull.sum(dim=0, dtype=torch.float64)
        bend = square + 2 * (costs * (violations > 0) * along * along).sum(
            dim=0, dtype=torch.float64
        )
        low = torch.where(slope < 0, step, low)
        high = torch.where(slope >= 0, step, high)
        move = slope / bend.clamp_min(1e-300)
        if bool((move.abs() <= 1e-3 * step).all()):
            break
        new = step - move
        outside = (new <= low) | (new >= high)
        middle = torch.where(torch.isinf(high), 2 * step, 0.5 * (low + high))
        step = torch.where(outside, middle, new)
    return step.float()
