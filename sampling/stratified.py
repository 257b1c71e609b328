"""Multi-label stratification (MS): AUs balanced between batches. The paper, Algorithm 1.

The frames of the rarest AU are dealt evenly to all batches of the epoch, then those of the rarest
AU among what remains, and so on; frames without any AU come last.

What always holds (K batches, L AUs):
- every frame is in exactly one batch;
- there are at most L + 1 rounds, and in each round (round_robin, lex) batches get equally many of
  its frames, give or take one; so the AU that is dealt first is balanced to within one frame;
- with pointer ``continue``, and with ``desire``, batch sizes differ by one at most;
- unknown (0) counts as not containing, like absent (-1).
AUs that are dealt later are only nearly balanced by ``round_robin`` and ``lex``: their frames came
along with rarer AUs. ``desire`` looks at what each batch already holds, and balances those too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from sampling.batches import Batches
from sampling.checked import checked_choice, checked_count

Order = Literal["dynamic", "static"]
Deal = Literal["round_robin", "desire", "lex"]
Pointer = Literal["continue", "restart"]
NO_AU = -1


@dataclass(frozen=True, kw_only=True)
class Stratification:
    """Which batch each frame was dealt to, and how.

    Attributes:
        batch_N: number of the batch, 0 .. K - 1.
        round_N: number of the round in which the frame was dealt.
        rounds: the AU (column of the labels) of each round; ``NO_AU`` for frames without any.
    """

    batch_N: np.ndarray
    round_N: np.ndarray
    rounds: tuple[int, ...]


def stratify(
    labels_NL: np.ndarray,
    num_batches: int,
    generator: np.random.Generator,
    *,
    order: Order = "dynamic",
    deal: Deal = "round_robin",
    pointer: Pointer = "continue",
) -> Stratification:
    """Algorithm 1: deals all frames to ``num_batches`` batches. Time O(N L).

    Args:
        labels_NL: in {-1, 0, +1}.
        num_batches: K, 1 or more; may exceed N, some batches then stay empty.
        generator: source of all that is random here.
        order, deal, pointer: as in ``StratifiedBatches``.
    """
    num_frames, num_aus = labels_NL.shape
    has_NL = labels_NL > 0
    has_LN = np.ascontiguousarray(has_NL.T)
    counts_L = np.count_nonzero(has_LN, axis=1)  # of the remaining frames
    fixed_order = [int(au) for au in np.argsort(counts_L, kind="stable")]

    batch_N = np.empty(num_frames, dtype=np.uint16 if num_batches < 2**16 else np.uint32)
    round_N = np.empty(num_frames, dtype=np.int32)
    rounds: list[int] = []
    remaining = np.arange(num_frames)
    next_batch = 0
    desires = _Desires(num_frames, num_aus, num_batches, generator) if deal == "desire" else None

    while len(remaining):
        au = _next_au(counts_L, fixed_order if order == "static" else None)
        if au == NO_AU:
            dealt, remaining = remaining, remaining[:0]
        else:
            contains = has_LN[au, remaining]
            dealt, remaining = remaining[contains], remaining[~contains]
        dealt = generator.permutation(dealt)

        if desires is not None:
            batch_N[dealt] = desires.deal(au, has_NL[dealt])
        else:
            if deal == "lex":
                dealt = dealt[_gray_order(has_NL[dealt], counts_L)]
            if pointer == "restart":
                next_batch = 0
            batch_N[dealt] = (next_batch + np.arange(len(dealt))) % num_batches
            next_batch = (next_batch + len(dealt)) % num_batches

        round_N[dealt] = len(rounds)
        rounds.append(au)
        counts_L = counts_L - np.count_nonzero(has_NL[dealt], axis=0)
    return Stratification(batch_N=batch_N, round_N=round_N, rounds=tuple(rounds))


def _next_au(counts_L: np.ndarray, fixed_order: list[int] | None) -> int:
    """The rarest AU that remains (or the next one of a fixed order); NO_AU if none does."""
    if not counts_L.any():
        return NO_AU
    if fixed_order is not None:
        return next(au for au in fixed_order if counts_L[au])
    return int(np.argmin(np.where(counts_L > 0, counts_L, np.iinfo(counts_L.dtype).max)))


def _gray_order(has_ML: np.ndarray, counts_L: np.ndarray) -> np.ndarray:
    """Order in which neighbouring frames differ in few AUs: by Gray code, rarest AU first."""
    rarest_first = np.argsort(counts_L, kind="stable")
    # A Gray code's rank has as its bits the running exclusive or of the code's bits.
    rank_ML = np.bitwise_xor.accumulate(has_ML[:, rarest_first], axis=1)
    bytes_MW = np.packbits(rank_ML, axis=1)
    return np.lexsort(bytes_MW.T[::-1])


class _Desires:
    """Deals each frame to the batch that still wants its AU most (Sechidis et al., 2011).

    All batches want equally much of every AU, so the one that wants most is the one that holds
    least; ties go to the batch with most room, then to chance. A full batch wants nothing, which
    keeps sizes within one of each other. Who gets the next frame of a round does not depend on
    the frame, so a round is dealt level by level instead of frame by frame.
    """

    def __init__(
        self, num_frames: int, num_aus: int, num_batches: int, generator: np.random.Generator
    ) -> None:
        self.held_LK = np.zeros((num_aus, num_batches), dtype=np.int64)
        self.room_K = np.full(num_batches, num_frames // num_batches)
        self.room_K[generator.permutation(num_batches)[: num_frames % num_batches]] += 1
        self.generator = generator

    def deal(self, au: int, has_ML: np.ndarray) -> np.ndarray:
        """Batches for the M frames of one round."""
        if au == NO_AU:  # the last round: exactly the room that is left
            return np.repeat(np.arange(len(self.room_K)), self.room_K)
        held_K, wanted, chosen = self.held_LK[au].copy(), len(has_ML), []
        while wanted:
            level = held_K[self.room_K > 0].min()
            neediest = np.flatnonzero((self.room_K > 0) & (held_K == level))
            chance = self.generator.random(len(neediest))
            neediest = neediest[np.lexsort((chance, -self.room_K[neediest]))][:wanted]
            held_K[neediest] += 1
            self.room_K[neediest] -= 1
            wanted -= len(neediest)
            chosen.append(neediest)
        batch_M = np.concatenate(chosen)
        for other in np.flatnonzero(has_ML.any(axis=0)):
            self.held_LK[other] += np.bincount(batch_M[has_ML[:, other]], minlength=len(held_K))
        return batch_M


class StratifiedBatches(Batches):
    """Batches in which each AU occurs about equally often; every frame once an epoch.

    With N frames there are K = N / batch_size batches, rounded up, of N / K frames, rounded up or
    down (so a little under ``batch_size``, instead of one small last batch). The plan is dealt
    anew each epoch.

    Args:
        labels, batch_size, seed, rank, world_size: as in ``Batches``.
        order: rarest among the remaining frames, found anew each round (``dynamic``), or by the
            counts of the whole dataset (``static``). A-6.1
        deal: ``round_robin``; ``desire``, to the batch that holds least; or ``lex``, round robin
            over frames sorted by their other AUs. A-6.2
        pointer: a round starts where the last one stopped (``continue``) or at the first batch
            (``restart``, which lets sizes drift, above ``batch_size`` too). A-6.3
        num_batches: only so many of the K batches; None for all of them.

    Raises:
        ValueError: an argument is outside its range, or has no effect.
    """

    strategy: ClassVar[str] = "stratified"

    def __init__(
        self,
        labels: ArrayLike,
        batch_size: int,
        seed: int = 0,
        *,
        order: Order = "dynamic",
        deal: Deal = "round_robin",
        pointer: Pointer = "continue",
        num_batches: int | None = None,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        super().__init__(labels, batch_size, seed, rank=rank, world_size=world_size)
        self.order = checked_choice("order", order, get_args(Order))
        self.deal = checked_choice("deal", deal, get_args(Deal))
        self.pointer = checked_choice("pointer", pointer, get_args(Pointer))
        if deal == "desire" and pointer == "restart":
            raise ValueError("pointer has no effect with deal 'desire', which keeps no pointer")
        self._num_strata = self.num_batches
        if num_batches is not None:
            self.num_batches = checked_count("num_batches", num_batches, 1, self._num_strata)

    def _options(self) -> dict[str, Any]:
        return {"order": self.order, "deal": self.deal, "pointer": self.pointer}

    def _epoch_batches(self, epoch: int) -> Iterator[np.ndarray]:
        generator = self._generator(epoch)
        batch_N = stratify(
            self._labels_NL,
            self._num_strata,
            generator,
            order=self.order,
            deal=self.deal,
            pointer=self.pointer,
        ).batch_N
        shuffled_N = generator.permutation(self.num_frames)
        frames_N = shuffled_N[np.argsort(batch_N[shuffled_N], kind="stable")]
        ends_K = np.cumsum(np.bincount(batch_N, minlength=self._num_strata))
        for batch in generator.permutation(self._num_strata)[: self.num_batches]:
            yield frames_N[ends_K[batch - 1] if batch else 0 : ends_K[batch]]
