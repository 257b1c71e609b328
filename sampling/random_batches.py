"""Random sampling (RS): every frame once an epoch, in random order. The paper, section 5.

What always holds: an epoch is a partition of the frames; all batches but the last have
``batch_size`` frames. Labels play no part, so frames without any known label are dealt too.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from sampling.batches import Batches
from sampling.checked import checked_count


class RandomBatches(Batches):
    """A shuffle cut into batches.

    Args:
        labels, batch_size, seed, rank, world_size: as in ``Batches``.
        num_batches: only so many batches of each shuffle; None for all of them.
        drop_last: leave out the last batch where it is smaller than ``batch_size``.

    Raises:
        ValueError: an argument is outside its range, or no batch would be left.
    """

    strategy: ClassVar[str] = "random"

    def __init__(
        self,
        labels: ArrayLike,
        batch_size: int,
        seed: int = 0,
        *,
        drop_last: bool = False,
        num_batches: int | None = None,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        super().__init__(labels, batch_size, seed, rank=rank, world_size=world_size)
        if drop_last and self.num_frames < self.batch_size:
            raise ValueError(
                f"drop_last leaves no batch: {self.num_frames} frames, batch_size {self.batch_size}"
            )
        if drop_last:
            self.num_batches = self.num_frames // self.batch_size
        if num_batches is not None:
            self.num_batches = checked_count("num_batches", num_batches, 1, self.num_batches)
        self.drop_last = bool(drop_last)

    def _options(self) -> dict[str, Any]:
        return {"drop_last": self.drop_last}

    def _epoch_batches(self, epoch: int) -> Iterator[np.ndarray]:
        order_N = self._generator(epoch).permutation(self.num_frames)
        for number in range(self.num_batches):
            yield order_N[number * self.batch_size : (number + 1) * self.batch_size]
