"""Algorithm 2 (MOMU) compiled: fills one batch in some ten microseconds. The paper, section 5.2.

The structure is a partitioned index set per AU: an array of the AU's frames whose first part, the
bag, holds all of them that may be drawn. A draw takes a uniform member out of the bag. Its frame
also has to leave the bags of its other AUs, and that is done when a draw meets it there: a frame
that is no longer alive is thrown out, and the next one is drawn. So a draw is uniform over the
AU's alive frames, each (frame, AU) is thrown out at most once for each time it was put in, and
restoring costs no more than the draws did: O(AUs of a frame) per draw, whatever the number of
frames. (Swapping a frame out of all its bags at once does the same work with random writes all
over memory, which at 400,000 frames took more than twice as long.)

Frames without any AU may take part as positives of one extra AU, number L, that no pick chooses.
Legend: E pairs (frame, AU) with label +1, N frames, L AUs and the extra one, W words of 16 AUs,
B frames of the batch, P picks.

Numba is imported here and nowhere else in this package. What it compiles is kept on disk; where
no folder can be written, it is compiled again in each process.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numba
import numpy as np

AU, TAKEN, RESTORED = 0, 1, 2  # columns of the picks


class AliveSets(NamedTuple):
    """The partitioned index sets, and the random state. The kernel changes all but the first
    four in place.

    Attributes:
        members_E: frames by AU; those of AU l are at begin_L[l] .. begin_L[l + 1] - 1.
        begin_L, population_L: where an AU's frames begin, and how many it has.
        has_NW: the AUs of each frame, as bits.
        bag_E: like members_E; the first bag_size_L[l] of AU l's places are its bag.
        bag_size_L: frames in each bag; among them all alive frames of the AU.
        in_bag_NW: AUs in whose bag a frame is, as bits.
        num_alive_L: alive frames of each AU.
        alive_N: whether a frame may be drawn.
        batch_of_N: number of the last batch that a frame was drawn for, from 1; 0 for none. Kept
            only under ``spare_open_batch``, as it costs a write to a place all over memory.
        random: state of the random numbers, one word.
    """

    members_E: np.ndarray
    begin_L: np.ndarray
    population_L: np.ndarray
    has_NW: np.ndarray
    bag_E: np.ndarray
    bag_size_L: np.ndarray
    in_bag_NW: np.ndarray
    num_alive_L: np.ndarray
    alive_N: np.ndarray
    batch_of_N: np.ndarray
    random: np.ndarray


class Rules(NamedTuple):
    """The options of Algorithm 2 as the kernel reads them.

    Attributes:
        step: S, frames a pick adds.
        first_remaining: the first pick looks at alive counts, not at the population. A-6.5
        random_ties: ties between AUs go to chance, not to the order of ``available``. A-6.6
        spare_open_batch: restoring leaves out frames of the open batch. A-6.7
        num_neutral: slots for frames without any AU. A-6.10
    """

    step: int
    first_remaining: bool
    random_ties: bool
    spare_open_batch: bool
    num_neutral: int


def _compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    try:
        return numba.njit(nogil=True, cache=True)(function)
    except RuntimeError:  # numba finds no folder that it may write to
        return numba.njit(nogil=True)(function)


_inner = numba.njit(nogil=True, inline="always")  # becomes a part of what calls it

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_27, _30, _31, _32 = (np.uint64(bits) for bits in (27, 30, 31, 32))
_LOW = np.uint64(2**32 - 1)
_TWO_32 = np.uint64(2**32)


@_inner
def _below(random, bound):  # type: ignore[no-untyped-def]
    """A uniform integer in 0 .. bound - 1: splitmix64, and Lemire's exact reduction."""
    wide = np.uint64(bound)
    while True:
        random[0] += _GOLDEN
        word = random[0]
        word = (word ^ (word >> _30)) * _MIX_1
        word = (word ^ (word >> _27)) * _MIX_2
        product = ((word ^ (word >> _31)) >> _32) * wide
        low = product & _LOW
        if low >= wide or low >= (_TWO_32 - wide) % wide:
            return np.int64(product >> _32)


@_inner
def _count(counts_L, words_NW, frame, step):  # type: ignore[no-untyped-def]
    """Adds ``step`` to the count of each AU whose bit is set for the frame."""
    for first in range(0, len(counts_L), 16):
        word = np.int64(words_NW[frame, first >> 4])
        for au in range(first, min(first + 16, len(counts_L))):
            counts_L[au] += step * (word & 1)
            word >>= 1


@_inner
def _put_back(sets, frame):  # type: ignore[no-untyped-def]
    """Makes a frame alive: it returns to those of its bags that it was thrown out of."""
    sets.alive_N[frame] = True
    _count(sets.num_alive_L, sets.has_NW, frame, 1)
    for au in range(len(sets.population_L)):
        has = np.int64(sets.has_NW[frame, au >> 4])
        in_bag = np.int64(sets.in_bag_NW[frame, au >> 4])
        if ((has & ~in_bag) >> (au & 15)) & 1:
            sets.bag_E[sets.begin_L[au] + sets.bag_size_L[au]] = frame
            sets.bag_size_L[au] += 1
    for word in range(sets.has_NW.shape[1]):
        sets.in_bag_NW[frame, word] = sets.has_NW[frame, word]


@_inner
def _restore(sets, au, number, spare_open_batch):  # type: ignore[no-untyped-def]
    """Puts back all frames that contain the AU (but those of the open batch, if spared)."""
    for place in range(sets.begin_L[au], sets.begin_L[au + 1]):
        frame = sets.members_E[place]
        if not sets.alive_N[frame] and not (spare_open_batch and sets.batch_of_N[frame] == number):
            _put_back(sets, frame)


@_inner
def _draw(sets, au):  # type: ignore[no-untyped-def]
    """Takes a uniform one of the AU's alive frames out; there must be one."""
    begin = sets.begin_L[au]
    while True:
        place = begin + _below(sets.random, sets.bag_size_L[au])
        frame = sets.bag_E[place]
        sets.bag_size_L[au] -= 1
        sets.bag_E[place] = sets.bag_E[begin + sets.bag_size_L[au]]
        in_bag = np.int64(sets.in_bag_NW[frame, au >> 4])
        sets.in_bag_NW[frame, au >> 4] = in_bag & ~(1 << (au & 15))
        if sets.alive_N[frame]:
            break
    sets.alive_N[frame] = False
    _count(sets.num_alive_L, sets.has_NW, frame, -1)
    return frame


@_inner
def _add(sets, frame, batch_B, filled, current_L, number, spare_open_batch):  # type: ignore[no-untyped-def]
    batch_B[filled] = frame
    if spare_open_batch:
        sets.batch_of_N[frame] = number
    _count(current_L, sets.has_NW, frame, 1)


@_inner
def _pick(sets, au, k, batch_B, filled, current_L, number, spare_open_batch):  # type: ignore[no-untyped-def]
    """Adds k distinct frames that contain the AU; tells whether it had to restore first."""
    restored = sets.num_alive_L[au] < k
    if restored:
        _restore(sets, au, number, spare_open_batch)
    num_fresh = min(k, sets.num_alive_L[au])
    for j in range(num_fresh):
        frame = _draw(sets, au)
        _add(sets, frame, batch_B, filled + j, current_L, number, spare_open_batch)
    if num_fresh < k:
        # All frames of the AU are in the open batch by now: repeat some that are not of this pick.
        others = np.empty(sets.population_L[au] + 1, dtype=np.int64)
        num_others = 0
        for frame in sets.members_E[sets.begin_L[au] : sets.begin_L[au + 1]]:
            others[num_others] = frame
            num_others += 1
            for picked in batch_B[filled : filled + num_fresh]:
                if picked == frame:
                    num_others -= 1
        for j in range(k - num_fresh):
            chosen = j + _below(sets.random, num_others - j)
            frame = others[chosen]
            others[chosen] = others[j]
            place = filled + num_fresh + j
            _add(sets, frame, batch_B, place, current_L, number, spare_open_batch)
    return restored


@_inner
def _fewest(counts_L, available, random_ties, random):  # type: ignore[no-untyped-def]
    """The available AU of least count; of equals the first available, or a random one."""
    best = available[0]
    num_equal = 1
    for au in available[1:]:
        if counts_L[au] < counts_L[best]:
            best = au
            num_equal = 1
        elif random_ties and counts_L[au] == counts_L[best]:
            num_equal += 1
            if _below(random, num_equal) == 0:
                best = au
    return best


@_compiled
def fill_batch(sets, available, rules, number, batch_B, picks_P3):  # type: ignore[no-untyped-def]
    """Algorithm 2, one batch: writes frames into ``batch_B`` and what was picked into
    ``picks_P3`` (AU, frames taken, whether restored); returns the number of picks."""
    current_L = np.zeros_like(sets.population_L)
    size = len(batch_B) - rules.num_neutral
    filled = 0
    num_picks = 0
    while filled < len(batch_B):
        if filled >= size:  # the slots for frames without any AU
            au, k = len(sets.population_L) - 1, len(batch_B) - filled
        else:
            if filled > 0:
                rarity_L = current_L
            elif rules.first_remaining:
                rarity_L = sets.num_alive_L
            else:
                rarity_L = sets.population_L
            au = _fewest(rarity_L, available, rules.random_ties, sets.random)
            k = min(rules.step, size - filled)
        k = min(k, sets.population_L[au])
        restored = _pick(sets, au, k, batch_B, filled, current_L, number, rules.spare_open_batch)
        picks_P3[num_picks, AU] = au
        picks_P3[num_picks, TAKEN] = k
        picks_P3[num_picks, RESTORED] = restored
        num_picks += 1
        filled += k
    return num_picks
