"""The four domains: how many people, how they were filmed, and what moved in front of the camera.

``lab`` people sit before one camera and do eight tasks; ``group`` people talk to each other for
minutes, turn, gesture and get lost by the tracker; ``lab-plus`` is the larger laboratory set with
skewed base rates; ``disfa`` people watch clips in silence, one long sequence each.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

PresetName = Literal["lab", "group", "lab-plus", "disfa"]


@dataclass(frozen=True, kw_only=True)
class Preset:
    """One domain at its full size.

    Attributes:
        subjects, tasks, frames: people, sequences of each, mean frames of a sequence.
        length_spread: relative standard deviation of the sequence lengths within a task.
        pose_degrees: standard deviation of the head's turning about each axis.
        speech: share of the time in which people talk.
        occlusion: share of the frames with a hand before the face.
        lost: share of the frames in which the face is lost (unknown labels, black).
        blur: typical blur in pixels (standard deviation).
        noise: camera noise, in grey levels.
        compression: strength of block compression, 0 to 1.
        light: how strongly light differs between people and drifts within a sequence.
        expressiveness: mean factor on the intensity at which AUs show.
    """

    subjects: int
    tasks: int
    frames: int
    length_spread: float
    pose_degrees: float
    speech: float
    occlusion: float
    lost: float
    blur: float
    noise: float
    compression: float
    light: float
    expressiveness: float


PRESETS: dict[str, Preset] = {
    "lab": Preset(
        subjects=41,
        tasks=8,
        frames=448,
        length_spread=0.16,
        pose_degrees=4.5,
        speech=0.25,
        occlusion=0.012,
        lost=0.0,
        blur=0.5,
        noise=2.0,
        compression=0.0,
        light=0.5,
        expressiveness=1.0,
    ),
    "group": Preset(
        subjects=50,
        tasks=1,
        frames=5089,
        length_spread=0.03,
        pose_degrees=9.0,
        speech=0.4,
        occlusion=0.035,
        lost=0.03,
        blur=0.9,
        noise=4.0,
        compression=0.6,
        light=1.0,
        expressiveness=0.9,
    ),
    "lab-plus": Preset(
        subjects=140,
        tasks=4,
        frames=353,
        length_spread=0.2,
        pose_degrees=5.5,
        speech=0.3,
        occlusion=0.015,
        lost=0.0,
        blur=0.5,
        noise=2.0,
        compression=0.0,
        light=0.6,
        expressiveness=0.95,
    ),
    "disfa": Preset(
        subjects=27,
        tasks=1,
        frames=4827,
        length_spread=0.015,
        pose_degrees=3.5,
        speech=0.03,
        occlusion=0.006,
        lost=0.0,
        blur=0.6,
        noise=2.5,
        compression=0.35,
        light=0.6,
        expressiveness=1.1,
    ),
}

MAX_TASKS = 9  # one digit, so that sequences sort by number
