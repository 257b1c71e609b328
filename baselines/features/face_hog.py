"""Whole-face HOG of Dalal and Triggs, 11 x 11 blocks x 36 = 4,356 values; no landmarks needed.

The registered face (its middle 192 x 192 pixels of 200 x 200) in 16 px cells with 9 unsigned
orientations; blocks of 2 x 2 cells at every cell, scaled by L2-Hys (cut at 0.2). It stands beside
the paper's landmark descriptors to show what the landmarks are worth.

What always holds: values are >= 0; blocks run down columns first, as OpenCV orders them; a lost
face (landmarks not finite) gives a row of zeros.
"""

from __future__ import annotations

import numpy as np

from baselines.features.threads import over_frames
from harness.errors import UserError

CELL = 16
ORIENTATIONS = 9


class FaceHog:
    """Extractor of the whole-face HOG feature.

    Args:
        size: side of the registered face in pixels.
    """

    code_version = 1

    def __init__(self, *, size: int = 200) -> None:
        if size < 2 * CELL:
            raise UserError(f"face HOG: size {size} must be at least {2 * CELL} pixels")
        cells = size // CELL
        self.size = size
        self._side = cells * CELL
        self._margin = (size - self._side) // 2
        self.dimension = (cells - 1) ** 2 * 4 * ORIENTATIONS

    def __call__(self, faces: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
        """float32 (N, 4356) from uint8 RGB ``faces`` (N, H, W, 3) and ``landmarks`` (N, 49, 2)."""
        import cv2

        features_ND = np.zeros((len(faces), self.dimension), np.float32)
        window = slice(self._margin, self._margin + self._side)

        def some_frames(rows: np.ndarray) -> None:
            side, cell = (self._side, self._side), (CELL, CELL)
            block = (2 * CELL, 2 * CELL)
            descriptor = cv2.HOGDescriptor(side, block, cell, cell, ORIENTATIONS)
            for i in rows:
                gray = cv2.cvtColor(np.ascontiguousarray(faces[i]), cv2.COLOR_RGB2GRAY)
                features_ND[i] = descriptor.compute(np.ascontiguousarray(gray[window, window]))

        over_frames(some_frames, np.flatnonzero(np.isfinite(landmarks).all(axis=(1, 2))))
        return features_ND
