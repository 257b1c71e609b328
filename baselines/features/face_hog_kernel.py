"""The inner loop of whole-face HOG: votes of each pixel, gathered down its column.

A block's Gaussian window and its cells' triangles are products of a part in x and a part in y. So
the votes of a row of pixels are gathered by y into the (at most four) cell rows that they count
for, all columns at once, and ``face_hog.py`` gathers the columns by one matrix product.

Legend: S side of the window in pixels, B blocks along a side.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

ORIENTATIONS = 9


def _gather_rows(
    magnitude_SS: np.ndarray, angle_SS: np.ndarray, weight_S4: np.ndarray, out: np.ndarray
) -> None:
    side, num_blocks, cell = magnitude_SS.shape[0], out.shape[0], weight_S4.shape[0]
    votes = np.zeros((ORIENTATIONS, side), np.float32)
    lower_S, share_S = np.zeros(side, np.uint32), np.zeros(side, np.float32)
    per_radian = np.float32(ORIENTATIONS / math.pi)
    out[:] = 0
    for y in range(side):
        votes[:] = 0
        for x in range(side):
            place = angle_SS[y, x] * per_radian + np.float32(0.5)
            whole = np.int32(place)
            lower_S[x] = ORIENTATIONS - 1 if whole == 0 else whole - 1
            share_S[x] = place - np.float32(whole)
        for x in range(side):
            lower, vote = lower_S[x], magnitude_SS[y, x]
            if lower >= ORIENTATIONS:
                lower -= ORIENTATIONS
            upper = lower + 1 if lower + 1 < ORIENTATIONS else 0
            votes[lower, x] = vote * (np.float32(1) - share_S[x])
            votes[upper, x] = vote * share_S[x]
        strip, row = y // cell, y % cell
        for half in range(2):  # the strip is a block's upper half and another block's lower half
            block = strip - half
            if block < 0 or block >= num_blocks:
                continue
            for part in range(2):
                weight = weight_S4[row, 2 * half + part]
                gathered = out[block, part]
                for orientation in range(ORIENTATIONS):
                    for x in range(side):
                        gathered[orientation, x] += weight * votes[orientation, x]


@cache
def row_gatherer() -> Callable[..., Any]:
    """The compiled loop: magnitude and angle (S, S) float32 of the gradient, angle in radians from
    0 to 2 pi; weights (cell, 4) of a row of pixels in the two cell rows of the block that begins
    with its strip and of the block before; fills out (B, 2, 9, S) float32."""
    import numba

    try:
        return numba.njit(nogil=True, cache=True)(_gather_rows)
    except RuntimeError:  # numba finds no folder that it may write to
        return numba.njit(nogil=True)(_gather_rows)
