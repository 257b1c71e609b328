"""Who a person is: shape, skin, brows, hair, and the resting face that mimics action units.

The resting face is what the field fights with: someone whose brows sit low looks like a constant
AU4, someone whose mouth corners hang looks like an AU15. ``rest`` adds such a constant to the
person's movement, so that one frame alone cannot tell the habit from the action.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from harness.synthetic.seeds import stream
from harness.synthetic.shape import ACTIONS, EYE_LEFT, EYE_RIGHT, MIRROR, resting_landmarks

# from light to dark; people lie between neighbours
_TONES = np.array(
    [
        [0.93, 0.76, 0.66],
        [0.88, 0.69, 0.56],
        [0.80, 0.60, 0.46],
        [0.70, 0.50, 0.37],
        [0.55, 0.37, 0.26],
        [0.40, 0.26, 0.19],
    ]
)
_HAIR = np.array(
    [
        [0.08, 0.06, 0.055],
        [0.16, 0.10, 0.07],
        [0.28, 0.18, 0.11],
        [0.45, 0.31, 0.17],
        [0.62, 0.47, 0.28],
        [0.45, 0.20, 0.10],
        [0.55, 0.54, 0.53],
    ]
)
_IRIS = np.array(
    [
        [0.22, 0.13, 0.08],
        [0.33, 0.21, 0.11],
        [0.30, 0.33, 0.20],
        [0.32, 0.45, 0.55],
        [0.42, 0.50, 0.52],
    ]
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Person:
    """One identity; colours are RGB in [0, 1], positions canonical pixels.

    Attributes:
        landmarks: (49, 2) at rest, without the resting expression.
        rest: (17,) constant intensity added to each action.
        asymmetry: (17,) how much more the picture's left half moves.
        creases: (17,) depth of each action's wrinkles in this skin.
        age: 0 to 1, depth of permanent wrinkles.
        lid_crease: distance of the upper lid's fold from the lid's edge.
        hair_style: 0 short, 1 long, 2 fringe, 3 bald or shaven.
        beard: 0 none to 1 full.
    """

    number: int
    landmarks: np.ndarray
    rest: np.ndarray
    asymmetry: np.ndarray
    creases: np.ndarray
    age: float
    skin: np.ndarray
    lips: np.ndarray
    hair: np.ndarray
    iris: np.ndarray
    brow_thickness: float
    brow_density: float
    lid_crease: float
    lashes: float
    hair_style: int
    hairline: float
    face_width: float
    chin: float
    nose_height: float
    beard: float
    glasses: float


@lru_cache(maxsize=64)
def person(preset: str, seed: int, number: int) -> Person:
    """The person with a number (from 0) of a preset's population."""
    random = stream("identity", preset, seed, number)
    landmarks = _shape(random)
    tone = random.beta(1.0, 1.3) * (len(_TONES) - 1.01)
    skin = _between(_TONES, tone) * (1 + 0.02 * random.standard_normal(3))
    dark = tone / (len(_TONES) - 1)
    hair_index = random.choice(len(_HAIR), p=_hair_chances(dark))
    iris_index = (
        random.integers(0, 2)
        if dark > 0.38
        else random.choice(len(_IRIS), p=[0.25, 0.3, 0.15, 0.2, 0.1])
    )
    woman = random.uniform() < 0.56
    lips = skin * [0.90, 0.64, 0.66] * random.uniform(0.88, 1.02)
    if woman and random.uniform() < 0.4:
        lips = lips * 0.6 + 0.4 * np.array([0.70, 0.22, 0.25]) * random.uniform(0.7, 1.0)
    rest = np.zeros(len(ACTIONS))
    habits = random.choice(len(ACTIONS), size=4, replace=False)
    rest[habits] = random.uniform(0.1, 0.42, size=4)
    rest[[ACTIONS.index(au) for au in (5, 20, 25, 26)]] *= 0.3
    age = float(random.beta(1.4, 2.2))
    return Person(
        number=number,
        landmarks=landmarks,
        rest=rest,
        asymmetry=np.clip(0.16 * random.standard_normal(len(ACTIONS)), -0.5, 0.5),
        creases=np.clip((0.6 + 0.8 * age) * np.exp(0.3 * random.standard_normal(17)), 0.25, 2.0),
        age=age,
        skin=np.clip(skin, 0.15, 0.97),
        lips=np.clip(lips, 0.08, 0.9),
        hair=np.clip(_HAIR[hair_index] * random.uniform(0.75, 1.2), 0.03, 0.8),
        iris=_IRIS[iris_index] * random.uniform(0.8, 1.2),
        brow_thickness=float(random.uniform(2.4, 4.4) if woman else random.uniform(3.4, 5.6)),
        brow_density=float(random.uniform(0.55, 1.0)),
        lid_crease=float(random.uniform(1.2, 5.0)),
        lashes=float(random.uniform(0.6, 1.0) if woman else random.uniform(0.35, 0.65)),
        hair_style=int(
            random.choice(4, p=[0.08, 0.62, 0.3, 0.0] if woman else [0.72, 0.08, 0.08, 0.12])
        ),
        hairline=float(random.uniform(-4, 12)),
        face_width=float(np.clip(68 + 3.2 * random.standard_normal(), 61, 76)),
        chin=float(np.clip(184 + 4.5 * random.standard_normal(), 175, 195)),
        nose_height=float(random.uniform(0.75, 1.3)),
        beard=0.0 if woman else float(random.choice([0, 0, 0.25, 0.45, 0.9])),
        glasses=float(random.uniform() < 0.16),
    )


def _between(colours: np.ndarray, place: float) -> np.ndarray:
    low = int(place)
    return np.asarray(colours[low] + (place - low) * (colours[low + 1] - colours[low]))


def _hair_chances(dark: float) -> np.ndarray:
    chances = np.array([0.25 + dark, 0.25, 0.2, 0.14, 0.10, 0.06, 0.08])
    chances[2:6] *= max(0.02, 1 - 1.6 * dark)
    return np.asarray(chances / chances.sum())


def _shape(random: np.random.Generator) -> np.ndarray:
    points = resting_landmarks()
    draw = random.standard_normal(20)
    brows, nose, mouth = slice(0, 10), slice(10, 19), slice(31, 49)
    side = np.sign(points[:, 0] - 100)
    points[brows, 1] += 2.2 * draw[0]
    for inner, middle in (((4, 5), (2, 7)), ((3, 6), (1, 8))):
        points[list(inner), 1] += 0.9 * draw[1]
        points[list(middle), 1] -= 0.9 * draw[1]
    points[[0, 9], 1] += 1.6 * draw[2]
    points[brows, 0] += 1.4 * draw[3] * side[brows]
    for eye in (EYE_LEFT, EYE_RIGHT):
        corners = points[eye][[0, 3]].mean(axis=0)
        points[eye, 1] = corners[1] + (points[eye, 1] - corners[1]) * np.exp(0.16 * draw[4])
        points[eye, 0] = corners[0] + (points[eye, 0] - corners[0]) * np.exp(0.035 * draw[5])
    outer = [19, 28]
    points[outer, 1] += 1.1 * draw[6]
    points[[20, 27], 1] += 0.6 * draw[6]
    points[nose, 0] = 100 + (points[nose, 0] - 100) * np.exp(0.10 * draw[7])
    points[12:19, 1] += 2.4 * draw[8] * np.linspace(0.4, 1.0, 7)
    corners_y = points[31, 1]
    for rows, spread in ((range(32, 37), 0.22 * draw[11]), (range(38, 43), 0.18 * draw[12])):
        lips = list(rows)
        points[lips, 1] = corners_y + (points[lips, 1] - corners_y) * np.exp(spread)
    points[mouth, 0] = 100 + (points[mouth, 0] - 100) * np.exp(0.07 * draw[9])
    points[mouth, 1] += 2.6 * draw[10] + 0.6 * draw[8]
    points[[31, 37], 1] += 0.8 * draw[13]
    crooked = 0.35 * random.standard_normal((49, 2))
    return np.asarray(points + 0.5 * (crooked + crooked[MIRROR] * [-1, 1]) + 0.35 * crooked)
