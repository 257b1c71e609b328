"""What each action does to the light on the skin: furrows, folds, pouches and bulges.

FACS names these changes of appearance for each action unit; here each is a map over the face of the
relative change of brightness at full intensity. A furrow is a dark floor with a lit lower edge, a
bulge a bright rise with a shadow under it. Places are those of the mean face, with some play from
person to person.
"""

from __future__ import annotations

import numpy as np

from harness.synthetic.shape import ACTIONS, DROP, resting_landmarks

_CORNERS = (31, 37)  # landmarks of the mouth's corners


class _Sheet:
    """The maps being drawn, in coordinates of the mean face before its shift by ``DROP``."""

    def __init__(self, x: np.ndarray, y: np.ndarray, maps: dict[int, np.ndarray]) -> None:
        self.x, self.y, self.maps = x, y, maps
        self.away = np.abs(x - 100)

    def moved(self, right: float, down: float) -> _Sheet:
        """The same maps, seen so that what is drawn comes to lie that much off."""
        return _Sheet(self.x - right, self.y - down, self.maps)

    def furrow(
        self, action: int, across: np.ndarray, width: float, depth: float, where: np.ndarray
    ) -> None:
        """A groove ``across`` pixels from its floor, growing positive towards its lit edge."""
        u = across / width
        profile = -np.exp(-0.5 * u**2) + 0.45 * np.exp(-0.5 * ((u - 2.2) / 1.0) ** 2)
        self.maps[action] += depth * profile * where

    def bulge(self, action: int, cx: float, cy: float, sx: float, sy: float, rise: float) -> None:
        """A soft rise (or, below zero, a shadow)."""
        u, v = (self.x - cx) / sx, (self.y - cy) / sy
        self.maps[action] += rise * np.exp(-0.5 * (u**2 + v**2))


def _near(at: np.ndarray, centre: float, reach: float) -> np.ndarray:
    return np.asarray(np.exp(-0.5 * ((at - centre) / reach) ** 2))


def wrinkles(
    random: np.random.Generator,
    x: np.ndarray,
    y: np.ndarray,
    noise: np.ndarray,
    landmarks: np.ndarray,
) -> np.ndarray:
    """(17, P, P) relative change of brightness by each action at full intensity.

    Args:
        random: the person's own stream, for the play of places.
        x, y: (P, P) canonical positions.
        noise: (P, P) fine standard noise, the grain of the chin's dimpling.
        landmarks: (49, 2) the person's own: what belongs to the mouth goes with the mouth.
    """
    sheet = _Sheet(x, y - DROP, {action: np.zeros_like(x) for action in ACTIONS})
    left, right = _CORNERS
    mean = resting_landmarks()
    out = float(np.ptp(landmarks[[left, right], 0]) - np.ptp(mean[[left, right], 0])) / 2
    down = float((landmarks[[left, right], 1] - mean[[left, right], 1]).mean())
    _forehead(sheet, random)
    for side in (-1.0, 1.0):
        _frown(sheet, random, side)
        _around_eye(sheet, random, side)
        _cheek(sheet.moved(side * 0.5 * out, 0.3 * down), random, side)
        _mouth_corner(sheet.moved(side * out, down), side)
    _nose(sheet)
    _chin_and_lips(sheet.moved(0, down), noise)
    return np.stack([sheet.maps[action] for action in ACTIONS])


def _forehead(sheet: _Sheet, random: np.random.Generator) -> None:
    x, y, away = sheet.x, sheet.y, sheet.away
    for height, depth in ((32.0, 0.36), (23.0, 0.42), (14.0, 0.34)):
        play = random.uniform(0, 6)
        wave = height + 1.5 * random.standard_normal() + 0.9 * np.sin(x / 14 + play)
        sheet.furrow(1, y - wave + 0.001 * away**2, 1.4, depth, _near(away, 0, 22))
        arch = wave - 0.5 + 0.0022 * (away - 46) ** 2
        sheet.furrow(2, y - arch, 1.4, depth * 0.95, _near(away, 46, 17))


def _frown(sheet: _Sheet, random: np.random.Generator, side: float) -> None:
    x, y = sheet.x, sheet.y
    line = 100 + side * (6.5 + random.uniform(-1.2, 1.2) - 0.04 * (y - 48))
    sheet.furrow(4, (x - line) * side, 1.9, 0.36, _near(y, 45, 8))
    sheet.bulge(4, 100 + side * 15, 38, 9, 5, 0.13)
    sheet.bulge(4, 100 + side * 20, 56, 12, 4.5, -0.20)
    sheet.furrow(4, y - 62 + 0.02 * (x - 100) ** 2, 1.3, 0.14, _near(sheet.away, 0, 6))
    sheet.bulge(1, 100 + side * 15, 54, 9, 4, -0.12)
    sheet.bulge(2, 100 + side * 47, 55, 12, 4, -0.12)
    sheet.bulge(5, 100 + side * 32, 57, 13, 3, -0.15)


def _around_eye(sheet: _Sheet, random: np.random.Generator, side: float) -> None:
    x, y, away = sheet.x, sheet.y, sheet.away
    from_x, from_y = (x - 100 - side * 46) * side, y - 67
    radius, angle = np.hypot(from_x, from_y), np.arctan2(from_y, from_x)
    for k, theta in enumerate((-0.55, -0.15, 0.25, 0.62)):
        turned = theta + 0.08 * random.standard_normal()
        off = np.clip(angle - turned, -0.6, 0.6)
        fan = _near(radius, 11, 5.5) * _near(off, 0, 0.22)
        sheet.furrow(6, off * radius, 1.2, 0.40, fan)
        if k in (1, 2):
            sheet.furrow(7, off * radius, 1.2, 0.10, fan)
    one_side = (x - 100) * side > 0
    pouch = 79.0 - 0.011 * (away - 33) ** 2
    sheet.furrow(6, y - pouch, 1.7, 0.30, _near(away, 33, 13) * one_side)
    sheet.furrow(7, y - pouch + 3.6, 1.3, 0.26, _near(away, 33, 12) * one_side)
    sheet.bulge(7, 100 + side * 33, 73, 11, 2.2, 0.14)
    sheet.bulge(6, 100 + side * 41, 90, 14, 7, 0.16)
    sheet.bulge(6, 100 + side * 36, 83, 14, 3.5, -0.10)


def _cheek(sheet: _Sheet, random: np.random.Generator, side: float) -> None:
    x, y = sheet.x, sheet.y
    down = np.clip(y - 103, 0, None)
    fold = 16.5 + 0.42 * down + random.uniform(-0.8, 0.8)
    across = (x - 100) * side - fold
    sheet.furrow(10, across, 2.6, 0.34, _near(y, 113, 8))
    sheet.furrow(12, across, 2.8, 0.33, _near(y, 122, 11))
    sheet.furrow(9, across, 2.4, 0.28, _near(y, 107, 6))
    sheet.furrow(20, across - 2, 2.6, 0.16, _near(y, 134, 10))
    sheet.bulge(12, 100 + side * 42, 106, 12, 8, 0.16)
    sheet.bulge(12, 100 + side * 40, 124, 9, 6, -0.10)
    sheet.bulge(10, 100 + side * 26, 108, 6, 8, 0.10)
    sheet.bulge(10, 100 + side * 17, 112, 5, 5, -0.10)
    sheet.bulge(9, 100 + side * 18, 100, 5, 6, -0.10)


def _mouth_corner(sheet: _Sheet, side: float) -> None:
    x, y = sheet.x, sheet.y
    out = (x - 100) * side
    sheet.furrow(14, out - 29 - 0.022 * (y - 138) ** 2, 2.0, 0.50, _near(y, 137, 7))
    sheet.bulge(14, 100 + side * 29.5, 137.5, 2.6, 3.2, -0.34)
    sheet.bulge(14, 100 + side * 38, 136, 5, 9, 0.13)
    sheet.furrow(12, out - 31 - 0.02 * (y - 134) ** 2, 2.0, 0.20, _near(y, 133, 6))
    sheet.furrow(15, out - 26.5 - 0.22 * (y - 146), 2.0, 0.32, _near(y, 148, 6))
    sheet.bulge(15, 100 + side * 22, 150, 6, 3.5, -0.16)
    sheet.bulge(15, 100 + side * 33, 150, 5, 6, 0.10)
    sheet.furrow(20, out - 34, 2.2, 0.16, _near(y, 147, 9))
    sheet.furrow(23, out - 27, 1.8, 0.16, _near(y, 139, 6))
    sheet.bulge(26, 100 + side * 26, 150, 6, 10, -0.10)


def _nose(sheet: _Sheet) -> None:
    y, away = sheet.y, sheet.away
    for k in range(3):
        slant = 79 + 4.6 * k + 0.55 * (away - 8)
        sheet.furrow(9, y - slant, 1.2, 0.32, _near(away, 9, 4.5))
    sheet.furrow(9, y - 61, 1.4, 0.34, _near(away, 0, 8))
    sheet.furrow(9, y - 66, 1.3, 0.22, _near(away, 0, 6))
    sheet.bulge(10, 100, 122, 12, 3, -0.08)


def _chin_and_lips(sheet: _Sheet, noise: np.ndarray) -> None:
    x, y, away = sheet.x, sheet.y, sheet.away
    boss = np.exp(-0.5 * ((away / 14) ** 2 + ((y - 168) / 8.5) ** 2))
    sheet.maps[17] += boss * (0.17 * noise + 0.05)
    sheet.furrow(17, y - 157.5 - 0.011 * away**2, 2.2, 0.30, _near(away, 0, 16))
    for centre, below in ((126.5, 1.0), (153.0, -1.0)):
        sheet.bulge(24, 100, centre, 19, 3.2, 0.17)
        sheet.bulge(24, 100, centre - below * 5, 20, 2.6, -0.12)
        fine = np.cos(x * 1.25 + 0.8 * noise)
        sheet.maps[23] += 0.065 * fine * _near(away, 0, 17) * _near(y, centre + 2 * below, 3.2)
    sheet.bulge(24, 72.5, 138, 3, 4, -0.14)
    sheet.bulge(24, 127.5, 138, 3, 4, -0.14)
