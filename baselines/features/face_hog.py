"""Whole-face HOG of Dalal and Triggs, 11 x 11 blocks x 36 = 4,356 values; no landmarks needed.

The registered face (its middle 192 x 192 pixels of 200 x 200) in 16 px cells with 9 unsigned
orientations; blocks of 2 x 2 cells at every cell under a Gaussian window, scaled by L2-Hys (cut at
0.2). It stands beside the paper's landmark descriptors to show what the landmarks are worth.

What always holds: the values are those of OpenCV's ``HOGDescriptor`` within rounding, in its order
(blocks, and cells in a block, run down columns first); a lost face (landmarks not finite) gives a
row of zeros.

Legend: N frames, D features, S side of the window, B blocks along a side, O orientations.
"""

from __future__ import annotations

import numpy as np

from baselines.features.face_hog_kernel import ORIENTATIONS, row_gatherer
from baselines.features.threads import over_frames
from harness.errors import UserError

CELL = 16
WINDOW_SIGMA = 8.0  # of a block, pixels
CLIP = 0.2
BATCH = 4


class FaceHog:
    """Extractor of the whole-face HOG feature.

    Args:
        size: side of the registered face in pixels.
    """

    code_version = 2

    def __init__(self, *, size: int = 200) -> None:
        if size < 2 * CELL:
            raise UserError(f"face HOG: size {size} must be at least {2 * CELL} pixels")
        cells = size // CELL
        self.size = size
        self._side = cells * CELL
        self._margin = (size - self._side) // 2
        self._blocks = cells - 1
        self.dimension = self._blocks**2 * 4 * ORIENTATIONS
        self._weights_C4 = _cell_weights()
        gather = np.zeros((self._side, self._blocks, 2), np.float32)
        for block in range(self._blocks):
            for half in range(2):
                rows = slice((block + half) * CELL, (block + half + 1) * CELL)
                gather[rows, block] = self._weights_C4[:, 2 * half : 2 * half + 2]
        self._gather_SP = gather.reshape(self._side, -1)

    def __call__(self, faces: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
        """float32 (N, 4356) from uint8 RGB ``faces`` (N, H, W, 3) and ``landmarks`` (N, 49, 2)."""
        features_ND = np.zeros((len(faces), self.dimension), np.float32)
        gather_rows = row_gatherer()

        def some_frames(rows: np.ndarray) -> None:
            scratch = _Scratch(self._side, self._blocks)
            for first in range(0, len(rows), BATCH):
                batch = rows[first : first + BATCH]
                for place, row in enumerate(batch):
                    self._gradient(faces[row], scratch)
                    gather_rows(
                        scratch.magnitude, scratch.angle, self._weights_C4, scratch.gathered[place]
                    )
                features_ND[batch] = self._blocks_of(scratch.gathered[: len(batch)])

        over_frames(some_frames, np.flatnonzero(np.isfinite(landmarks).all(axis=(1, 2))))
        return features_ND

    def _gradient(self, face_HWC: np.ndarray, scratch: _Scratch) -> None:
        import cv2

        gray = cv2.cvtColor(np.ascontiguousarray(face_HWC), cv2.COLOR_RGB2GRAY)
        window = slice(self._margin, self._margin + self._side)
        gray = np.ascontiguousarray(gray[window, window])
        border = cv2.BORDER_REFLECT_101
        cv2.Sobel(gray, cv2.CV_32F, 1, 0, dst=scratch.x, ksize=1, borderType=border)
        cv2.Sobel(gray, cv2.CV_32F, 0, 1, dst=scratch.y, ksize=1, borderType=border)
        cv2.cartToPolar(scratch.x, scratch.y, scratch.magnitude, scratch.angle)

    def _blocks_of(self, gathered: np.ndarray) -> np.ndarray:
        """(K, D) from votes gathered by rows (K, B, 2, O, S): gathered by columns and scaled."""
        num_frames, num_blocks = gathered.shape[:2]
        # One product a frame: a frame's values do not depend on which others come with it.
        cells = gathered.reshape(num_frames, -1, self._side) @ self._gather_SP
        cells = cells.reshape(num_frames, num_blocks, 2, ORIENTATIONS, num_blocks, 2)
        blocks = cells.transpose(0, 4, 1, 5, 2, 3).reshape(-1, 4 * ORIENTATIONS)
        # L2-Hys with OpenCV's constants
        length = np.sqrt(np.einsum("nd,nd->n", blocks, blocks)) + 0.1 * 4 * ORIENTATIONS
        blocks /= length[:, None]
        np.minimum(blocks, np.float32(CLIP), out=blocks)
        blocks /= (np.sqrt(np.einsum("nd,nd->n", blocks, blocks)) + 1e-3)[:, None]
        return blocks.reshape(num_frames, -1)


def _cell_weights() -> np.ndarray:
    """float32 (CELL, 4): a pixel row's weight in a block's two cell rows, for the rows of the
    block's first cell, then of its second: the window's Gaussian times the cell's triangle."""
    row = np.arange(2 * CELL)
    window = np.exp(-np.square(row - CELL) / (2 * WINDOW_SIGMA**2))
    place = (row + 0.5) / CELL - 0.5
    weights = [window * np.maximum(0, 1 - np.abs(place - cell)) for cell in range(2)]
    halves = np.stack(weights, axis=1).reshape(2, CELL, 2)
    return np.concatenate(list(halves), axis=1).astype(np.float32)


class _Scratch:
    """Buffers of one thread."""

    def __init__(self, side: int, blocks: int) -> None:
        self.x, self.y, self.magnitude, self.angle = np.empty((4, side, side), np.float32)
        self.gathered = np.empty((BATCH, blocks, 2, ORIENTATIONS, side), np.float32)
