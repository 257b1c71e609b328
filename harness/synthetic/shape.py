"""The face's geometry: 49 landmarks at rest, and how each action unit moves the skin.

Everything lives in the canonical face, 200 x 200 pixels (x right, y down) with the outer eye
corners 90 pixels apart and the centroid of the landmarks at (100, 92). Skin moves by smooth fields:
sums of Gaussian bumps at anatomical places. Lids and lips have a second kind of motion, because
they open and close: ``PART_MOTION`` moves their landmarks beyond the skin, and ``eyes.py`` and
``mouth.py`` draw them from their landmarks. Landmarks therefore come from the very motion that
moves the pixels.

The order of the landmarks is the field's usual 49: brows 0-9 (each from the picture's left to its
right), nose bridge 10-13, nose base 14-18, eyes 19-24 and 25-30 (clockwise from the left corner),
outer lip 31-42 (clockwise from the left corner), inner lip 43-45 (upper) and 46-48 (lower, right to
left).
"""

from __future__ import annotations

import numpy as np

ACTIONS = (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 20, 23, 24, 25, 26)
EYE_LEFT, EYE_RIGHT = slice(19, 25), slice(25, 31)
EYE_DISTANCE = 90.0
CENTROID = (100.0, 92.0)

_HALF = {  # the picture's left half; the right one is its mirror image
    0: (40, 51), 1: (49, 44), 2: (61, 41.5), 3: (73, 43), 4: (84, 47),
    10: (100, 63), 11: (100, 76), 12: (100, 89), 13: (100, 101),
    14: (86, 109), 15: (93, 112.5), 16: (100, 114.5),
    19: (55, 66.5), 20: (63.5, 61), 21: (74.5, 61), 22: (83, 67.5), 23: (74, 70.5), 24: (64, 70.5),
    31: (76, 138), 32: (84.5, 133.5), 33: (94, 130.5), 34: (100, 132),
    40: (100, 149), 41: (92.5, 148), 42: (84, 144.5),
    43: (91, 138.2), 44: (100, 138.8), 48: (91, 139.2), 47: (100, 139.8),
}  # fmt: skip
DROP = (
    -2.63
)  # puts the centroid of the table above, and all that is placed relative to it, at y = 92
MIRROR = np.array(
    [9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 10, 11, 12, 13, 18, 17, 16, 15, 14, 28, 27, 26, 25, 30, 29,
     22, 21, 20, 19, 24, 23, 37, 36, 35, 34, 33, 32, 31, 42, 41, 40, 39, 38, 45, 44, 43, 48, 47, 46]
)  # fmt: skip


def resting_landmarks() -> np.ndarray:
    """float64 (49, 2), the mean face at rest."""
    points = np.zeros((49, 2))
    for index, (x, y) in _HALF.items():
        points[index] = x, y + DROP
        points[MIRROR[index]] = 200 - x, y + DROP
    return points


# AU: bumps (x, y, spread x, spread y, move x, move y) on the picture's left half, at full
# intensity; the mirrored half follows by itself, bumps on the midline (x = 100) are used once.
_BUMPS: dict[int, tuple[tuple[float, float, float, float, float, float], ...]] = {
    1: ((86, 45, 13, 13, 1.0, -9.5), (86, 22, 16, 16, 0, -3.5), (80, 58, 8, 6, 0, -1.5)),
    2: ((50, 46, 15, 13, -1.0, -9.5), (50, 24, 18, 15, 0, -3.5), (52, 58, 9, 6, 0, -2.0)),
    4: ((82, 47, 15, 11, 6.0, 7.0), (58, 45, 14, 10, 2.5, 4.0), (90, 62, 8, 8, 1.5, 2.0)),
    5: ((68, 56, 14, 7, 0, -1.5),),
    6: ((62, 92, 19, 15, -0.5, -6.0), (46, 74, 10, 12, 1.5, -2.0), (68, 74, 13, 6, 0, -2.2)),
    7: ((68, 74, 14, 6, 0, -1.8), (68, 55, 14, 6, 0, 1.0)),
    9: ((90, 96, 9, 12, 1.0, -5.0), (84, 52, 11, 10, 3.0, 4.5), (89, 128, 10, 9, 0, -3.0),
        (70, 84, 12, 9, 0, -3.0)),
    10: ((90, 128, 14, 9, -0.5, -6.0), (84, 108, 9, 9, -2.0, -3.0), (70, 100, 14, 13, -1, -3.5)),
    12: ((74, 137, 14, 13, -10.0, -9.0), (62, 112, 18, 16, -3.0, -6.0), (86, 110, 8, 7, -3, -1.0),
         (90, 152, 14, 9, -3.0, -1.5)),
    14: ((75, 138, 9, 10, -5.5, -1.5), (58, 136, 10, 16, 4.0, 0.0)),
    15: ((75, 140, 12, 12, -2.0, 8.5), (72, 156, 12, 13, 0, 3.5)),
    17: ((100, 168, 22, 13, 0, -8.0), (100, 148, 18, 9, 0, -4.5), (78, 142, 9, 9, -1, 2.0)),
    20: ((72, 140, 15, 12, -9.5, 2.0), (70, 158, 15, 13, -5.0, 1.5)),
    23: ((78, 139, 13, 13, 5.0, 0.0), (100, 140, 12, 12, 0, 0.0)),
    24: ((78, 139, 10, 10, 2.0, 0.5), (100, 150, 22, 8, 0, -3.0), (100, 127, 22, 7, 0, 2.5)),
    25: ((100, 152, 22, 12, 0, 2.0),),
    26: ((100, 168, 34, 24, 0, 17.0), (74, 142, 12, 14, 2.0, 4.0), (50, 150, 20, 26, 2.0, 6.0)),
}  # fmt: skip

# AU: {landmark on the picture's left half: (move x, move y)}, beyond what the skin does.
PART_MOTION: dict[int, dict[int, tuple[float, float]]] = {
    5: {20: (0, -3.2), 21: (0, -3.2)},
    6: {24: (0, -1.6), 23: (0, -1.2)},
    7: {20: (0, 1.6), 21: (0, 1.8), 23: (0, -2.0), 24: (0, -2.2)},
    9: {24: (0, -1.0), 23: (0, -1.0)},
    10: {43: (0, -4.2), 44: (0, -4.2), 33: (0, -0.6), 34: (0, -0.2)},
    12: {43: (-2.0, -1.5), 48: (-2.0, 0.3), 47: (0, 1.0), 40: (0, 0.6)},
    15: {},
    17: {40: (0, -0.5), 41: (0, -0.5), 42: (0, -0.5)},
    20: {32: (0, 1), 33: (0, 1.2), 34: (0, 1.0), 40: (0, -1.5), 41: (0, -1.5), 42: (0, -1)},
    23: {32: (0, 1.2), 33: (0, 1.9), 34: (0, 1.8), 40: (0, -2.4), 41: (0, -2.2), 42: (0, -1.5)},
    24: {32: (0, 1.7), 33: (0, 2.7), 34: (0, 2.5), 40: (0, -3.2), 41: (0, -3.0), 42: (0, -2.0)},
    25: {43: (0, -1.5), 44: (0, -1.8), 33: (0, -0.8), 34: (0, -0.8), 48: (0, 4.5), 47: (0, 5.2),
         40: (0, 4.0), 41: (0, 3.8), 42: (0, 2.0)},
    26: {47: (0, 3.5), 48: (0, 3.0), 40: (0, 2.5), 41: (0, 2.3), 42: (0, 1.2)},
}  # fmt: skip


def skin_motion(points: np.ndarray, asymmetry: np.ndarray) -> np.ndarray:
    """How far full intensity of each action moves the skin at ``points``.

    Args:
        points: (..., 2) canonical positions.
        asymmetry: (17,) in [-1, 1]: above zero, the picture's left half moves more.

    Returns:
        (17, ..., 2) displacements in pixels, in the order of ``ACTIONS``.
    """
    moves = np.zeros((len(ACTIONS), *points.shape))
    x, y = points[..., 0], points[..., 1] - DROP
    for row, action in enumerate(ACTIONS):
        for cx, cy, sx, sy, dx, dy in _BUMPS[action]:
            sides = (
                ((cx, dx, 1.0),)
                if cx == 100
                else (
                    (cx, dx, 1 + asymmetry[row]),
                    (200 - cx, -dx, 1 - asymmetry[row]),
                )
            )
            for centre, sideways, weight in sides:
                bump = weight * np.exp(-0.5 * (((x - centre) / sx) ** 2 + ((y - cy) / sy) ** 2))
                moves[row, ..., 0] += sideways * bump
                moves[row, ..., 1] += dy * bump
    return moves


def part_motion(asymmetry: np.ndarray) -> np.ndarray:
    """(17, 49, 2): how far full intensity moves lids and lips beyond the skin."""
    moves = np.zeros((len(ACTIONS), 49, 2))
    for row, action in enumerate(ACTIONS):
        for index, (dx, dy) in PART_MOTION.get(action, {}).items():
            twin = int(MIRROR[index])
            if twin == index:
                moves[row, index] = dx, dy
            else:
                moves[row, index] = np.array([dx, dy]) * (1 + asymmetry[row])
                moves[row, twin] = np.array([-dx, dy]) * (1 - asymmetry[row])
    return moves


def half_width(y: np.ndarray, face_width: float, chin: float) -> np.ndarray:
    """Half the face's width at height ``y`` (pixels): broad at the cheeks, narrow at the chin."""
    down = np.clip((y - 84) / (chin - 84), 0, 1)
    up = np.clip((84 - y) / 112, 0, 1)
    jaw = (1 - 0.50 * down**1.6) * np.sqrt(1 - down**8)
    crown = np.sqrt(1 - up**2.4)
    return np.asarray(face_width * np.where(y < 84, crown, jaw))


def depth(
    points: np.ndarray, face_width: float = 68.0, chin: float = 184.0, nose: float = 1.0
) -> np.ndarray:
    """Height of the face above the plane through its sides, in pixels, at canonical points.

    A rounded body as wide as the face, with sockets, nose, cheekbones, lips and chin: it gives both
    the shading and what turning the head does.
    """
    x, y = points[..., 0], points[..., 1] - DROP
    across = (x - 100) / (half_width(y, face_width, chin) + 5)
    along = np.clip(1 - ((y - 100) / 118) ** 2, 0, None)
    z = 58 * np.sqrt(np.clip(1 - np.abs(across) ** 2.3, 0, None) * along + 1e-3)

    def bump(cx: float, cy: float, sx: float, sy: float, height: float) -> np.ndarray:
        return height * np.exp(-0.5 * (((x - cx) / sx) ** 2 + ((y - cy) / sy) ** 2))

    z += nose * (bump(100, 105, 8, 7, 11) + bump(100, 90, 6, 15, 8) + bump(100, 73, 5.5, 13, 4))
    for side in (-1, 1):
        z += nose * bump(100 + side * 11.5, 108, 4.5, 4.5, 5)
        z += bump(100 + side * 31, 66, 15, 9, -7.5) + bump(100 + side * 15, 66, 6, 9, -3)
        z += bump(100 + side * 33, 65, 11, 5, 3.0) + bump(100 + side * 32, 45, 22, 7, 4)
        z += bump(100 + side * 42, 96, 15, 12, 5) + bump(100 + side * 34, 122, 14, 16, -1.5)
        z += bump(100 + side * 60, 60, 10, 18, -3)
    z += bump(100, 138, 22, 11, 5) + bump(100, 122, 4, 6, -1.2) + bump(100, 168, 15, 9, 6)
    z += bump(100, 156, 18, 4.5, -3) + bump(100, 24, 34, 16, 3)
    return np.asarray(z)


def turning_depth(points: np.ndarray, face_width: float, chin: float, nose: float) -> np.ndarray:
    """Height that turning the head sees: ``depth`` with a gentle edge, so no pixel is hidden."""
    x, y = points[..., 0], points[..., 1] - DROP
    across = np.clip(1 - ((x - 100) / (face_width + 26)) ** 2, 0, None)
    along = np.clip(1 - ((y - 96) / (chin - 96 + 42)) ** 2, 0, None)
    body = 60 * np.sqrt(across * along + 0.02)
    middle = np.exp(-0.5 * (((x - 100) / 12) ** 2 + ((y - 102) / 15) ** 2))
    sockets = np.exp(-0.5 * (((np.abs(x - 100) - 31) / 14) ** 2 + ((y - 66) / 10) ** 2))
    return np.asarray(body + 15 * nose * middle - 5 * sockets)
