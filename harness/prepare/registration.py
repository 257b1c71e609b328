"""Registration: a similarity transform of the 49 landmarks to a reference face of 200x200 pixels.

Source: the paper, section 3.1 (tracked faces "registered to a reference face using similarity
transformation, resulting in 200x200 face images"). Four degrees of freedom (scale, rotation,
translation), the least-squares solution of Umeyama (PAMI 1991) without reflection.

The paper does not publish its reference shape. Ours is the mean of frontal faces that dlib uses to
cut face chips (68-point annotation without jaw and inner mouth corners), made symmetric, with an
outer-eye-corner distance of 90 pixels (option ``eye_dist``), the eyes level, and the centroid of
the 49 points at (100, 92).

What always holds: registering points that were moved by any similarity gives the same points.

Legend: N frames, P = 49 points, (x, y) in pixels counted from 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np

FACE_SIZE = 200
CENTROID = (100.0, 92.0)
OUTER_EYES = (19, 28)
LEFT_EYE, RIGHT_EYE = slice(19, 25), slice(25, 31)
RIGID_SUBSET = (19, 22, 25, 28, *range(10, 19))
"""Eye corners and nose: they move little with expression."""

MIRROR = np.array(
    [
        *(9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 10, 11, 12, 13, 18, 17, 16, 15, 14),
        *(28, 27, 26, 25, 30, 29, 22, 21, 20, 19, 24, 23),
        *(37, 36, 35, 34, 33, 32, 31, 42, 41, 40, 39, 38, 45, 44, 43, 48, 47, 46),
    ]
)
"""Point that each point becomes when the picture is mirrored."""

_SHAPE = np.array(
    [
        # brows
        *([0.0002, 0.1065], [0.0753, 0.0389], [0.1811, 0.0187], [0.2908, 0.0345], [0.3934, 0.0774]),
        *([0.5869, 0.0774], [0.6895, 0.0345], [0.7991, 0.0187], [0.9050, 0.0389], [0.9800, 0.1065]),
        # nose: bridge, base
        *([0.4901, 0.2034], [0.4901, 0.3070], [0.4901, 0.4098], [0.4901, 0.5156]),
        *([0.3669, 0.5873], [0.4260, 0.6093], [0.4901, 0.6281], [0.5542, 0.6093], [0.6134, 0.5873]),
        # eyes
        *([0.1217, 0.2164], [0.1871, 0.1788], [0.2658, 0.1799], [0.3346, 0.2317]),
        *([0.2609, 0.2451], [0.1827, 0.2441]),
        *([0.6456, 0.2317], [0.7144, 0.1799], [0.7931, 0.1788], [0.8585, 0.2164]),
        *([0.7975, 0.2441], [0.7193, 0.2451]),
        # outer lip, inner lip
        *([0.2541, 0.7802], [0.3410, 0.7454], [0.4289, 0.7274], [0.4901, 0.7426]),
        *([0.5514, 0.7274], [0.6393, 0.7454], [0.7261, 0.7802]),
        *([0.6422, 0.8648], [0.5567, 0.9022], [0.4901, 0.9093], [0.4235, 0.9022], [0.3381, 0.8648]),
        *([0.4281, 0.7787], [0.4901, 0.7853], [0.5522, 0.7787]),
        *([0.5534, 0.8242], [0.4901, 0.8318], [0.4269, 0.8242]),
    ]
)


def similarity(points_NP2: np.ndarray, target_P2: np.ndarray) -> np.ndarray:
    """Least-squares similarities that map each row's points onto the target.

    Args:
        points_NP2: (N, P, 2); rows may hold NaN.
        target_P2: (P, 2).

    Returns:
        float64 (N, 2, 3) matrices for column vectors (x, y, 1); NaN where the points are NaN or
        all in one place. In the plane the Umeyama solution is one complex number: with centred
        points z and target w, scale and rotation are sum(conj(z) w) / sum(|z|^2), which cannot
        reflect.
    """
    points = np.asarray(points_NP2, np.float64)
    target = np.asarray(target_P2, np.float64)
    z = points[..., 0] + 1j * points[..., 1]
    w = target[:, 0] + 1j * target[:, 1]
    z_mean, w_mean = z.mean(axis=-1, keepdims=True), w.mean()
    energy = np.sum(np.abs(z - z_mean) ** 2, axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        turn = np.sum(np.conj(z - z_mean) * (w - w_mean), axis=-1) / energy
        turn = np.where(energy > 1e-9, turn, np.nan)
        shift = w_mean - turn * z_mean[..., 0]
    matrices = np.empty((*turn.shape, 2, 3))
    matrices[..., 0, 0] = matrices[..., 1, 1] = turn.real
    matrices[..., 1, 0], matrices[..., 0, 1] = turn.imag, -turn.imag
    matrices[..., 0, 2], matrices[..., 1, 2] = shift.real, shift.imag
    return matrices


def transform(points_NP2: np.ndarray, matrices_N23: np.ndarray) -> np.ndarray:
    """The points (N, P, 2) moved by their row's matrix (N, 2, 3); also (P, 2) by (2, 3)."""
    matrices = np.asarray(matrices_N23)
    moved = points_NP2 @ np.swapaxes(matrices[..., :2], -1, -2)
    return moved + matrices[..., None, :, 2]


@dataclass(frozen=True, kw_only=True)
class Registration:
    """How faces are registered.

    Attributes:
        eye_dist: distance of the outer eye corners in the reference shape, pixels.
        points: the points that the transform is fitted to: all 49, or the eye corners and nose.
        resampling: ``bilinear`` reads four pixels for each one of the face, which leaves most of a
            large picture unread; ``area`` first averages blocks of 2x2, 4x4, ... pixels where the
            face shrinks by two or more, and is the same as bilinear where it does not.
    """

    eye_dist: Literal[80, 90, 100] = 90
    points: Literal["all", "rigid_subset"] = "all"
    resampling: Literal["area", "bilinear"] = "area"

    @cached_property
    def reference(self) -> np.ndarray:
        """float64 (49, 2): the reference shape in pixels of the registered face."""
        shape = _SHAPE - _SHAPE.mean(axis=0)
        mirrored = shape[MIRROR] * [-1, 1]
        shape = (shape + mirrored) / 2
        outer = shape[OUTER_EYES[1], 0] - shape[OUTER_EYES[0], 0]
        reference = shape * (self.eye_dist / outer) + CENTROID
        reference.flags.writeable = False
        return reference

    @property
    def subset(self) -> np.ndarray:
        """Indices of the points that the transform is fitted to."""
        return np.arange(49) if self.points == "all" else np.array(RIGID_SUBSET)

    def fit(self, landmarks_NP2: np.ndarray) -> np.ndarray:
        """float64 (N, 2, 3): from picture pixels to pixels of the registered face."""
        subset = self.subset
        return similarity(np.asarray(landmarks_NP2)[..., subset, :], self.reference[subset])

    def warp(self, picture_HWC: np.ndarray, matrix_23: np.ndarray) -> np.ndarray:
        """uint8 (200, 200, 3): the registered face, black outside the picture.

        Channels stay in the order in which they came.
        """
        import cv2

        if self.resampling == "area":
            picture_HWC, matrix_23 = _reduced(picture_HWC, matrix_23)
        size = (FACE_SIZE, FACE_SIZE)
        return cv2.warpAffine(picture_HWC, matrix_23, size, flags=cv2.INTER_LINEAR)

    def describe(self) -> dict[str, Any]:
        """The recipe, as it goes into ``dataset.json``."""
        return {
            "transform": "similarity",
            "eye_dist": self.eye_dist,
            "points": self.points,
            "centroid": list(CENTROID),
            "size": FACE_SIZE,
            "resampling": self.resampling,
        }


def _reduced(picture_HWC: np.ndarray, matrix_23: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The part of the picture that the face needs, averaged over blocks of k x k pixels, and the
    matrix from there; k is 2, 4, 8, ..., so that the face shrinks by less than two from there on.
    As given where it shrinks by less than two anyway."""
    import cv2

    shrinks = 1 / max(float(np.hypot(matrix_23[0, 0], matrix_23[1, 0])), 1e-6)
    if shrinks < 2:
        return picture_HWC, matrix_23
    factor = 2 ** int(np.log2(shrinks))
    corners = np.array([[0, 0], [FACE_SIZE, 0], [0, FACE_SIZE], [FACE_SIZE, FACE_SIZE]], float)
    corners = transform(corners, cv2.invertAffineTransform(matrix_23))
    height, width = picture_HWC.shape[:2]
    x, y = np.clip(corners.min(axis=0).astype(int) - factor, 0, (width, height)).tolist()
    across, down = np.clip(corners.max(axis=0).astype(int) + factor, 0, (width, height)) - (x, y)
    across, down = int(across) // factor, int(down) // factor
    if across < 1 or down < 1:
        return picture_HWC, matrix_23
    reduced = picture_HWC[y : y + down * factor, x : x + across * factor]
    while reduced.shape[0] > down:  # by halves: OpenCV has a fast path for them
        half = (reduced.shape[1] // 2, reduced.shape[0] // 2)
        reduced = cv2.resize(reduced, half, interpolation=cv2.INTER_AREA)
    middle = (factor - 1) / 2  # block j's centre stands at pixel j * factor + middle
    back = np.array([[factor, 0, x + middle], [0, factor, y + middle], [0, 0, 1]])
    return reduced, matrix_23 @ back
