"""Truncated Newton for many squared-hinge SVMs at once: one column, one problem.

    min_w  1/2 |w - w_0|^2 + sum_i c_i max(0, 1 - y_i w'x_i)^2 + g/2 w'X'LXw

With w_0 = 0 and g = 0 this is LIBLINEAR's ``-s 2`` with its ``-B``; the last term, with the
Laplacian L of a graph of frames, is what CPM's test stage adds. The problems share the rows and
nothing else, so all of them advance together and each product with the rows serves all columns: the
AUs, the values of C of a grid, the two classifiers of CPM. A column stops on its own and then costs
nothing: only the columns still open take part in the products.

Each round finds a direction by conjugate gradients on the generalised Hessian, then goes along it
to the minimum of a piecewise quadratic, found by Newton's method on one number, which is cheap as
the scores along the direction are known.

What always holds: a column's cost is carried by ``signed_NK``: c_i y_i, zero for an unknown label;
the objective of a column never rises (beyond rounding) from round to round.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import torch

from baselines.design_matrix import DesignMatrix
from baselines.preconditioner import LeadingDirections, leading_directions

MAX_CONJUGATE = 40
FORCING = 0.1
MAX_LINE_STEPS = 8


class Graph(Protocol):
    """A weighted graph of frames."""

    def laplacian_times(self, values_NK: torch.Tensor) -> torch.Tensor:
        """(N, K), its Laplacian diag(A 1) - A times ``values_NK``."""


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


@dataclass(frozen=True, kw_only=True)
class _Problems:
    """The columns that are still open. ``strength_K`` is g; without a graph it is not looked at."""

    design: DesignMatrix
    signed_NK: torch.Tensor
    centre_DK: torch.Tensor
    graph: Graph | None
    strength_K: torch.Tensor

    def only(self, chosen: torch.Tensor) -> _Problems:
        return replace(
            self,
            signed_NK=self.signed_NK[:, chosen],
            centre_DK=self.centre_DK[:, chosen],
            strength_K=self.strength_K[chosen],
        )

    def smoothed(self, values_NK: torch.Tensor) -> torch.Tensor | None:
        """g L times the values, or None where no graph is given."""
        if self.graph is None:
            return None
        return self.graph.laplacian_times(values_NK).mul_(self.strength_K)


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
        start_DK: (D + 1, K) where to start, ``centre_DK`` if not given.
        centre_DK: (D + 1, K) w_0, zeros if not given.
        graph: of the frames, with ``strength_K`` (K,) >= 0, the g of each column.
        leading: directions of the rows to precondition with, where they are known already.
        tolerance: a column stops when Newton's estimate of what is left to gain falls below this
            part of its objective.
        max_rounds: Newton rounds at most.
    """
    num_columns = signed_NK.shape[1]
    centre_DK = design.zeros(num_columns) if centre_DK is None else centre_DK
    if strength_K is None:
        strength_K = torch.zeros(num_columns, device=design.device)
    every = _Problems(
        design=design,
        signed_NK=signed_NK,
        centre_DK=centre_DK,
        graph=graph,
        strength_K=strength_K,
    )
    if leading is None and graph is None:
        leading = leading_directions(design)
    weights_DK = (centre_DK if start_DK is None else start_DK).clone()
    scores_NK = design.times(weights_DK)
    rounds_K = torch.zeros(num_columns, dtype=torch.int64, device=design.device)
    still = torch.arange(num_columns, device=design.device)
    for _ in range(max_rounds):
        all_open = len(still) == num_columns
        problems = every if all_open else every.only(still)
        weights = weights_DK if all_open else weights_DK[:, still]
        scores = scores_NK if all_open else scores_NK[:, still]
        gradient, curvature_NK, objective = _gradient(problems, weights, scores)
        direction, along_NK = _conjugate_gradients(problems, curvature_NK, gradient, leading)
        step_K = _exact_step(problems, weights, scores, direction, along_NK)
        weights_DK[:, still] = weights + step_K * direction
        scores_NK[:, still] = scores + step_K * along_NK
        rounds_K[still] += 1
        gain_K = -0.5 * (gradient.double() * direction.double()).sum(dim=0) * step_K
        still = still[gain_K > tolerance * objective]
        if not len(still):
            break
    return NewtonResult(
        weights_DK=weights_DK,
        objective_K=objective_values(every, weights_DK, scores_NK),
        rounds_K=rounds_K,
    )


def _violations(signed_BK: torch.Tensor, scores_BK: torch.Tensor) -> torch.Tensor:
    """max(0, 1 - y s); 1 where the cost is zero, which never counts."""
    return torch.relu_(torch.sub(1, torch.sign(signed_BK).mul_(scores_BK)))


def objective_values(
    problems: _Problems, weights_DK: torch.Tensor, scores_NK: torch.Tensor
) -> torch.Tensor:
    """float64 (K,), each column's objective."""
    violations = _violations(problems.signed_NK, scores_NK)
    loss_K = (problems.signed_NK.abs() * violations * violations).sum(0, dtype=torch.float64)
    return _quadratic(problems, weights_DK, scores_NK, problems.smoothed(scores_NK)) + loss_K


def _quadratic(
    problems: _Problems,
    weights: torch.Tensor,
    scores: torch.Tensor,
    smoothed: torch.Tensor | None,
) -> torch.Tensor:
    value = 0.5 * (weights.double() - problems.centre_DK.double()).square().sum(dim=0)
    if smoothed is not None:
        value += 0.5 * (scores * smoothed).sum(dim=0, dtype=torch.float64)
    return value


def _gradient(
    problems: _Problems, weights: torch.Tensor, scores: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Gradient (D + 1, K), twice the costs of the violating frames (N, K), objective (K,)."""
    design, signed_NK = problems.design, problems.signed_NK
    gradient = weights - problems.centre_DK
    curvature = torch.empty_like(signed_NK)
    smoothed = problems.smoothed(scores)
    objective = _quadratic(problems, weights, scores, smoothed)
    for rows, chunk in design.chunks():
        signed = signed_NK[rows]
        violations = _violations(signed, scores[rows])
        pull = signed * violations
        objective += (pull.abs() * violations).sum(dim=0, dtype=torch.float64)
        curvature[rows] = 2 * signed.abs() * (violations > 0)
        pull.mul_(-2)
        if smoothed is not None:
            pull += smoothed[rows]
        design.add_transposed_chunk(gradient, chunk, pull)
    return gradient, curvature, objective


def _hessian_times(
    problems: _Problems, curvature_NK: torch.Tensor, search: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """(I + X' (A + g L) X) times ``search``, and X times ``search``."""
    design = problems.design
    if problems.graph is not None:
        seen = design.times(search)
        smoothed = problems.smoothed(seen)
        assert smoothed is not None
        return search + design.transposed_times(smoothed.addcmul_(seen, curvature_NK)), seen
    product, seen = search.clone(), torch.empty_like(curvature_NK)
    # A chunk is widened once and used for both products.
    for rows, chunk in design.chunks():
        seen[rows] = design.times_chunk(chunk, search)
        design.add_transposed_chunk(product, chunk, seen[rows] * curvature_NK[rows])
    return product, seen


def _conjugate_gradients(
    problems: _Problems,
    curvature_NK: torch.Tensor,
    gradient: torch.Tensor,
    leading: LeadingDirections | None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Direction d with Hessian times d close to minus the gradient; also X d."""
    direction = torch.zeros_like(gradient)
    along_NK = torch.zeros_like(curvature_NK)
    start_norm = gradient.norm(dim=0)
    residual, scale_K = -gradient, curvature_NK.sum(dim=0)
    search = residual if leading is None else leading.solve(residual, scale_K)
    product_K = (residual * search).sum(dim=0)
    still = torch.arange(gradient.shape[1], device=gradient.device)
    for _ in range(MAX_CONJUGATE):
        product, seen = _hessian_times(problems, curvature_NK, search)
        length = product_K / (search * product).sum(dim=0).clamp_min(1e-30)
        direction[:, still] += length * search
        along_NK[:, still] += length * seen
        residual = residual - length * product
        going_on = residual.norm(dim=0) > FORCING * start_norm[still]
        if not bool(going_on.any()):
            break
        solved = residual if leading is None else leading.solve(residual, scale_K)
        before, product_K = product_K, (residual * solved).sum(dim=0)
        search = solved + (product_K / before.clamp_min(1e-30)) * search
        if not bool(going_on.all()):
            still, problems = still[going_on], problems.only(going_on)
            curvature_NK = curvature_NK[:, going_on]
            search, residual = search[:, going_on], residual[:, going_on]
            product_K, scale_K = product_K[going_on], scale_K[going_on]
    return direction, along_NK


def _exact_step(
    problems: _Problems,
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
