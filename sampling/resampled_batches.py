"""Random batches of a dataset that was resampled once: the resamplers as batch strategies.

What always holds: the dataset is resampled by (labels, fraction, seed) when the stream is built,
and is the same in every epoch; an epoch is a partition of the resampled rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from sampling.batches import Batches
from sampling.checked import checked_choice, checked_count
from sampling.resampling import RESAMPLERS

Resampler = Literal["ml_ros", "ml_rus", "lp_ros", "lp_rus"]


class ResampledBatches(Batches):
    """A shuffle of the resampled rows, cut into batches.

    Args:
        labels, batch_size, seed, rank, world_size: as in ``Batches``.
        resampler: one of ``RESAMPLERS``.
        fraction: rows added or removed, in parts of N, in (0, 1).
        num_batches: only so many batches of each shuffle; None for all of them.

    Raises:
        ValueError: an argument is outside its range.
    """

    strategy: ClassVar[str] = "resampled"

    def __init__(
        self,
        labels: ArrayLike,
        batch_size: int,
        seed: int = 0,
        *,
        resampler: Resampler = "ml_ros",
        fraction: float = 0.25,
        num_batches: int | None = None,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        super().__init__(labels, batch_size, seed, rank=rank, world_size=world_size)
        self.resampler = checked_choice("resampler", resampler, get_args(Resampler))
        self.fraction = fraction
        self._rows = RESAMPLERS[self.resampler](self._labels_NL, fraction, self.seed)
        self.num_batches = -(-len(self._rows) // self.batch_size)
        if num_batches is not None:
            self.num_batches = checked_count("num_batches", num_batches, 1, self.num_batches)

    def _options(self) -> dict[str, Any]:
        # The seed, because the rows hang on it: a state of another seed is of another dataset.
        return {"resampler": self.resampler, "fraction": self.fraction, "seed": self.seed}

    def _epoch_batches(self, epoch: int) -> Iterator[np.ndarray]:
        order = self._generator(epoch).permutation(self._rows)
        for number in range(self.num_batches):
            yield order[number * self.batch_size : (number + 1) * self.batch_size]
