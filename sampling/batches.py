"""A stream of mini-batches: what every sampling strategy has in common.

A stream is built from labels and a batch size. Iterating it gives one epoch of int64 arrays of
frame indices; it serves as ``batch_sampler`` of a torch ``DataLoader`` as it stands.

What always holds:
- an epoch is a function of (labels, batch size, options, seed, epoch), and of nothing else: not of
  the rank, not of what was iterated before, not of an interruption;
- without ``set_epoch``, an epoch that was iterated to its end is followed by the next one; one
  that was broken off starts again;
- ``state_dict`` holds whole numbers and strings only, so it fits into JSON and into a torch
  checkpoint that is read with ``weights_only=True``; a stream that loads it goes on with exactly
  the batches that an undisturbed one would give;
- with several ranks, rank r takes batches r, r + R, r + 2R, ... of the epoch. All ranks get equally
  many: where R does not divide the epoch, the last round is filled up with the epoch's first
  batches. So no rank waits for another, every rank sees whole batches, and together they see
  the whole epoch.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from sampling.checked import checked_count, checked_labels


class Batches(ABC):
    """Base of all streams. A strategy gives ``_epoch_batches``.

    Args:
        labels: (N, L) in {-1 absent, 0 unknown, +1 present}.
        batch_size: frames in a batch, 1 or more.
        seed: 0 or more; the same on every rank.
        num_batches: batches in an epoch, over all ranks; None for N / batch_size, rounded up.
        rank, world_size: this process among those that train together.

    Raises:
        ValueError: an argument is outside its range; the message names it.
    """

    strategy: ClassVar[str]

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
        self._labels_NL = checked_labels(labels)
        self.batch_size = checked_count("batch_size", batch_size, 1)
        self.seed = checked_count("seed", seed, 0)
        self.world_size = checked_count("world_size", world_size, 1)
        self.rank = checked_count("rank", rank, 0, self.world_size - 1)
        if num_batches is None:
            self.num_batches = -(-self.num_frames // self.batch_size)
        else:
            self.num_batches = checked_count("num_batches", num_batches, 1)
        self._epoch = 0
        self._position = 0  # batches of this epoch that this rank was given
        self._resuming = False  # a state was loaded, and its epoch is not yet iterated
        self._turn = 0  # tells the newest iterator from older ones

    @property
    def num_frames(self) -> int:
        """Number of rows of the labels."""
        return len(self._labels_NL)

    @property
    def epoch(self) -> int:
        """The epoch that is being iterated, or that was set or loaded to be iterated next."""
        return self._epoch

    @abstractmethod
    def _epoch_batches(self, epoch: int) -> Iterator[np.ndarray]:
        """All ``num_batches`` batches of an epoch, for all ranks, as int64 arrays."""

    def _options(self) -> dict[str, Any]:
        """Options of the strategy that change its batches."""
        return {}

    def __len__(self) -> int:
        """Number of batches that this rank sees in an epoch; the same on every rank."""
        return -(-self.num_batches // self.world_size)

    def set_epoch(self, epoch: int) -> None:
        """Goes to the beginning of an epoch; or nowhere, if a state in the middle of this very
        epoch was loaded and waits to be resumed.

        Raises:
            ValueError: ``epoch`` is negative or no whole number.
        """
        epoch = checked_count("epoch", epoch, 0)
        if self._resuming and epoch == self._epoch:
            return
        self._epoch, self._position, self._resuming = epoch, 0, False

    def __iter__(self) -> Iterator[np.ndarray]:
        if not self._resuming:
            if self._position == len(self):
                self._epoch += 1
            self._position = 0
        self._resuming = False
        self._turn += 1
        return self._share(self._epoch, self._position, self._turn)

    def _share(self, epoch: int, position: int, turn: int) -> Iterator[np.ndarray]:
        """This rank's batches of the epoch from ``position`` on."""
        first_batches: list[np.ndarray] = []  # what fills up the last round
        next_number = position * self.world_size + self.rank
        for number, batch_B in enumerate(self._epoch_batches(epoch)):
            if self.num_batches % self.world_size and number < self.world_size:
                first_batches.append(batch_B)
            if number == next_number:
                next_number += self.world_size
                position += 1
                self._note(position, turn)
                yield batch_B
        if position < len(self):
            self._note(position + 1, turn)
            yield first_batches[next_number % self.num_batches]

    def _note(self, position: int, turn: int) -> None:
        if turn == self._turn:
            self._position = position

    def _generator(self, epoch: int) -> np.random.Generator:
        """The random numbers of one epoch: a function of strategy, seed and epoch."""
        return np.random.default_rng(self._entropy(epoch))

    def _entropy(self, epoch: int) -> np.random.SeedSequence:
        return np.random.SeedSequence([self.seed, epoch, *self.strategy.encode()])

    def fingerprint(self) -> str:
        """Hexadecimal digest of labels, batch size and options, the same on every rank."""
        about = (self.strategy, self._labels_NL.shape, self.batch_size, self.num_batches)
        digest = hashlib.blake2b(repr((about, sorted(self._options().items()))).encode())
        digest.update(self._labels_NL.data)
        return digest.hexdigest()[:32]

    def state_dict(self, consumed: int | None = None) -> dict[str, int | str]:
        """Where the stream stands; the same on every rank, so that one rank may save it for all.

        Args:
            consumed: batches of this epoch that training has used. None takes those that the
                stream has given out, which is too many where a DataLoader fetches ahead.

        Raises:
            ValueError: ``consumed`` is more than an epoch holds.
        """
        if consumed is None:
            consumed = self._position
        return {
            "strategy": self.strategy,
            "fingerprint": self.fingerprint(),
            "seed": self.seed,
            "epoch": self._epoch,
            "position": checked_count("consumed", consumed, 0, len(self)),
            "world_size": self.world_size,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Takes up a saved place, and the seed that goes with it; the next iteration goes on from
        there. The number of ranks may differ if the place falls between two rounds of both.

        Raises:
            ValueError: the state is of another strategy, of other labels or options, or falls
                into the middle of a round of these ranks.
        """
        missing = {"strategy", "fingerprint", "seed", "epoch", "position", "world_size"} - set(
            state
        )
        if missing:
            raise ValueError(f"the sampling state lacks {', '.join(sorted(missing))}")
        if state["strategy"] != self.strategy:
            raise ValueError(
                f"the sampling state is of strategy {state['strategy']!r}, "
                f"but this stream is {self.strategy!r}"
            )
        if state["fingerprint"] != self.fingerprint():
            raise ValueError(
                "the sampling state was saved with other labels, batch size or options than this "
                f"{self.strategy!r} stream has"
            )
        epoch, given_out = int(state["epoch"]), int(state["position"]) * int(state["world_size"])
        if given_out >= self.num_batches:
            epoch, given_out = epoch + 1, 0
        if given_out % self.world_size:
            raise ValueError(
                f"the sampling state stands after {given_out} batches, which is no multiple of "
                f"world_size {self.world_size}: resume with {state['world_size']} ranks"
            )
        self.seed = int(state["seed"])
        self._epoch, self._position = epoch, given_out // self.world_size
        self._resuming = True
        self._turn += 1  # an iterator that is still open no longer moves this stream
