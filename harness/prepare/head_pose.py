"""How far a head is turned, estimated from its 49 registered landmarks.

A scaled orthographic camera is fitted to a mean face in three dimensions: the 2 x 3 matrix that
maps the mean face to the landmarks in least squares, then the nearest one with orthogonal rows of
one length. Registration takes position, size and roll out of the landmarks, and leaves what is
estimated here: yaw and pitch. The heights of the mean face are rounded adult measures, in
millimetres above the plane of the outer eye corners; one pixel of a registered face is about one
millimetre.

Points that expressions move (brows, lips) weigh little. A long nose still reads as a head that is
held low, so angles of different people compare roughly, those of one person well.

What always holds: yaw and pitch do not change when landmarks are shifted, scaled or rolled; a
mirrored face has the opposite yaw and the same pitch; where a landmark is missing, both are NaN.

Legend: N frames, P = 49 points.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from harness.prepare.registration import Registration

EXPRESSIVE = (*range(10), *range(31, 49))
WEIGHT_OF_EXPRESSIVE = 0.2
_HEIGHTS = np.array(
    [
        *(5, 13, 19, 22, 24, 24, 22, 19, 13, 5),  # brows
        *(18, 26, 35, 45, 22, 28, 31, 28, 22),  # nose: bridge to tip, base
        *(0, 8, 10, 7, 9, 7, 7, 10, 8, 0, 7, 9),  # eyes
        *(14, 23, 29, 30, 29, 23, 14, 20, 26, 27, 26, 20),  # outer lip
        *(26, 28, 26, 25, 27, 25),  # inner lip
    ],
    float,
)


@dataclass(frozen=True, kw_only=True)
class HeadPose:
    """Angles in degrees, float32 (N,): ``yaw`` above 0 brings the nose to the picture's right,
    ``pitch`` above 0 brings it down."""

    yaw: np.ndarray
    pitch: np.ndarray


def head_pose(landmarks_NP2: np.ndarray) -> HeadPose:
    """Yaw and pitch of registered (or any) landmarks in pixels, (x right, y down)."""
    num_frames = len(landmarks_NP2)
    flat_N98 = np.asarray(landmarks_NP2, np.float64).reshape(num_frames, 2 * len(_HEIGHTS))
    across_N3, down_N3 = np.split(flat_N98 @ _solution(), 2, axis=1)
    yaw, pitch = np.full((2, num_frames), np.nan, np.float32)
    # Landmarks that are missing are NaN; those that lie in one place fit a matrix of zeros.
    known_N = np.linalg.norm(np.cross(across_N3, down_N3), axis=1) > 1e-9
    across, down = _orthogonal(across_N3[known_N], down_N3[known_N])
    # Roll is taken out: the rows are turned in the picture's plane until x has no share in y.
    roll = np.arctan2(down[:, 0], across[:, 0])
    cosine, sine = np.cos(roll)[:, None], np.sin(roll)[:, None]
    across, down = cosine * across + sine * down, cosine * down - sine * across
    yaw[known_N] = np.degrees(np.arctan2(across[:, 2], across[:, 0]))
    pitch[known_N] = np.degrees(np.arctan2(down[:, 2], down[:, 1]))
    return HeadPose(yaw=yaw, pitch=pitch)


def _orthogonal(across_N3: np.ndarray, down_N3: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The nearest orthogonal rows of length 1, up to one factor: (M M')^-1/2 M, whose root has a
    closed form for two rows."""
    a = np.einsum("ni,ni->n", across_N3, across_N3)
    b = np.einsum("ni,ni->n", across_N3, down_N3)
    c = np.einsum("ni,ni->n", down_N3, down_N3)
    root = np.sqrt(a * c - b * b)
    size = root * np.sqrt(a + c + 2 * root)
    first = ((c + root)[:, None] * across_N3 - b[:, None] * down_N3) / size[:, None]
    second = ((a + root)[:, None] * down_N3 - b[:, None] * across_N3) / size[:, None]
    return first, second


@cache
def _solution() -> np.ndarray:
    """(98, 6): takes landmarks, x and y in turns, to the two rows of the fitted matrix.

    Centring is linear too, so it is in here: each column's entries for x, and for y, add up to 0.
    """
    weights_P = np.ones(len(_HEIGHTS))
    weights_P[list(EXPRESSIVE)] = WEIGHT_OF_EXPRESSIVE
    face_P3 = np.column_stack([Registration().reference, _HEIGHTS])
    face_P3 = face_P3 - weights_P @ face_P3 / weights_P.sum()
    weighted_P3 = weights_P[:, None] * face_P3
    solve_P3 = weighted_P3 @ np.linalg.inv(face_P3.T @ weighted_P3)
    solution = np.zeros((len(_HEIGHTS), 2, 6))
    solution[:, 0, :3] = solution[:, 1, 3:] = solve_P3
    return solution.reshape(-1, 6)
