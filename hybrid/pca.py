"""Principal components of fc7 (section 3.2), fitted on training subjects only.

What always holds: components are orthonormal, in order of decreasing variance, and each has its
largest entry positive, so that the same features give the same components; features are centred and
not whitened.

Legend: N frames, D features, K components.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

CHUNK = 65_536


@dataclass(frozen=True, kw_only=True)
class Pca:
    """A projection.

    Attributes:
        mean_D, components_DK: float32.
        energy: share of the total variance that the components keep, 0 to 1.
        spread: root mean square of a projected value over the frames that it was fitted on.
    """

    mean_D: Tensor
    components_DK: Tensor
    energy: float
    spread: float

    def __call__(self, features_ND: Tensor) -> Tensor:
        """float32 (N, K) projections."""
        return (features_ND - self.mean_D) @ self.components_DK

    def on(self, device: torch.device) -> Pca:
        """The same on another device."""
        return Pca(
            mean_D=self.mean_D.to(device),
            components_DK=self.components_DK.to(device),
            energy=self.energy,
            spread=self.spread,
        )


def fit_pca(features_ND: Tensor, num_components: int, device: torch.device) -> Pca:
    """The leading components; at most as many as there are features, or frames less one."""
    num_frames, num_features = features_ND.shape
    mean_D = _mean(features_ND)
    covariance = torch.zeros((num_features, num_features), dtype=torch.float64, device=device)
    for chunk in features_ND.split(CHUNK):
        centred = chunk.to(device, torch.float64) - mean_D.to(device)
        covariance += centred.T @ centred
    covariance /= max(num_frames, 1)
    variances, vectors = torch.linalg.eigh(covariance)
    variances, vectors = variances.flip(0).clamp(min=0), vectors.flip(1)
    kept = max(min(num_components, num_features, num_frames - 1), 1)
    components = vectors[:, :kept]
    largest = components.gather(0, components.abs().argmax(0, keepdim=True))
    components = components * torch.where(largest < 0, -1.0, 1.0)
    total = float(variances.sum())
    return Pca(
        mean_D=mean_D.to(torch.float32).cpu(),
        components_DK=components.to(torch.float32).cpu().contiguous(),
        energy=float(variances[:kept].sum()) / total if total > 0 else 1.0,
        spread=max(float(variances[:kept].mean()) ** 0.5, 1e-6),
    )


def _mean(features_ND: Tensor) -> Tensor:
    total = torch.zeros(features_ND.shape[1], dtype=torch.float64)
    for chunk in features_ND.split(CHUNK):
        total += chunk.to(torch.float64).sum(0)
    return total / max(len(features_ND), 1)
