"""Many squared-hinge SVMs on the same rows: objective, gradient and Hessian, one column a problem.

    min_w  1/2 |w - w_0|^2 + sum_i c_i max(0, 1 - y_i w'x_i)^2 + g/2 w'X'LXw

With w_0 = 0 and g = 0 this is LIBLINEAR's ``-s 2`` with its ``-B``; the last term, with the
Laplacian L of a graph of frames, is what CPM's test stage adds.

Legend: N rows, D features and the bias, K columns, B rows of a chunk.

What always holds: a column's cost is carried by ``signed_NK``: c_i y_i, zero for an unknown label.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import torch

from baselines.design_matrix import DesignMatrix


class Graph(Protocol):
    """A weighted graph of frames."""

    def laplacian_times(self, values_NK: torch.Tensor) -> torch.Tensor:
        """(N, K), its Laplacian diag(A 1) - A times ``values_NK``."""


@dataclass(frozen=True, kw_only=True)
class Problems:
    """Columns that are solved together. ``strength_K`` is g; without a graph it is not looked at.

    ``weights`` are (D + 1, K) and ``scores`` (N, K), the rows times the weights.
    """

    design: DesignMatrix
    signed_NK: torch.Tensor
    centre_DK: torch.Tensor
    graph: Graph | None
    strength_K: torch.Tensor

    def only(self, chosen: torch.Tensor) -> Problems:
        """Some of the columns."""
        return replace(
            self,
            signed_NK=columns(self.signed_NK, chosen),
            centre_DK=columns(self.centre_DK, chosen),
            strength_K=self.strength_K[chosen],
        )

    def smoothed(self, values_NK: torch.Tensor) -> torch.Tensor | None:
        """g L times the values, or None where no graph is given."""
        if self.graph is None:
            return None
        return self.graph.laplacian_times(values_NK).mul_(self.strength_K)

    def objective(self, weights: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """float64 (K,), each column's objective."""
        violations = _violations(self.signed_NK, scores)
        loss_K = (self.signed_NK.abs() * violations * violations).sum(0, dtype=torch.float64)
        return self._quadratic(weights, scores, self.smoothed(scores)) + loss_K

    def gradient(
        self, weights: torch.Tensor, scores: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Gradient (D + 1, K), twice the costs of the violating frames (N, K), objective (K,)."""
        gradient = weights - self.centre_DK
        curvature = torch.empty_like(self.signed_NK)
        smoothed = self.smoothed(scores)
        objective = self._quadratic(weights, scores, smoothed)
        for rows, chunk in self.design.chunks():
            signed = self.signed_NK[rows]
            violations = _violations(signed, scores[rows])
            pull = signed * violations
            objective += (pull.abs() * violations).sum(dim=0, dtype=torch.float64)
            curvature[rows] = 2 * signed.abs() * (violations > 0)
            pull.mul_(-2)
            if smoothed is not None:
                pull += smoothed[rows]
            self.design.add_transposed_chunk(gradient, chunk, pull)
        return gradient, curvature, objective

    def hessian_times(
        self, curvature_NK: torch.Tensor, search: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """(I + X' (A + g L) X) times ``search``, and X times ``search``."""
        design = self.design
        if self.graph is not None:
            seen = design.times(search)
            smoothed = self.smoothed(seen)
            assert smoothed is not None
            return search + design.transposed_times(smoothed.addcmul_(seen, curvature_NK)), seen
        product, seen = search.clone(), torch.empty_like(curvature_NK)
        # A chunk is widened once and used for both products.
        for rows, chunk in design.chunks():
            seen[rows] = design.times_chunk(chunk, search)
            design.add_transposed_chunk(product, chunk, seen[rows] * curvature_NK[rows])
        return product, seen

    def _quadratic(
        self, weights: torch.Tensor, scores: torch.Tensor, smoothed: torch.Tensor | None
    ) -> torch.Tensor:
        value = 0.5 * (weights.double() - self.centre_DK.double()).square().sum(dim=0)
        if smoothed is not None:
            value += 0.5 * (scores * smoothed).sum(dim=0, dtype=torch.float64)
        return value


def columns(values: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
    """Some of the columns, stored one after the other."""
    return values.T[chosen].T


def by_columns(values: torch.Tensor) -> torch.Tensor:
    """The same values, stored column after column."""
    return values.T.contiguous().T


def _violations(signed_BK: torch.Tensor, scores_BK: torch.Tensor) -> torch.Tensor:
    """max(0, 1 - y s); 1 where the cost is zero, which never counts."""
    return torch.relu_(torch.sub(1, torch.sign(signed_BK).mul_(scores_BK)))
