"""A preconditioner for the joint Newton solver: the leading directions of the rows, found once.

Rows of a picture feature share most of their length (their mean) and decay slowly after it, so the
Hessian I + X'AX of an SVM has eigenvalues over many orders of magnitude and conjugate gradients
need dozens of passes over the rows. The randomised Nystrom approximation of X'X / N (Frangella,
Tropp and Udell, 2021) costs one pass, serves every AU, every C and every round, and takes the
leading directions out of the way: A is taken for its mean, so that X'AX ~ s X'X / N with s = sum A.

Legend: D features and the bias, R directions, K columns.

What always holds: it changes how soon the solver arrives, and not where.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from baselines.design_matrix import DesignMatrix

MAX_DIRECTIONS = 128
MIN_DIMENSION = 64


@dataclass(frozen=True, kw_only=True)
class LeadingDirections:
    """Orthonormal directions float32 (D + 1, R) of X'X / N and their eigenvalues, descending."""

    directions_DR: torch.Tensor
    eigenvalues_R: torch.Tensor

    def solve(self, residual_DK: torch.Tensor, scale_K: torch.Tensor) -> torch.Tensor:
        """(D + 1, K): near (I + s X'X / N)^-1 times each column of the residual, up to a factor."""
        scaled_RK = 1 + self.eigenvalues_R[:, None] * scale_K
        shrink_RK = scaled_RK[-1] / scaled_RK - 1
        return residual_DK + self.directions_DR @ (shrink_RK * (self.directions_DR.T @ residual_DK))


def leading_directions(design: DesignMatrix) -> LeadingDirections | None:
    """From one pass over the rows; None where there are too few features or rows to be worth it."""
    size = min(MAX_DIRECTIONS, (design.dimension + 1) // 4, design.num_rows // 4)
    if design.dimension < MIN_DIMENSION or size < 8:
        return None
    generator = torch.Generator().manual_seed(0)
    probes = torch.randn(design.dimension + 1, size, generator=generator).to(design.device)
    probes, _ = torch.linalg.qr(probes)
    seen = design.zeros(size)
    for _, chunk in design.chunks():
        design.add_transposed_chunk(seen, chunk, design.times_chunk(chunk, probes))
    seen = seen.double() / design.num_rows
    # A small shift keeps the Cholesky factor real; it is taken off the eigenvalues again.
    shift = 1e-6 * float(seen.norm())
    if shift == 0:
        return None
    probes = probes.double()
    seen = seen + shift * probes
    core = probes.T @ seen
    factor = torch.linalg.cholesky(0.5 * (core + core.T))
    root = torch.linalg.solve_triangular(factor, seen.T, upper=False).T
    directions, singular, _ = torch.linalg.svd(root, full_matrices=False)
    return LeadingDirections(
        directions_DR=directions.float(),
        eigenvalues_R=(singular.square() - shift).clamp_min(0).float(),
    )
