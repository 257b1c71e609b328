"""Crop, mirror and normalise a whole batch in host memory: one pass over its pixels, compiled.

Legend: N frames, B batch, R side of a face, S side of a crop; 3 colours lie side by side.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np


def _fill(
    faces_NRX: np.ndarray, table_4B: np.ndarray, scale: np.float32, shift_X: np.ndarray, out: Any
) -> None:
    side = out.shape[1]
    # unsigned: an index that cannot be negative needs no check in the loop
    width, one, two, three = np.uint64(3 * side), np.uint64(1), np.uint64(2), np.uint64(3)
    for i in range(table_4B.shape[1]):
        row, top, left, mirrored = table_4B[0, i], table_4B[1, i], table_4B[2, i], table_4B[3, i]
        for y in range(side):
            source = faces_NRX[row, top + y, 3 * left : 3 * (left + side)]
            line = out[i, y]
            if mirrored:
                at, to = width, np.uint64(0)
                for _ in range(side):
                    at -= three
                    line[to] = np.float32(source[at]) * scale + shift_X[to]
                    line[to + one] = np.float32(source[at + one]) * scale + shift_X[to + one]
                    line[to + two] = np.float32(source[at + two]) * scale + shift_X[to + two]
                    to += three
            else:
                for x in range(width):
                    line[x] = np.float32(source[x]) * scale + shift_X[x]


@cache
def crop_filler() -> Callable[..., Any]:
    """The compiled pass.

    Its arguments: faces uint8 (N, R, 3 R), a table of ``Crops`` int64 (4, B), the factor, the shift
    of each value in a row of pixels float32 (3 S,), and the batch to fill float32 (B, S, 3 S).
    """
    import numba

    try:
        return numba.njit(nogil=True, cache=True)(_fill)
    except RuntimeError:  # numba finds no folder that it may write to
        return numba.njit(nogil=True)(_fill)
