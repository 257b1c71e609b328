"""What finds the landmarks of one picture after the other."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Tracker = Callable[[np.ndarray], "np.ndarray | None"]
"""From a picture (H, W, 3), blue first, to the 49 points (49, 2), or None where no face is found.
It may remember the picture before, so it is called in the order of a video."""
