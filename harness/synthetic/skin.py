"""Paints a person once, and lights the painting for each sequence.

The painting is a set of layers in the canonical face with a margin around it: the skin's own colour
with brows and beard, the face's normals and hollows, hair, ears and neck. Light turns it into the
texture that frames are warped from. Shadows in skin are redder than the light that makes them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from harness.synthetic.hair import beard, brows, head_hair, soft_step
from harness.synthetic.people import Person, person
from harness.synthetic.seeds import stream
from harness.synthetic.shape import ACTIONS, DROP, depth, half_width
from harness.synthetic.wrinkles import wrinkles

MARGIN = 12
TEXTURE = 200 + 2 * MARGIN
NUM_LIGHTS = 3
_BLEED = np.array([0.90, 1.0, 1.05])[:, None, None]  # red light travels furthest under the skin


@dataclass(frozen=True, kw_only=True, eq=False)
class Skin:
    """Textures of one person in one sequence, float32.

    Attributes:
        base: (3, P, P) lit colour, RGB in [0, 1].
        changes: (17 + 3, P, P) relative change of brightness by each action at full intensity, then
            by exposure, light from the right, light from below.
    """

    base: np.ndarray
    changes: np.ndarray


@dataclass(frozen=True, kw_only=True, eq=False)
class _Painting:
    colour: np.ndarray  # (3, P, P) skin with brows and beard, unlit
    normal: np.ndarray  # (3, P, P)
    hollow: np.ndarray  # (P, P) how much light reaches a place, from all around
    face: np.ndarray  # (P, P) 1 on the face
    gloss: np.ndarray  # (P, P) where skin is oily
    skin_around: np.ndarray  # (3, P, P) ears and neck
    around: np.ndarray  # (P, P) where they are
    hair: np.ndarray  # (P, P)
    hair_colour: np.ndarray  # (3, P, P)
    wrinkles: np.ndarray  # (17, P, P)


def paint(preset: str, seed: int, number: int, task: int, light_spread: float) -> Skin:
    """The textures of a person in one of their sequences."""
    layers = _painting(preset, seed, number)
    scene = stream("scene", preset, seed, number, task)
    x, y = _positions()
    toward = np.array([0.5 * scene.standard_normal(), -0.55 + 0.2 * scene.standard_normal(), 1.0])
    toward[:2] *= 0.5 + 0.5 * light_spread
    toward /= np.linalg.norm(toward)
    facing = np.tensordot(toward, layers.normal, 1)
    shading = (
        np.clip(0.30 + 0.78 * np.clip(0.25 + 0.75 * facing, 0, None), 0.12, None) * layers.hollow
    )
    half = toward + np.array([0, 0, 1])
    half /= np.linalg.norm(half)
    shine = np.clip(np.tensordot(half, layers.normal, 1), 0, None) ** 22 * layers.gloss
    lit = layers.colour * shading**_BLEED + 0.13 * shine * shading
    wall = scene.uniform(0.18, 0.72) * (1 + 0.08 * scene.standard_normal(3))
    across = 0.15 * scene.standard_normal() * (x - 100) / 100
    along = 0.10 * scene.standard_normal() * (y - 100) / 100
    room = wall[:, None, None] * (1 + across + along)
    picture = layers.around * layers.skin_around + (1 - layers.around) * room
    picture = layers.face * lit + (1 - layers.face) * picture
    picture = layers.hair * layers.hair_colour + (1 - layers.hair) * picture
    exposure = np.exp(0.10 * light_spread * scene.standard_normal())
    cast = 1 + 0.035 * light_spread * scene.standard_normal(3)
    picture = picture * exposure * cast[:, None, None]

    visible = layers.face * (1 - layers.hair)
    changes = np.zeros((len(ACTIONS) + NUM_LIGHTS, TEXTURE, TEXTURE))
    changes[: len(ACTIONS)] = layers.wrinkles * visible
    changes[-3] = 1.0
    changes[-2:] = layers.normal[:2] * visible / shading
    return Skin(
        base=np.clip(picture, 0.01, 1.1).astype(np.float32), changes=changes.astype(np.float32)
    )


def _positions() -> tuple[np.ndarray, np.ndarray]:
    axis = np.arange(TEXTURE, dtype=np.float32) - MARGIN
    x, y = np.meshgrid(axis, axis)
    return x, y


@lru_cache(maxsize=4)
def _painting(preset: str, seed: int, number: int) -> _Painting:
    import cv2

    who = person(preset, seed, number)
    random = stream("skin", preset, seed, number)
    x, y = _positions()
    points = np.stack([x, y], axis=-1)
    z = cv2.GaussianBlur(depth(points, who.face_width, who.chin, who.nose_height), (0, 0), 1.2)
    slope_y, slope_x = np.gradient(z)
    normal = np.stack([-slope_x, -slope_y, np.ones_like(x)], 0)
    normal /= np.linalg.norm(normal, axis=0)
    hollow = (
        1
        + 0.030 * (z - cv2.GaussianBlur(z, (0, 0), 6))
        + 0.012 * (z - cv2.GaussianBlur(z, (0, 0), 16))
    )
    face = soft_step(half_width(y, who.face_width, who.chin) - np.abs(x - 100), 2.5)
    face *= soft_step(who.chin - 3 - y, 3.5)
    fine, grain, blotch = _noise(random, 2), _noise(random, 4), _noise(random, 26)
    colour = _complexion(who, x, y, fine, blotch)
    shadow, nose_dark = _nose_shadows(who, x, y)
    colour = colour * (1 - nose_dark)
    beard_cover = beard(who, x, y, fine)
    colour = _over(colour, beard_cover, who.hair * 0.9)
    colour = _over(colour, brows(who, random, x.shape, MARGIN), who.hair * 0.75)
    around, skin_around = _ears_and_neck(who, x, y)
    wave = _noise(random, 14)
    cover, hair_colour = head_hair(who, random, x, y, wave, MARGIN)
    under_hair = cv2.GaussianBlur(cover, (0, 0), 6) * (1 - cover)
    maps = wrinkles(random, x, y, grain, who.landmarks)
    maps *= who.creases[:, None, None]
    return _Painting(
        colour=colour,
        normal=normal,
        hollow=np.clip(hollow, 0.45, 1.3) * (1 - 0.30 * under_hair) * (1 - shadow),
        face=face,
        gloss=_gloss(x, y) * (1 - beard_cover),
        skin_around=skin_around,
        around=around,
        hair=cover,
        hair_colour=hair_colour,
        wrinkles=maps,
    )


def _noise(random: np.random.Generator, grain: int) -> np.ndarray:
    """(P, P) smooth standard noise with blobs of about ``grain`` pixels."""
    import cv2

    nodes = TEXTURE // grain + 3
    coarse = random.standard_normal((nodes, nodes)).astype(np.float32)
    return np.asarray(cv2.resize(coarse, (TEXTURE, TEXTURE), interpolation=cv2.INTER_CUBIC), float)


def _over(colour: np.ndarray, cover: np.ndarray, paint_rgb: np.ndarray) -> np.ndarray:
    return np.asarray(colour * (1 - cover) + cover * paint_rgb[:, None, None])


def _spot(x: np.ndarray, y: np.ndarray, cx: float, cy: float, sx: float, sy: float) -> np.ndarray:
    return np.asarray(np.exp(-0.5 * (((x - cx) / sx) ** 2 + ((y - cy - DROP) / sy) ** 2)))


def _complexion(
    who: Person, x: np.ndarray, y: np.ndarray, fine: np.ndarray, blotch: np.ndarray
) -> np.ndarray:
    """(3, P, P) the skin's own colour: redder cheeks and nose, darker rings, pores and freckles."""
    red = 0.8 * _spot(x, y, 100, 104, 10, 8) + 0.7 * _spot(x, y, 100, 168, 14, 8)
    ring = np.zeros_like(x)
    for side in (-1, 1):
        red += 0.9 * _spot(x, y, 100 + side * 40, 104, 15, 12)
        ring += _spot(x, y, 100 + side * 29, 77, 12, 4) + 0.6 * _spot(
            x, y, 100 + side * 20, 68, 6, 6
        )
        ring += 0.5 * _spot(x, y, 100 + side * 33, 57, 13, 4)
    tint = red[None] * np.array([0.01, -0.085, -0.075])[:, None, None]
    tint = tint + ring[None] * np.array([-0.09, -0.12, -0.08])[:, None, None]
    colour = who.skin[:, None, None] * (1 + tint)
    colour = colour * (1 + 0.030 * blotch * np.array([0.6, 1.0, 1.0])[:, None, None] + 0.016 * fine)
    freckles = (
        np.clip(fine - 1.5, 0, 1)
        * (0.5 + 0.5 * np.tanh(4 * (who.skin[0] - 0.85)))
        * who.asymmetry.std()
        * 2
    )
    colour = colour * (1 - freckles * np.array([0.12, 0.25, 0.3])[:, None, None])
    lines = np.zeros_like(x)
    for height in (32.0, 23.0, 14.0):  # what years leave on the forehead
        lines += np.exp(-0.5 * ((y - height - DROP - np.sin(x / 14)) / 1.3) ** 2) * np.exp(
            -0.5 * ((x - 100) / 34) ** 2
        )
    return np.asarray(colour * (1 - 0.13 * who.age * lines))


def _nose_shadows(who: Person, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cast shadow under the nose and chin, and the dark of nostrils and wings."""
    base = who.landmarks[14:19]
    dark = np.zeros_like(x)
    for index, side in ((1, -1), (3, 1)):
        cx, cy = base[index] + [side * 0.8, -2.2]
        dark += 0.72 * np.exp(
            -0.5 * (((x - cx) / 3.2) ** 2 + ((y - cy - 0.10 * side * (x - cx)) / 1.5) ** 2)
        )
    for index, side in ((0, -1), (4, 1)):
        cx, cy = base[index] + [-side * 3.5, -4.0]
        ring = np.hypot((x - cx) / 5.6, (y - cy) / 6.2) - 1
        dark += 0.20 * np.exp(-0.5 * (ring / 0.20) ** 2) * soft_step((x - cx) * side - 1.5, 4)
    tip_y = base[2, 1]
    dark += 0.16 * np.exp(-0.5 * (((x - 100) / 4) ** 2 + ((y - tip_y - 0.6) / 1.2) ** 2))
    cast = 0.20 * np.exp(-0.5 * (((x - 100) / 12) ** 2 + ((y - tip_y - 4.5) / 3.5) ** 2))
    return cast, np.clip(dark, 0, 0.85)


def _gloss(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    oily = (
        1.2 * _spot(x, y, 100, 102, 5, 6)
        + 0.7 * _spot(x, y, 100, 80, 4, 14)
        + 0.7 * _spot(x, y, 100, 28, 30, 14)
    )
    for side in (-1, 1):
        oily += 0.8 * _spot(x, y, 100 + side * 42, 92, 13, 8)
    return np.asarray(0.25 + oily + 0.4 * _spot(x, y, 100, 168, 10, 6))


def _ears_and_neck(who: Person, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    away = np.abs(x - 100)
    ear_x, ear_y = who.face_width + 3.0, 78.0
    rim = np.hypot((away - ear_x) / 7.5, (y - ear_y + 0.25 * (away - ear_x)) / 20)
    ear = soft_step(1 - rim, 0.25)
    ear_tone = (
        0.62 + 0.22 * soft_step(rim - 0.62, 0.3) - 0.15 * soft_step(who.face_width - away + 1, 3)
    )
    width = who.face_width * 0.70 + 0.0035 * np.clip(y - 150, 0, None) ** 2
    neck = soft_step(width - away, 3) * soft_step(y - 140, 10)
    under_chin = np.clip((y - who.chin) / 26, 0, 1)
    neck_tone = (0.42 + 0.22 * under_chin) * (1 - 0.25 * (away / width) ** 2)
    tone = np.where(y < 130, ear_tone, neck_tone)
    colour = who.skin[:, None, None] * np.clip(tone, 0.05, 1) ** _BLEED
    return np.maximum(ear, neck), np.asarray(colour)
