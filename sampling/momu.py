"""MOMU, multi-label minority oversampling, majority undersampling. The paper, Algorithm 2.

Each batch is filled a few frames at a time: first with frames of the AU that is rarest in the
population, then again and again with frames of the AU that is rarest in the batch so far. Drawn
frames are taken out of the data set; when an AU has too few left, all its frames are put back.

What always holds (S step, bs batch size, L AUs with positives, n_l positives of AU l):
- every batch has exactly bs frames (A-6.4), each of them with an AU (but the neutral fraction);
- each pick's frames are distinct and all contain the AU that was rarest at that time;
- a frame is drawn at most once more than its AUs were restored;
- if n_l >= S for all l, each AU occurs at least S (ceil(floor(bs / S) / L) - 1) times in a batch;
- which frames are taken out carries over from batch to batch and from epoch to epoch.

Batches hold each AU far more often than the data do: to compare at a fixed threshold, correct the
prior (``sampling.prior``).
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterator, Mapping
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import ArrayLike

from sampling.batches import Batches
from sampling.checked import checked_choice, checked_count, checked_fraction

if TYPE_CHECKING:
    from sampling.momu_kernel import AliveSets, Rules

First = Literal["original", "remaining"]
Ties = Literal["population", "random", "index"]
Restore = Literal["all_of_AU", "all_not_in_batch"]
Last = Literal["trunc", "round"]


class Traced(NamedTuple):
    """A batch and how it came about.

    Attributes:
        batch_B: frames, in the order in which they were picked.
        picks_P3: one row a pick: AU (L for the neutral slots), frames taken, 1 if restored first.
        num_alive_L: frames of each AU that may still be drawn, after the batch.
    """

    batch_B: np.ndarray
    picks_P3: np.ndarray
    num_alive_L: np.ndarray


class _Members(NamedTuple):
    """What the sets are made from, the same in every epoch: see ``momu_kernel.AliveSets``."""

    members_E: np.ndarray
    begin_L: np.ndarray
    has_NW: np.ndarray


class MomuBatches(Batches):
    """Batches in which rare and frequent AUs occur about equally often.

    Frames of frequent AUs are left out of an epoch, frames of rare ones occur several times. An AU
    without positives plays no part; an AU with fewer than ``step`` gives what it has.

    Args:
        labels, batch_size, seed, num_batches, rank, world_size: as in ``Batches``.
        step: S, frames added by one pick, 1 or more. A-6.8
        first: population of the first pick: counts of the whole dataset (``original``), or of the
            frames that are not taken out (``remaining``). A-6.5
        ties: between AUs that are equally rare in the batch: the rarer one in the population, a
            ``random`` one, or the one of lower ``index``. A-6.6
        restore: an AU that runs out gets all its frames back (``all_of_AU``: a frame may come
            twice into a batch), or all that are not in the open batch (``all_not_in_batch``:
            frames repeat only where the AU has no others). A-6.7
        neutral_fraction: share of each batch that is kept for frames without any AU, drawn
            uniformly; frames without any known label never count. A-6.10
        last: the last pick of a batch is cut to fit (``trunc``), or batches have a multiple of
            ``step`` frames, at most ``batch_size`` (``round``). A-6.4

    Raises:
        ValueError: an argument is outside its range; no AU has a positive frame; or a neutral
            fraction is asked for, and there are no frames for it.
    """

    strategy: ClassVar[str] = "momu"

    def __init__(
        self,
        labels: ArrayLike,
        batch_size: int,
        seed: int = 0,
        *,
        step: int = 4,
        first: First = "original",
        ties: Ties = "population",
        restore: Restore = "all_of_AU",
        neutral_fraction: float = 0.0,
        last: Last = "trunc",
        num_batches: int | None = None,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        super().__init__(
            labels, batch_size, seed, num_batches=num_batches, rank=rank, world_size=world_size
        )
        self.step = checked_count("step", step, 1)
        self.first = checked_choice("first", first, get_args(First))
        self.ties = checked_choice("ties", ties, get_args(Ties))
        self.restore = checked_choice("restore", restore, get_args(Restore))
        self.neutral_fraction = checked_fraction("neutral_fraction", neutral_fraction)
        self.last = checked_choice("last", last, get_args(Last))

        self._num_neutral = round(self.neutral_fraction * self.batch_size)
        self._num_with_au = self.batch_size - self._num_neutral
        if last == "round":
            self._num_with_au -= self._num_with_au % self.step
        if self._num_with_au < 1:
            raise ValueError(
                f"batch_size {self.batch_size} leaves no room for frames with an AU: "
                f"neutral_fraction {self.neutral_fraction:g}, step {self.step}, last {last!r}"
            )
        population_L = np.count_nonzero(self._labels_NL > 0, axis=0)
        if not population_L.any():
            raise ValueError("MOMU needs a positive label (+1), but labels hold none")
        if self._num_neutral and not self._neutral_N.any():
            raise ValueError(
                f"neutral_fraction {self.neutral_fraction:g} needs frames with known labels and "
                "no AU, but labels hold none"
            )
        by_rarity = np.argsort(population_L, kind="stable")
        order = by_rarity if ties == "population" else np.arange(len(population_L))
        self._available = order[population_L[order] > 0].astype(np.int64)
        # Where an epoch starts: which frames are not taken out, for this epoch and the next.
        self._alive_at: dict[int, np.ndarray] = {0: np.ones(self.num_frames, dtype=bool)}

    def _options(self) -> dict[str, Any]:
        return {
            "step": self.step,
            "first": self.first,
            "ties": self.ties,
            "restore": self.restore,
            "neutral_fraction": self.neutral_fraction,
            "last": self.last,
        }

    def _epoch_batches(self, epoch: int) -> Iterator[np.ndarray]:
        for traced in self.trace(epoch):
            yield traced.batch_B

    def trace(self, epoch: int) -> Iterator[Traced]:
        """All batches of an epoch, for all ranks, and how each came about. Leaves the stream
        where it stands."""
        from sampling.momu_kernel import fill_batch

        alive_N = self._alive_at_start(epoch)
        sets, rules = self._sets(epoch, alive_N), self._rules()
        picks_P3 = np.empty((self._num_with_au + self._num_neutral, 3), dtype=np.int64)
        for number in range(1, self.num_batches + 1):
            batch_B = np.empty(len(picks_P3), dtype=np.int64)
            num_picks = fill_batch(sets, self._available, rules, number, batch_B, picks_P3)
            if number == self.num_batches:
                self._alive_at = {epoch: alive_N, epoch + 1: sets.alive_N.copy()}
            yield Traced(batch_B, picks_P3[:num_picks].copy(), sets.num_alive_L[:-1].copy())

    def _alive_at_start(self, epoch: int) -> np.ndarray:
        """Frames not taken out when the epoch starts; runs the epochs before it if need be."""
        from sampling.momu_kernel import fill_batch

        known = max((start for start in self._alive_at if start <= epoch), default=None)
        if known is None:
            self._alive_at, known = {0: np.ones(self.num_frames, dtype=bool)}, 0
        alive_N = self._alive_at[known]
        rules, size = self._rules(), self._num_with_au + self._num_neutral
        batch_B, picks_P3 = np.empty(size, dtype=np.int64), np.empty((size, 3), dtype=np.int64)
        for earlier in range(known, epoch):
            sets = self._sets(earlier, alive_N)
            for number in range(1, self.num_batches + 1):
                fill_batch(sets, self._available, rules, number, batch_B, picks_P3)
            alive_N = sets.alive_N
        self._alive_at.setdefault(epoch, alive_N)
        return alive_N

    @cached_property
    def _neutral_N(self) -> np.ndarray:
        has_au_N = np.any(self._labels_NL > 0, axis=1)
        return np.asarray(np.any(self._labels_NL < 0, axis=1) & ~has_au_N)

    @cached_property
    def _members(self) -> _Members:
        has_NL = self._labels_NL > 0
        neutral_N1 = self._neutral_N[:, None] & (self._num_neutral > 0)
        has_NL = np.concatenate((has_NL, neutral_N1), axis=1)
        members = [np.flatnonzero(has_N).astype(np.int32) for has_N in has_NL.T]
        bits_NW16 = np.pad(has_NL, ((0, 0), (0, -has_NL.shape[1] % 16)))  # to whole words
        return _Members(
            members_E=np.concatenate(members),
            begin_L=np.cumsum([0, *map(len, members)], dtype=np.int64),
            has_NW=np.packbits(bits_NW16, axis=1, bitorder="little").view("<u2").astype(np.uint16),
        )

    def _sets(self, epoch: int, alive_N: np.ndarray) -> AliveSets:
        """The sets as every epoch starts with them: each bag holds just the alive frames."""
        from sampling.momu_kernel import AliveSets

        members_E, begin_L, has_NW = self._members
        bag_E = np.empty_like(members_E)
        num_alive_L = np.zeros(len(begin_L) - 1, dtype=np.int64)
        for au, (begin, end) in enumerate(pairwise(begin_L)):
            members = members_E[begin:end]
            bag = members[alive_N[members]]
            num_alive_L[au] = len(bag)
            bag_E[begin : begin + len(bag)] = bag
        return AliveSets(
            members_E=members_E,
            begin_L=begin_L,
            population_L=np.diff(begin_L),
            has_NW=has_NW,
            bag_E=bag_E,
            bag_size_L=num_alive_L.copy(),
            in_bag_NW=has_NW * alive_N[:, None],
            num_alive_L=num_alive_L,
            alive_N=alive_N.copy(),
            batch_of_N=np.zeros(self.num_frames, dtype=np.int32),
            random=self._entropy(epoch).generate_state(1, np.uint64),
        )

    def _rules(self) -> Rules:
        from sampling.momu_kernel import Rules

        return Rules(
            step=self.step,
            first_remaining=self.first == "remaining",
            random_ties=self.ties == "random",
            spare_open_batch=self.restore == "all_not_in_batch",
            num_neutral=self._num_neutral,
        )

    def state_dict(self, consumed: int | None = None) -> dict[str, int | str]:
        """As in ``Batches``, and which frames were taken out when the epoch began (N / 8 bytes,
        packed and written as text)."""
        packed = zlib.compress(np.packbits(self._alive_at_start(self.epoch)).tobytes())
        return {**super().state_dict(consumed), "alive": base64.b64encode(packed).decode()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """As in ``Batches``. Going on in the middle of an epoch runs its first part again, at
        the speed of the compiled algorithm."""
        if "alive" not in state:
            raise ValueError("the sampling state lacks alive")
        super().load_state_dict(state)
        packed = zlib.decompress(base64.b64decode(state["alive"]))
        alive_N = np.unpackbits(np.frombuffer(packed, dtype=np.uint8), count=self.num_frames)
        self._alive_at = {int(state["epoch"]): alive_N.astype(bool)}
