"""Projection: principal components, and random Fourier features for a kernel machine.

Principal components that keep 98% of the energy of landmark HOG make CPM's many small problems some
ten times smaller. Random Fourier features z(x) = sqrt(2 / r) cos(W x + b), with W drawn from a
Gaussian, have z(x)'z(y) close to exp(-|x - y|^2 / 2 s^2) (Rahimi and Recht, 2007): linear CPM on
them is kernel CPM without an N x N matrix.

What always holds: it is fitted on the rows it is given, which are training rows, at most
``MAX_ROWS`` of them drawn at random, and repeats by seed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from baselines.feature_rows import FeatureRows

MAX_ROWS = 4000
WIDTH_ROWS = 500
ROWS_AT_ONCE = 4096


@dataclass(frozen=True, kw_only=True)
class Projection:
    """x -> components' (x - mean), then the cosine features if there are any.

    Attributes:
        mean: float32 (D,) or None for no principal components; components: float32 (D, P).
        frequencies: float32 (P, R) or None for none; phases: float32 (R,).
    """

    mean: np.ndarray | None = None
    components: np.ndarray | None = None
    frequencies: np.ndarray | None = None
    phases: np.ndarray | None = None

    def apply(self, rows_BD: np.ndarray) -> np.ndarray:
        """float32 (B, P) or (B, R)."""
        if self.mean is not None and self.components is not None:
            rows_BD = rows_BD @ self.components - self.mean @ self.components
        if self.frequencies is not None and self.phases is not None:
            rows_BD = np.cos(rows_BD @ self.frequencies + self.phases)
            rows_BD *= np.float32(np.sqrt(2 / len(self.phases)))
        return rows_BD

    def apply_rows(self, rows: FeatureRows) -> np.ndarray:
        """``apply`` to all rows, some at a time."""
        num_rows = len(rows.rows_ND)
        parts = [
            self.apply(rows.wide(slice(first, first + ROWS_AT_ONCE)))
            for first in range(0, num_rows, ROWS_AT_ONCE)
        ]
        return np.concatenate(parts) if parts else self.apply(rows.wide())

    def arrays(self) -> dict[str, np.ndarray]:
        """What there is, by name, for saving."""
        names = ("mean", "components", "frequencies", "phases")
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}


def fit_projection(
    rows: FeatureRows, *, energy: float | None, num_cosines: int, seed: int
) -> Projection:
    """The projection of training rows.

    Args:
        energy: share of the variance that the principal components keep, None for all features.
        num_cosines: random Fourier features, 0 for none; their width is the median distance of
        rows.
    """
    generator = np.random.default_rng(seed)
    num_rows = len(rows.rows_ND)
    chosen = np.sort(generator.permutation(num_rows)[:MAX_ROWS])
    some_ND = rows.wide(chosen)
    mean = components = None
    if energy is not None:
        mean = some_ND.mean(axis=0)
        components = principal_components(some_ND - mean, energy)
        some_ND = (some_ND - mean) @ components
    if not num_cosines:
        return Projection(mean=mean, components=components)
    few_ND = some_ND[generator.permutation(len(some_ND))[:WIDTH_ROWS]]
    width = _median_distance(few_ND)
    shape = (some_ND.shape[1], num_cosines)
    return Projection(
        mean=mean,
        components=components,
        frequencies=(generator.standard_normal(shape) / width).astype(np.float32),
        phases=generator.uniform(0, 2 * np.pi, num_cosines).astype(np.float32),
    )


def principal_components(centred_ND: np.ndarray, energy: float) -> np.ndarray:
    """float32 (D, P) orthonormal directions with at least ``energy`` of the sum of squares."""
    import torch

    rows = torch.from_numpy(np.ascontiguousarray(centred_ND))
    tall = rows.shape[0] > rows.shape[1]
    # The smaller of the two products has the same eigenvalues.
    values, vectors = torch.linalg.eigh(rows.T @ rows if tall else rows @ rows.T)
    values, vectors = values.flip(0).clamp_min(0).double(), vectors.flip(1)
    total = float(values.sum())
    if total <= 0:
        return np.eye(rows.shape[1], 1, dtype=np.float32)
    kept = int(np.searchsorted((values.cumsum(0) / total).numpy(), energy - 1e-9)) + 1
    kept = min(kept, int((values > 1e-7 * values[0]).sum()))
    directions = vectors[:, :kept]
    if not tall:
        directions = rows.T @ directions / values[:kept].sqrt().float()
    return directions.contiguous().numpy()


def _median_distance(rows_ND: np.ndarray) -> float:
    import torch

    rows = torch.from_numpy(rows_ND)
    distances = torch.pdist(rows)
    median = float(distances.median()) if len(distances) else 1.0
    return median if median > 0 else 1.0
