"""Threads of the numeric libraries, kept to the share of CPUs that a job holds.

Ray sets OMP_NUM_THREADS only; torch keeps its first value in a re-used worker process, and OpenCV
takes every core whatever the environment says. So each job sets them itself.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController


@lru_cache(maxsize=1)
def _libraries(num_modules: int) -> ThreadpoolController:
    """The BLAS and OpenMP libraries of this process; looked for again (some milliseconds) only when
    something has been imported since."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


@contextmanager
def limited_threads(threads: int) -> Iterator[None]:
    """Runs the block with at most ``threads`` threads in BLAS, OpenMP, torch, OpenCV and numba."""
    import cv2

    before_cv2 = cv2.getNumThreads()
    torch = sys.modules.get("torch")
    before_torch = torch.get_num_threads() if torch else 0
    cv2.setNumThreads(threads)
    if torch:
        torch.set_num_threads(threads)
    try:
        with _libraries(len(sys.modules)).limit(limits=threads):
            yield
    finally:
        cv2.setNumThreads(before_cv2)
        if torch:
            torch.set_num_threads(before_torch)
