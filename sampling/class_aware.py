"""Class-aware sampling: for each place in a batch an AU at random, then a frame that contains it.

This is MOMU without its look at the batch so far: a rival that shows what that look is worth.
What always holds: every frame drawn has an AU; places are independent of each other, so frames
repeat by chance.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike

from sampling.batches import Batches


class ClassAwareBatches(Batches):
    """Batches of frames drawn by AU: AUs equally likely, then the frames of the AU.

    Args:
        labels, batch_size, seed, num_batches, rank, world_size: as in ``Batches``.

    Raises:
        ValueError: an argument is outside its range, or no AU has a positive frame.
    """

    strategy: ClassVar[str] = "class_aware"

    def __init__(
        self,
        labels: ArrayLike,
        batch_size: int,
        seed: int = 0,
        *,
        num_batches: int | None = None,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        super().__init__(
            labels, batch_size, seed, num_batches=num_batches, rank=rank, world_size=world_size
        )
        positives = [np.flatnonzero(label_N > 0) for label_N in self._labels_NL.T]
        positives = [frames for frames in positives if len(frames)]
        if not positives:
            raise ValueError(
                "class-aware sampling needs a positive label (+1), but labels hold none"
            )
        self._frames_E = np.concatenate(positives)
        self._sizes_L = np.array([len(frames) for frames in positives])
        self._begins_L = np.cumsum(self._sizes_L) - self._sizes_L

    def _epoch_batches(self, epoch: int) -> Iterator[np.ndarray]:
        generator = self._generator(epoch)
        for _ in range(self.num_batches):
            au_B = generator.integers(len(self._sizes_L), size=self.batch_size)
            yield self._frames_E[self._begins_L[au_B] + generator.integers(self._sizes_L[au_B])]
