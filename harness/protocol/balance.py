"""Balanced parts: units (a subject, or people recorded together) are dealt into parts of given
shares, so that every part holds its share of every AU.

The dealing is the "desire" rule of iterative stratification (Sechidis, Tsoumakas, Vlahavas: On the
stratification of multi-label data, ECML PKDD 2011), on subjects in place of examples: the rarest AU
goes first, and each unit that shows it goes to the part that still lacks most of it. Unlike the
examples of that paper a subject holds most AUs, and each in another amount, so the first AU would
decide nearly everything. Exchanging pairs of units therefore follows, for as long as an exchange
brings the parts closer to their shares over all AUs.

What always holds: the result depends on the units, the shares and the random generator only; every
part gets at least one unit; with units of equal size every part has its exact number of them.

Legend: G units, K parts, L quantities to balance (present frames of each AU, and all frames).
"""

from __future__ import annotations

import numpy as np


def balanced_parts(
    counts_GL: np.ndarray, sizes_G: np.ndarray, shares_K: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """The part, 0 ... K-1, of each unit: int64 (G,).

    Args:
        counts_GL: how much of each quantity a unit holds, not negative.
        sizes_G: how many subjects a unit has, at least 1.
        shares_K: share of each part, all above 0, adding up to 1.
        rng: decides the order of dealing and every tie.

    Needs at least as many units as parts.
    """
    num_units, num_parts = len(counts_GL), len(shares_K)
    assert 1 <= num_parts <= num_units, f"{num_units} units cannot fill {num_parts} parts"
    # A part of 13 subjects beside two of 14 should hold 13/41 of each AU, lest its base rates rise.
    room_K = _whole_numbers(shares_K, int(sizes_G.sum()), rng)
    desire_KL = (room_K / sizes_G.sum())[:, None] * counts_GL.sum(axis=0)[None, :]
    part_of_G = _deal(counts_GL, sizes_G, room_K, desire_KL, rng)
    _exchange(part_of_G, counts_GL, sizes_G, desire_KL)
    return part_of_G


def _deal(
    counts_GL: np.ndarray,
    sizes_G: np.ndarray,
    room_K: np.ndarray,
    desire_KL: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """The "desire" rule, within each part's room for subjects."""
    num_units, num_parts = len(counts_GL), len(room_K)
    desire_KL, room_K = desire_KL.copy(), room_K.astype(np.float64)
    part_of_G = np.full(num_units, -1, dtype=np.int64)
    # Large groups first, while there is room for them; units of one size in random order.
    waiting = sorted(rng.permutation(num_units), key=lambda g: -sizes_G[g])
    while waiting:
        left_L = counts_GL[waiting].sum(axis=0)
        shown = np.flatnonzero(left_L > 0)
        rarest = int(shown[np.argmin(left_L[shown])]) if len(shown) else None
        unit = next((g for g in waiting if rarest is None or counts_GL[g, rarest] > 0), waiting[0])
        empty_K = np.bincount(part_of_G[part_of_G >= 0], minlength=num_parts) == 0
        if len(waiting) <= empty_K.sum():
            allowed = np.flatnonzero(empty_K)
        else:
            allowed = np.flatnonzero(room_K >= sizes_G[unit])
            if not len(allowed):
                allowed = np.flatnonzero(room_K == room_K.max())
        wish = desire_KL[allowed, rarest] if rarest is not None else room_K[allowed]
        best = allowed[wish >= wish.max() - 1e-9]
        best = best[room_K[best] == room_K[best].max()]
        part = int(rng.choice(best))
        part_of_G[unit] = part
        desire_KL[part] -= counts_GL[unit]
        room_K[part] -= sizes_G[unit]
        waiting.remove(unit)
    return part_of_G


def _exchange(
    part_of_G: np.ndarray, counts_GL: np.ndarray, sizes_G: np.ndarray, desire_KL: np.ndarray
) -> None:
    """Exchanges pairs of equally large units while that lowers the sum over parts and quantities of
    the squared distance from the desire, each quantity relative to its total. Works in place.

    With r_k the excess of part k, exchanging unit g of part a for unit h of part b changes the sum
    by 2 d.(r_a - r_b) + 2 |d|^2, where d = counts_h - counts_g; all pairs are looked at together.
    """
    total_L = counts_GL.sum(axis=0)
    scaled_GL = counts_GL[:, total_L > 0] / total_L[total_L > 0]
    products_GG = scaled_GL @ scaled_GL.T
    squares_G = np.diag(products_GG)
    distance_GG = squares_G[:, None] + squares_G[None, :] - 2 * products_GG
    same_size_GG = sizes_G[:, None] == sizes_G[None, :]
    excess_KL = -desire_KL[:, total_L > 0] / total_L[total_L > 0]
    np.add.at(excess_KL, part_of_G, scaled_GL)
    for _ in range(10 * len(part_of_G)):
        along_GK = scaled_GL @ excess_KL.T
        own_G = along_GK[np.arange(len(part_of_G)), part_of_G]
        other_GG = along_GK[:, part_of_G]  # counts of g along the excess of the part of h
        change_GG = 2 * (other_GG.T - own_G[:, None] - own_G[None, :] + other_GG + distance_GG)
        change_GG[~same_size_GG | (part_of_G[:, None] == part_of_G[None, :])] = 0
        g, h = np.unravel_index(int(np.argmin(change_GG)), change_GG.shape)
        if change_GG[g, h] > -1e-12:
            return
        a, b = part_of_G[g], part_of_G[h]
        excess_KL[a] += scaled_GL[h] - scaled_GL[g]
        excess_KL[b] += scaled_GL[g] - scaled_GL[h]
        part_of_G[g], part_of_G[h] = b, a


def _whole_numbers(shares_K: np.ndarray, total: int, rng: np.random.Generator) -> np.ndarray:
    """``total`` in whole numbers close to the shares; which parts are rounded up is drawn."""
    exact_K = shares_K * total
    whole_K = np.floor(exact_K + 1e-9).astype(np.int64)
    order = np.lexsort((rng.random(len(shares_K)), -np.round(exact_K - whole_K, 9)))
    whole_K[order[: total - int(whole_K.sum())]] += 1
    return whole_K
