"""Brows, beard and hair, stroke by stroke, painted over the skin.

Brows belong to the texture, so they move with the skin: that is how raising and lowering them
shows.
"""

from __future__ import annotations

import numpy as np

from harness.synthetic.people import Person
from harness.synthetic.shape import half_width

_SUBPIXEL = 4  # drawing coordinates carry 4 fractional bits


def soft_step(value: np.ndarray, width: float) -> np.ndarray:
    """0 below zero, 1 above, with a soft edge of the given width."""
    return np.asarray(1 / (1 + np.exp(np.clip(-4 * value / width, -60, 60))))


def _stroke(canvas: np.ndarray, points: np.ndarray, shade: float, margin: int) -> None:
    import cv2

    line = np.round((points + margin) * 2**_SUBPIXEL).astype(np.int32).reshape(-1, 1, 2)
    cv2.polylines(canvas, [line], False, float(shade), 1, cv2.LINE_AA, _SUBPIXEL)


def brows(
    who: Person, random: np.random.Generator, shape: tuple[int, int], margin: int
) -> np.ndarray:
    """(P, P) how far brow hair covers the skin, 0 to 1."""
    import cv2

    canvas = np.zeros(shape, np.float32)
    count = 120
    place = np.linspace(0, 1, count)
    for points, inward in ((who.landmarks[0:5], 1), (who.landmarks[5:10][::-1], -1)):
        knots = np.linspace(0, 1, 5)
        line = np.stack([np.polyval(np.polyfit(knots, points[:, i], 3), place) for i in (0, 1)], 1)
        thick = who.brow_thickness * np.interp(
            place, [0, 0.2, 0.5, 0.85, 1], [0.12, 0.5, 0.9, 1.05, 0.85]
        )
        for _ in range(int(420 * who.brow_density)):
            t = random.uniform(0, 1)
            i = int(t * (count - 1))
            start = line[i] + [0, 1.0 + thick[i] * random.uniform(-0.75, 0.95)]
            lean = (
                np.interp(t, [0, 0.6, 0.9, 1], [0.05, 0.35, 0.9, 1.3])
                + 0.2 * random.standard_normal()
            )
            reach = random.uniform(3.0, 6.0) * np.interp(t, [0, 0.5, 1], [0.9, 1.0, 0.6])
            way = np.array([-inward * np.cos(lean), -np.sin(lean) * 0.8]) * reach
            _stroke(canvas, np.stack([start, start + way]), random.uniform(0.35, 0.8), margin)
    drawn = cv2.GaussianBlur(canvas, (0, 0), 0.6)
    soft = cv2.GaussianBlur(drawn, (0, 0), 1.8)
    return np.asarray(np.clip(0.85 * drawn + 0.6 * soft, 0, 0.93) * who.brow_density**0.6)


def beard(who: Person, x: np.ndarray, y: np.ndarray, grain: np.ndarray) -> np.ndarray:
    """(P, P) how far the beard covers the skin; ``grain`` is fine standard noise."""
    if who.beard == 0:
        return np.zeros_like(x)
    mouth_y, away = who.landmarks[31, 1], np.abs(x - 100)
    jaw = half_width(y, who.face_width, who.chin) - away
    cheeks = soft_step(y - mouth_y + 26 - 0.9 * np.clip(away - 40, 0, None), 10) * soft_step(
        22 - jaw, 12
    )
    chin = soft_step(y - mouth_y - 15, 7)
    moustache = np.exp(-0.5 * ((y - mouth_y + 12 - 0.006 * away**2) / 4.5) ** 2) * soft_step(
        27 - away, 8
    )
    area = np.maximum(np.maximum(cheeks, chin), 0.9 * moustache)
    area *= 1 - 0.6 * np.exp(-0.5 * ((away / 6) ** 2 + ((y - mouth_y - 16) / 3) ** 2))
    return np.asarray(np.clip(area * who.beard * (0.62 + 0.16 * grain), 0, 0.85))


def head_hair(
    who: Person,
    random: np.random.Generator,
    x: np.ndarray,
    y: np.ndarray,
    wave: np.ndarray,
    margin: int,
) -> tuple[np.ndarray, np.ndarray]:
    """How far hair covers the picture (P, P), and its colour (3, P, P); ``wave`` is broad noise."""
    import cv2

    away = np.abs(x - 100)
    long = who.hair_style in (1, 2)
    edge = half_width(np.minimum(y, 150), who.face_width, who.chin)
    part = 100 + 12 * np.sign(who.asymmetry[0])
    top = who.hairline + 0.0030 * (x - 100) ** 2 - 2 * np.exp(-np.abs(x - part) / 8) + 1.2 * wave
    top = top + {0: 0.0, 1: 0.0, 2: 15.0, 3: -60.0}[who.hair_style]
    above = soft_step(top - y, 3.5)
    if long:
        inner = np.maximum(edge - 1.5, who.face_width * 0.78) + 0.8 * wave
        side = soft_step(away - inner, 3.5) * soft_step(
            who.face_width + 24 + 0.06 * (y - 60) - away, 5
        )
    else:
        reach = {0: 72.0, 3: 20.0}[who.hair_style]
        side = soft_step(away - edge + 2.5 + 1.0 * wave, 3.5) * soft_step(
            who.face_width + 6 - away, 4
        )
        side = side * soft_step(reach - y + 1.2 * wave, 12)
    cap = soft_step(
        who.face_width + (22 if long else 7) - 0.004 * np.clip(40 - y, 0, None) ** 2 - away, 5
    )
    cover = np.maximum(above * cap, side)
    strands = np.zeros(x.shape, np.float32)
    for _ in range(360):
        spread = random.uniform(-1, 1)
        shade = random.uniform(-1, 1)
        if long:
            start = np.array([part + 25 * spread, random.uniform(-24, 2)])
            path = np.array(
                [
                    [0, 0],
                    [38 * spread, 14],
                    [62 * spread, 60],
                    [66 * spread, 130],
                    [64 * spread, 240],
                ]
            )
            path[:, 0] += np.sign(spread) * np.array([0, 2, 12, 14, 12]) * random.uniform(0.5, 1.3)
        else:
            start = np.array(
                [
                    100 + 85 * spread,
                    random.uniform(-20, 70) if abs(spread) > 0.7 else random.uniform(-20, 8),
                ]
            )
            path = np.array(
                [[0, 0], [4 * spread, -8], [10 * spread, -22]]
            ) + random.standard_normal((3, 2))
        _stroke(strands, start + path, shade, margin)
    soft = cv2.GaussianBlur(strands, (0, 0), 0.7)
    shine = np.exp(-0.5 * ((y - 6 - 0.004 * (x - 100) ** 2) / 16) ** 2)
    tone = 0.72 + 0.42 * soft + 0.40 * shine + 0.10 * wave
    inner_shadow = 1 - 0.35 * soft_step(edge + 8 - away, 8) * soft_step(y - 40, 20) * long
    colour = who.hair[:, None, None] * np.clip(tone, 0.25, 1.8) * inner_shadow
    if who.hair_style == 3:
        cover = cover * 0.4
    return cover, np.asarray(colour)
