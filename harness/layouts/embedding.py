"""Registered faces put back into a larger picture, at a similarity that is known.

The writers of the official layouts use it, so that whoever reads them has real registration to do.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np

from harness.prepare.registration import FACE_SIZE, transform

MARGIN = 24
"""Pixels by which a face is continued outwards before it is put into its picture."""


@dataclass(frozen=True, kw_only=True)
class Placement:
    """Where the face of each frame stands in its picture.

    Attributes:
        matrices_T23: float64 (T, 2, 3), from pixels of the registered face to picture pixels.
        roll_T: in-plane rotation, radians.
        size: (width, height) of the pictures.
    """

    matrices_T23: np.ndarray
    roll_T: np.ndarray
    size: tuple[int, int]

    def landmarks(self, landmarks_TP2: np.ndarray) -> np.ndarray:
        """(T, 49, 2) in picture pixels."""
        return transform(landmarks_TP2, self.matrices_T23)

    def picture(self, face_HWC: np.ndarray, frame: int, tracked: bool = True) -> np.ndarray:
        """uint8 (H, W, 3), blue first: the RGB face on a plain background with a soft gradient;
        the background alone where the face was lost."""
        import cv2

        picture = self._background()
        if not tracked:
            return picture
        # a margin, mirrored: else the face's own border would show where registration cuts
        face = cv2.copyMakeBorder(
            np.ascontiguousarray(face_HWC[..., ::-1]),
            MARGIN,
            MARGIN,
            MARGIN,
            MARGIN,
            cv2.BORDER_REFLECT_101,
        )
        matrix = self.matrices_T23[frame].copy()
        matrix[:, 2] -= matrix[:, :2] @ [MARGIN, MARGIN]
        cv2.warpAffine(
            face,
            matrix,
            self.size,
            dst=picture,
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_TRANSPARENT,
        )
        return picture

    def _background(self) -> np.ndarray:
        width, height = self.size
        shade = np.linspace(150, 70, height, dtype=np.float32)[:, None, None]
        column = (shade * [0.9, 1.0, 1.05]).astype(np.uint8)
        return np.ascontiguousarray(np.broadcast_to(column, (height, width, 3)))


def place(name: str, num_frames: int, size: tuple[int, int]) -> Placement:
    """A sequence's placement: its own scale, tilt and position, and a slow drift around them.

    Depends on the sequence's name alone, so the same sequence is written alike by any process.
    """
    width, height = size
    draw = np.random.default_rng(zlib.crc32(name.encode()))
    scale = 0.72 * min(width, height) / FACE_SIZE * draw.uniform(0.92, 1.08)
    frame = np.arange(num_frames)
    period = draw.uniform(120, 300)
    swing = np.sin(2 * np.pi * (frame / period + draw.uniform()))
    roll = np.radians(draw.uniform(-8, 8) + 3 * swing)
    scales = scale * (1 + 0.03 * np.cos(2 * np.pi * frame / period))
    centre_x = width / 2 + width * (draw.uniform(-0.05, 0.05) + 0.02 * swing)
    centre_y = height / 2 + height * (draw.uniform(-0.04, 0.04) + 0.01 * swing)
    cos, sin = scales * np.cos(roll), scales * np.sin(roll)
    middle = (FACE_SIZE - 1) / 2
    matrices = np.empty((num_frames, 2, 3))
    matrices[:, 0, 0] = matrices[:, 1, 1] = cos
    matrices[:, 1, 0], matrices[:, 0, 1] = sin, -sin
    matrices[:, 0, 2] = centre_x - cos * middle + sin * middle
    matrices[:, 1, 2] = centre_y - sin * middle - cos * middle
    return Placement(matrices_T23=matrices, roll_T=roll, size=size)
