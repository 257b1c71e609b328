"""Weighted random sampling: a frame's weight is 1 / n of the rarest AU that it contains.

The simple control against MOMU. What always holds: a frame is drawn with probability proportional
to its weight, independently of all others, so frames repeat by chance.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from sampling.batches import Batches
from sampling.checked import checked_labels


def rarest_label_weights(labels: ArrayLike, neutral_weight: float = 0.0) -> np.ndarray:
    """Weight of each frame, float64 (N,): 1 / n_l of its rarest AU l, the largest of 1 / n_l.

    Args:
        labels: (N, L) in {-1, 0, +1}.
        neutral_weight: 0 or more; frames with known labels and no AU get this over their own
            number, so that 1 treats them as one more AU. Frames without known labels get 0.

    Raises:
        ValueError: wrong labels, or a negative weight.
    """
    labels_NL = checked_labels(labels)
    if not neutral_weight >= 0:
        raise ValueError(f"neutral_weight must be 0 or more, not {neutral_weight!r}")
    has_NL = labels_NL > 0
    weight_N = (has_NL / np.maximum(has_NL.sum(axis=0), 1)).max(axis=1)
    neutral_N = ~has_NL.any(axis=1) & (labels_NL < 0).any(axis=1)
    weight_N[neutral_N] = neutral_weight / max(int(neutral_N.sum()), 1)
    return weight_N


class WeightedBatches(Batches):
    """Batches drawn with replacement by ``rarest_label_weights``.

    Args:
        labels, batch_size, seed, num_batches, rank, world_size: as in ``Batches``.
        neutral_weight: as in ``rarest_label_weights``.

    Raises:
        ValueError: an argument is outside its range, or all weights are 0.
    """

    strategy: ClassVar[str] = "weighted"

    def __init__(
        self,
        labels: ArrayLike,
        batch_size: int,
        seed: int = 0,
        *,
        neutral_weight: float = 0.0,
        num_batches: int | None = None,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        super().__init__(
            labels, batch_size, seed, num_batches=num_batches, rank=rank, world_size=world_size
        )
        self.neutral_weight = neutral_weight
        running_N = np.cumsum(rarest_label_weights(self._labels_NL, neutral_weight))
        if not running_N[-1] > 0:
            raise ValueError(
                "weighted sampling needs a positive label (+1), or a neutral_weight and frames "
                "with known labels; labels hold none"
            )
        self._upper_N = running_N / running_N[-1]

    def _options(self) -> dict[str, Any]:
        return {"neutral_weight": self.neutral_weight}

    def _epoch_batches(self, epoch: int) -> Iterator[np.ndarray]:
        generator = self._generator(epoch)
        for _ in range(self.num_batches):
            chance_B = generator.random(self.batch_size)
            yield np.searchsorted(self._upper_N, chance_B, side="right")
