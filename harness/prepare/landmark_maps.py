"""From other landmark conventions to the 49 points used here (the paper, section 3.1).

The 49 points are the 68 of the iBUG / Multi-PIE annotation without the jaw (0 to 16) and the inner
mouth corners (60 and 64): brows 0-9, nose bridge 10-13, nose base 14-18, eyes 19-30, outer lip
31-42, inner lip 43-48. "Left" is the picture's left, the person's right.
"""

from __future__ import annotations

import numpy as np

FROM_68 = np.array([*range(17, 60), 61, 62, 63, 65, 66, 67])
"""Index into 68 points of each of the 49."""

FROM_66 = np.arange(17, 66)
"""Index into 66 points (68 without the inner mouth corners) of each of the 49."""

_MESH: tuple[int | tuple[int, int], ...] = (
    *(70, 63, 105, 66, 107, 336, 296, 334, 293, 300),
    *((168, 6), (197, 195), 5, 4, 75, 97, 2, 326, 305),
    *(33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380),
    *(61, 39, 37, 0, 267, 269, 291, 321, 314, 17, 84, 91),
    *(82, 13, 312, 317, 14, 87),
)
FROM_MESH = np.array([pair if isinstance(pair, tuple) else (pair, pair) for pair in _MESH])
"""Two vertices of MediaPipe's face mesh (468 or 478 points) whose mean is each of the 49; after
P. Yan's published mapping of the mesh to 68 points (2024)."""


def to_49(points_P2: np.ndarray) -> np.ndarray:
    """The 49 points of (..., P, 2) points in any known convention, told by their number P.

    Raises:
        ValueError: P is none of 49, 66, 68, 468, 478.
    """
    count = points_P2.shape[-2]
    if count == 49:
        return points_P2
    if count == 66:
        return points_P2[..., FROM_66, :]
    if count == 68:
        return points_P2[..., FROM_68, :]
    if count in (468, 478):
        return points_P2[..., FROM_MESH, :].mean(axis=-2)
    raise ValueError(f"no map from {count} landmarks to 49; known: 49, 66, 68, 468, 478")
