"""A preconditioner for the joint Newton solver: the leading directions of the rows, found once.

Rows of a picture feature share most of their length (their mean) and decay slowly after it, so the
Hessian I + X'AX of an SVM has eigenvalues over many orders of magnitude and conjugate gradients
need dozens of passes over the rows. The leading directions Q of X'X come from a sample of the rows
(a randomised range finder: Halko, Martinsson and Tropp, 2011), serve every AU, every C and every
round, and are used three times over:

- within them, (XQ)'A(XQ) of each column is known from a few thousand rows, so the Hessian there is
  as good as solved; across them its mean curvature is taken. That is the preconditioner;
- g'P^-1 g / 2 with it tells how much a column has left to gain, before any work is done for it;
- the problems restricted to them have R unknowns: the solver begins at their solution.

Legend: N rows, M sampled rows, D features and the bias, R directions, K columns.

What always holds: it changes how soon the solver arrives, and not where.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from baselines.design_matrix import DesignMatrix

MAX_DIRECTIONS = 96
MIN_DIMENSION = 64
SAMPLE_ROWS = 2048
POWER_ROUNDS = 2


@dataclass(frozen=True, kw_only=True)
class LeadingDirections:
    """Orthonormal directions of the rows and what the rows are along them.

    Attributes:
        directions_DR: float32 (D + 1, R).
        seen_NR: float32 (N, R), the rows' coordinates.
        stride: every how many rows the sample takes one.
        rest: mean square of a row along each direction that is not among them.
    """

    directions_DR: torch.Tensor
    seen_NR: torch.Tensor
    stride: int
    rest: float

    def within(self) -> tuple[DesignMatrix, LeadingDirections]:
        """The rows' coordinates as rows of their own, and all of their directions."""
        size = self.seen_NR.shape[1]
        every = torch.eye(size + 1, size, device=self.seen_NR.device)
        design = DesignMatrix(self.seen_NR, bias=0.0, device=str(self.seen_NR.device))
        inner = LeadingDirections(
            directions_DR=every, seen_NR=self.seen_NR, stride=self.stride, rest=0.0
        )
        return design, inner

    def hessian(self, curvature_NK: torch.Tensor) -> NearHessian:
        """Near I + X'AX, for the diagonal A of each column.

        A column in which few sampled rows count leans on the mean over all rows.
        """
        rows_MR = self.seen_NR[:: self.stride].contiguous()
        curvature_MK = curvature_NK[:: self.stride]
        num_rows, size = rows_MR.shape
        total_K = curvature_NK.sum(dim=0)
        counted_K = (curvature_MK > 0).sum(dim=0)
        scale_K = total_K / curvature_MK.sum(dim=0).clamp_min(1e-30)
        trust_K = counted_K / (counted_K + size)
        mean_RR = (rows_MR.T @ rows_MR) / num_rows
        core_KRR = ((1 - trust_K) * total_K)[:, None, None] * mean_RR
        for column, weight in enumerate(trust_K * scale_K):
            core_KRR[column] += weight * (rows_MR.T * curvature_MK[:, column]) @ rows_MR
        core_KRR.diagonal(dim1=1, dim2=2).add_(1)
        return NearHessian(
            directions_DR=self.directions_DR,
            factor_KRR=torch.linalg.cholesky(core_KRR),
            rest_K=1 + self.rest * total_K,
        )


@dataclass(frozen=True, kw_only=True)
class NearHessian:
    """An approximate Hessian of each column: exact shape within the directions, a number across."""

    directions_DR: torch.Tensor
    factor_KRR: torch.Tensor
    rest_K: torch.Tensor

    def solve(self, residual_DK: torch.Tensor) -> torch.Tensor:
        """(D + 1, K): the inverse times each column of the residual."""
        inner_KR = residual_DK.T @ self.directions_DR
        solved_KR = torch.cholesky_solve(inner_KR[:, :, None], self.factor_KRR)[:, :, 0]
        solved_KR -= inner_KR / self.rest_K[:, None]
        return torch.addmm(residual_DK.T / self.rest_K[:, None], solved_KR, self.directions_DR.T).T

    def only(self, chosen: torch.Tensor) -> NearHessian:
        """The same for some of the columns."""
        return NearHessian(
            directions_DR=self.directions_DR,
            factor_KRR=self.factor_KRR[chosen],
            rest_K=self.rest_K[chosen],
        )


def leading_directions(design: DesignMatrix) -> LeadingDirections | None:
    """From a sample and one pass; None where there are too few features or rows to be worth it."""
    size = min(MAX_DIRECTIONS, (design.dimension + 1) // 4, design.num_rows // 4)
    if design.dimension < MIN_DIMENSION or size < 8:
        return None
    stride = max(1, design.num_rows // SAMPLE_ROWS)
    sample_MD = design.sample(stride)
    generator = torch.Generator().manual_seed(0)
    found = torch.randn(design.dimension + 1, size, generator=generator).to(design.device)
    for _ in range(POWER_ROUNDS):
        seen = design.times_chunk(sample_MD, found)
        found = design.zeros(size)
        design.add_transposed_chunk(found, sample_MD, seen)
        if not bool(found.any()):
            return None
        found, _ = torch.linalg.qr(found)
    seen_NR = design.times(found).contiguous()
    square = float(sample_MD.square().sum(dim=1).mean()) + design.bias**2
    inside = float(seen_NR[::stride].square().sum(dim=1).mean())
    return LeadingDirections(
        directions_DR=found,
        seen_NR=seen_NR,
        stride=stride,
        rest=max(0.0, square - inside) / (design.dimension + 1 - size),
    )
