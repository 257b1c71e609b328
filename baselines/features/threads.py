"""Spreads a loop over frames on this process's share of cores.

OpenCV and numpy let go of the interpreter lock inside their kernels, so plain threads suffice. The
share is OpenCV's own number of threads, which the harness sets for each job. OpenCV itself runs
with one thread meanwhile: pictures of 200 x 200 are too small for its threads to pay.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np


def over_frames(work: Callable[[np.ndarray], None], rows: np.ndarray) -> None:
    """Calls ``work`` with one share of ``rows`` for each thread; every row is in one share."""
    import cv2

    before = cv2.getNumThreads()
    threads = max(1, min(before, len(rows)))
    cv2.setNumThreads(1)
    try:
        if threads == 1:
            work(rows)
            return
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(work, [rows[first::threads] for first in range(threads)]))
    finally:
        cv2.setNumThreads(before)
