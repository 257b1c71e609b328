"""Landmark HOG, the paper's "HOG": SIFT-like descriptors at 49 landmarks, 49 x 128 = 6,272.

The paper (section 4.2) trains its SVM, CPM and JPML on it and prints no parameters; patch, cells
and bins follow the same group's earlier work. At each landmark stands an upright square patch (36
px) of 4 x 4 cells with 8 signed orientations. Gradients vote into the two nearest orientations and,
by a triangular window, into the nearest cells; cells are weighted by a Gaussian of half a patch;
the descriptor is scaled to unit length, cut at 0.2 and scaled again.

It is computed in the flat-window form: eight orientation planes a frame, smoothed once by the
cell's triangle (a box applied twice), then read bilinearly at the 49 x 16 cell centres. Entry 128 p
+ 8 (4 row + column) + orientation belongs to landmark p; orientation 0 points right, 2 down.

What always holds: a patch without any gradient gives zeros, not noise; a frame whose landmarks are
not finite (a lost face) gives a row of zeros; outside of the picture there is no gradient.
"""

from __future__ import annotations

import numpy as np

from baselines.features.threads import over_frames
from harness.errors import UserError

NUM_LANDMARKS = 49
CELLS = 4
ORIENTATIONS = 8
DESCRIPTOR = CELLS * CELLS * ORIENTATIONS
CLIP = 0.2
FLAT = 1e-2  # gray levels a pixel; below it a descriptor is rounding, not picture


class LandmarkHog:
    """Extractor of the landmark HOG feature.

    Args:
        patch: side of the square patch in pixels of the registered face: 32, 36, 40 or 48.
        normalise: ``"landmark"`` scales each landmark's 128 values to unit length; ``"whole"`` also
            scales the whole vector to unit length.
    """

    code_version = 1

    def __init__(self, *, patch: int = 36, normalise: str = "landmark") -> None:
        if patch < CELLS or patch % CELLS:
            raise UserError(
                f"landmark HOG: patch {patch} must be a multiple of {CELLS}, such as 36"
            )
        if normalise not in ("landmark", "whole"):
            raise UserError(f"landmark HOG: normalise {normalise!r} must be 'landmark' or 'whole'")
        self.patch = patch
        self.normalise = normalise
        self.dimension = NUM_LANDMARKS * DESCRIPTOR
        cell = patch // CELLS
        centres = (np.arange(CELLS, dtype=np.float32) - (CELLS - 1) / 2) * cell
        rows, columns = np.meshgrid(centres, centres, indexing="ij")
        self._cell = cell
        self._offsets_C2 = np.stack([columns.ravel(), rows.ravel()], axis=1)
        squared = np.square(self._offsets_C2).sum(axis=1)
        self._window_C = np.exp(-squared / (2 * (patch / 2) ** 2)).astype(np.float32)

    def __call__(self, faces: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
        """float32 (N, 6272) from uint8 RGB ``faces`` (N, H, W, 3) and ``landmarks`` (N, 49, 2)."""
        num_frames = len(faces)
        features_ND = np.zeros((num_frames, self.dimension), np.float32)
        tracked = np.flatnonzero(np.isfinite(landmarks).all(axis=(1, 2)))

        def some_frames(rows: np.ndarray) -> None:
            scratch = _Scratch(faces.shape[1:3])
            for i in rows:
                features_ND[i] = self._describe(faces[i], landmarks[i], scratch)

        over_frames(some_frames, tracked)
        return features_ND

    def _describe(
        self, face_HWC: np.ndarray, landmarks_K2: np.ndarray, scratch: _Scratch
    ) -> np.ndarray:
        import cv2

        self._fill_planes(face_HWC, scratch)
        samples_SC2 = (landmarks_K2[:, None] + self._offsets_C2).astype(np.float32)
        x_SC = np.ascontiguousarray(samples_SC2[..., 0])
        y_SC = np.ascontiguousarray(samples_SC2[..., 1])
        votes_SCO = np.empty((*x_SC.shape, ORIENTATIONS), np.float32)
        for half, planes_HW4 in enumerate(scratch.quads):
            votes_SCO[..., 4 * half : 4 * half + 4] = cv2.remap(
                planes_HW4, x_SC, y_SC, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT
            )
        votes_SCO *= self._window_C[:, None]
        return self._normalised(votes_SCO.reshape(NUM_LANDMARKS, DESCRIPTOR)).ravel()

    def _fill_planes(self, face_HWC: np.ndarray, scratch: _Scratch) -> None:
        """Smoothed orientations 0-3 and 4-7 into ``scratch.quads``."""
        import cv2

        cv2.cvtColor(np.ascontiguousarray(face_HWC), cv2.COLOR_RGB2GRAY, dst=scratch.gray)
        # Central differences in gray levels a pixel.
        cv2.Sobel(scratch.gray, cv2.CV_32F, 1, 0, dst=scratch.x, ksize=1, scale=0.5)
        cv2.Sobel(scratch.gray, cv2.CV_32F, 0, 1, dst=scratch.y, ksize=1, scale=0.5)
        cv2.cartToPolar(scratch.x, scratch.y, scratch.magnitude, scratch.angle)
        angle_HW = np.multiply(
            scratch.angle, np.float32(ORIENTATIONS / (2 * np.pi)), out=scratch.angle
        )
        for orientation, near_HW in enumerate(scratch.planes):
            np.subtract(angle_HW, np.float32(orientation), out=near_HW)
            np.abs(near_HW, out=near_HW)
            if orientation == 0:
                np.minimum(near_HW, np.subtract(ORIENTATIONS, near_HW), out=near_HW)
            np.subtract(np.float32(1), near_HW, out=near_HW)
            cv2.threshold(near_HW, 0, 0, cv2.THRESH_TOZERO, dst=near_HW)
            np.multiply(near_HW, scratch.magnitude, out=near_HW)
        size = (self._cell, self._cell)
        # A box of even side is half a pixel off its anchor; the second one leans the other way.
        first, second = self._cell // 2, (self._cell - 1) // 2
        for half, quad_HW4 in enumerate(scratch.quads):
            cv2.merge(scratch.planes[4 * half : 4 * half + 4], dst=quad_HW4)
            for anchor in (first, second):
                cv2.blur(
                    quad_HW4,
                    size,
                    dst=quad_HW4,
                    anchor=(anchor, anchor),
                    borderType=cv2.BORDER_CONSTANT,
                )

    def _normalised(self, descriptors_SD: np.ndarray) -> np.ndarray:
        lengths_S1 = np.linalg.norm(descriptors_SD, axis=1, keepdims=True)
        flat_S1 = lengths_S1 < FLAT
        descriptors_SD = descriptors_SD / np.where(flat_S1, 1, lengths_S1)
        descriptors_SD = np.minimum(descriptors_SD, CLIP)
        lengths_S1 = np.linalg.norm(descriptors_SD, axis=1, keepdims=True)
        descriptors_SD /= np.where(flat_S1, 1, lengths_S1)
        descriptors_SD[flat_S1[:, 0]] = 0
        if self.normalise == "whole":
            descriptors_SD /= np.sqrt(max(1, int(np.count_nonzero(~flat_S1))))
        return descriptors_SD


class _Scratch:
    """Buffers of one thread. Without them each frame asks the system for fresh pages some forty
    times, and two threads are then slower than one."""

    def __init__(self, shape: tuple[int, int]) -> None:
        self.gray = np.empty(shape, np.uint8)
        self.x, self.y, self.magnitude, self.angle = np.empty((4, *shape), np.float32)
        self.planes = list(np.empty((ORIENTATIONS, *shape), np.float32))
        self.quads = list(np.empty((2, *shape, 4), np.float32))
