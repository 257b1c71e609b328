"""The smooth part of JPML's objective, as a function of the scores alone.

    Lambda = sum_l 1/N_l sum_i log(1 + exp(-y_il s_il))                   known labels only
    PC     = 1/2 sum_{(a,b) in P} g_ab 1/N sum_i (s_ia - s_ib)^2          AUs that go together
    NC     = 1/2 sum_{(a,b) in Q} 1/N sum_i (|s_ia| + |s_ib|)^2           AUs that compete

with scores s = X w, without the bias in PC and NC. |s| is rounded off at 0, as sqrt(s^2 + e^2) with
e = 1e-3, so that the whole is smooth and every accepted step lowers the objective.

Legend: N frames, B problems solved side by side, L AUs; columns K = B x L, problem after problem.

What always holds: with beta1 = beta2 = 0 the columns have nothing to do with each other.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch.nn.functional import softplus

from baselines.au_relations import Relations

ROUNDED = 1e-3


@dataclass(frozen=True, kw_only=True)
class JointLoss:
    """Labels and relations of B problems on the same frames.

    Attributes:
        labels_NL: float32 in {-1, 0, +1}, the same for each problem.
        count_L: float32, known labels of each AU, at least 1.
        together_LL, apart_LL: adjacency of P (weights g) and Q.
        beta1_B, beta2_B: weights of PC and NC in each problem.
    """

    labels_NL: torch.Tensor
    count_L: torch.Tensor
    together_LL: torch.Tensor
    apart_LL: torch.Tensor
    beta1_B: torch.Tensor
    beta2_B: torch.Tensor

    @classmethod
    def on(
        cls,
        labels_NL: torch.Tensor,
        relations: Relations,
        beta1_B: torch.Tensor,
        beta2_B: torch.Tensor,
    ) -> JointLoss:
        """The loss on given labels, on their device."""
        device = labels_NL.device
        return cls(
            labels_NL=labels_NL.float(),
            count_L=(labels_NL != 0).sum(dim=0).clamp_min(1).float(),
            together_LL=torch.as_tensor(relations.together_LL, device=device),
            apart_LL=torch.as_tensor(relations.apart_LL, device=device),
            beta1_B=beta1_B,
            beta2_B=beta2_B,
        )

    @property
    def num_aus(self) -> int:
        """L."""
        return self.labels_NL.shape[1]

    @property
    def is_joint(self) -> bool:
        """Whether any problem ties AUs together."""
        return bool(((self.beta1_B > 0) | (self.beta2_B > 0)).any())

    def only(self, chosen_B: torch.Tensor) -> JointLoss:
        """The chosen problems."""
        return replace(self, beta1_B=self.beta1_B[chosen_B], beta2_B=self.beta2_B[chosen_B])

    def fit_value(self, scores_NK: torch.Tensor) -> torch.Tensor:
        """float64 (B, L): Lambda of each AU; ``scores_NK`` with the bias."""
        return softplus(-self._labelled(scores_NK)).mul_(self._weight()).sum(0, dtype=torch.float64)

    def fit_slope(self, scores_NK: torch.Tensor) -> torch.Tensor:
        """float32 (N, K): derivative of Lambda by the scores."""
        pull = torch.sigmoid(-self._labelled(scores_NK))
        pull = -pull * (self.labels_NL / self.count_L)[:, None]
        return pull.flatten(1)

    def relation_value(self, scores_NK: torch.Tensor) -> torch.Tensor:
        """float64 (B,): beta1 PC + beta2 NC; ``scores_NK`` without the bias."""
        scores_NBL, rounded = self._rounded(scores_NK)
        towards = (scores_NBL * self._pulled_together(scores_NBL)).sum((0, 2), dtype=torch.float64)
        against = (rounded * self._pushed_apart(rounded)).sum((0, 2), dtype=torch.float64)
        return 0.5 / len(scores_NK) * (self.beta1_B * towards + self.beta2_B * against)

    def relation_slope(self, scores_NK: torch.Tensor) -> torch.Tensor:
        """float32 (N, K): derivative of beta1 PC + beta2 NC by the scores."""
        scores_NBL, rounded = self._rounded(scores_NK)
        slope = self.beta1_B[:, None] * self._pulled_together(scores_NBL)
        slope += self.beta2_B[:, None] * self._pushed_apart(rounded) * scores_NBL / rounded
        return slope.flatten(1) / len(scores_NK)

    def _labelled(self, scores_NK: torch.Tensor) -> torch.Tensor:
        return scores_NK.unflatten(1, (-1, self.num_aus)) * self.labels_NL[:, None]

    def _weight(self) -> torch.Tensor:
        return (self.labels_NL.abs() / self.count_L)[:, None]

    def _rounded(self, scores_NK: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        scores_NBL = scores_NK.unflatten(1, (-1, self.num_aus))
        return scores_NBL, (scores_NBL.square() + ROUNDED**2).sqrt()

    def _pulled_together(self, scores_NBL: torch.Tensor) -> torch.Tensor:
        """Scores times the Laplacian of P."""
        return scores_NBL * self.together_LL.sum(dim=0) - scores_NBL @ self.together_LL

    def _pushed_apart(self, rounded_NBL: torch.Tensor) -> torch.Tensor:
        """Rounded |scores| times the signless Laplacian of Q."""
        return rounded_NBL * self.apart_LL.sum(dim=0) + rounded_NBL @ self.apart_LL
