"""What a person does in front of the camera besides the coded action units.

Head pose, blinks, gaze, speech, uncoded movements, drifting light, focus, and hands before the
face: each a track over the frames of one sequence, drawn from a random stream of its own. These
make single frames ambiguous, and neighbours helpful.

Legend: T frames of one sequence, A the actions of ``shape.ACTIONS``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.synthetic.labels import coding, latent_model
from harness.synthetic.presets import PRESETS
from harness.synthetic.seeds import stream
from harness.synthetic.shape import ACTIONS

LOST_FRAMES = 12.0  # a tracker finds a face again after about half a second
TALK_FRAMES, HAND_FRAMES = 60.0, 35.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Performance:
    """The tracks of one sequence; all float32 with T rows.

    Attributes:
        actions: (T, A) in [0, 1], coded and uncoded, before the person's resting face is added.
        pose: (T, 2) yaw and pitch in radians.
        blink: (T,) 0 open to 1 closed.
        gaze: (T, 2) in [-1, 1], right and down.
        light: (T, 3) drift of exposure, and of light from the right and from below.
        blur: (T,) weight of the blurred picture, 0 to 1.
        hand: (T, 3) x, y in pixels and presence (0 or 1).
        jitter: (T, 4) registration error: shift x, y in pixels, rotation, log scale.
        landmark_noise: (T, 49, 2) tracker error in pixels.
    """

    actions: np.ndarray
    pose: np.ndarray
    blink: np.ndarray
    gaze: np.ndarray
    light: np.ndarray
    blur: np.ndarray
    hand: np.ndarray
    jitter: np.ndarray
    landmark_noise: np.ndarray

    def rows(self, start: int, stop: int) -> Performance:
        """The tracks of some frames."""
        return Performance(**{key: value[start:stop] for key, value in vars(self).items()})

    def padded(self, num_frames: int) -> Performance:
        """The tracks with the last frame repeated up to ``num_frames``."""
        short = num_frames - len(self.blink)
        if short <= 0:
            return self
        tracks = vars(self).items()
        return Performance(
            **{key: np.concatenate([v, np.repeat(v[-1:], short, axis=0)]) for key, v in tracks}
        )


def smooth(random: np.random.Generator, num_frames: int, columns: int, pace: float) -> np.ndarray:
    """(T, columns) standard Gaussian tracks that change over about ``pace`` frames."""
    from scipy.signal import lfilter

    pole = np.exp(-1 / pace)
    warm = int(5 * pace)
    noise = random.standard_normal((num_frames + warm, columns))
    drive = np.sqrt((1 - pole**2) ** 3 / (1 + pole**2))
    return np.asarray(lfilter([drive], [1.0, -2 * pole, pole**2], noise, axis=0)[warm:])


def spells(
    random: np.random.Generator, num_frames: int, share: float, mean_length: float
) -> np.ndarray:
    """bool (T,): spells of about ``mean_length`` frames that cover about ``share`` of the time."""
    inside = np.zeros(num_frames, bool)
    if share <= 0:
        return inside
    gap = mean_length * (1 - share) / share
    # a recording may begin in the middle of a spell
    at = -random.uniform(0, mean_length) if random.uniform() < share else random.exponential(gap)
    while at < num_frames:
        length = max(3.0, random.gamma(2.0, mean_length / 2))
        inside[max(0, int(at)) : max(0, int(at + length))] = True
        at += length + random.exponential(gap)
    return inside


def lost_frames(preset: str, seed: int, subject: int, task: int, num_frames: int) -> np.ndarray:
    """bool (T,): where the face is lost."""
    random = stream("lost", preset, seed, subject, task)
    return spells(random, num_frames, PRESETS[preset].lost, LOST_FRAMES)


def performance(preset: str, seed: int, subject: int, task: int, num_frames: int) -> Performance:
    """All tracks of one sequence."""
    domain = PRESETS[preset]

    def named(track: str) -> np.random.Generator:
        return stream(track, preset, seed, subject, task)

    random = named("pose")
    pose = np.radians(domain.pose_degrees) * (
        0.55 * random.standard_normal(2)
        + 0.75 * smooth(random, num_frames, 2, 40.0)
        + 0.35 * smooth(random, num_frames, 2, 8.0)
    )
    pose = np.clip(pose * [1.2, 0.8], -0.42, 0.42)
    actions = _actions(preset, seed, subject, task, num_frames)
    hand = _hand(named("hand"), num_frames, domain.occlusion)
    random = named("light")
    light = domain.light * np.array([0.10, 0.10, 0.06]) * smooth(random, num_frames, 3, 60.0)
    random = named("camera")
    speed = (
        np.abs(np.gradient(pose[:, 0])) + np.abs(np.gradient(pose[:, 1])) if num_frames > 1 else 0
    )
    blur = np.clip(
        domain.blur * (0.45 + 0.35 * smooth(random, num_frames, 1, 30.0)[:, 0]) + 30 * speed, 0, 1
    )
    random = named("registration")
    jitter = smooth(random, num_frames, 4, 3.0) * [0.35, 0.35, 0.004, 0.004]
    noise = 0.3 * random.standard_normal((num_frames, 49, 2))
    noise += 0.45 * smooth(random, num_frames, 98, 25.0).reshape(num_frames, 49, 2)
    tracks = {
        "actions": actions,
        "pose": pose,
        "blink": _blinks(named("blink"), num_frames),
        "gaze": _gaze(named("gaze"), num_frames),
        "light": light,
        "blur": blur,
        "hand": hand,
        "jitter": jitter,
        "landmark_noise": noise,
    }
    return Performance(**{key: value.astype(np.float32) for key, value in tracks.items()})


def _actions(preset: str, seed: int, subject: int, task: int, num_frames: int) -> np.ndarray:
    coded = latent_model(preset).aus
    intensity = coding(preset, seed, subject, task, num_frames).intensity
    actions = np.zeros((num_frames, len(ACTIONS)))
    for column, au in enumerate(coded):
        actions[:, ACTIONS.index(au)] = intensity[:, column]
    random = stream("speech", preset, seed, subject, task)
    share = PRESETS[preset].speech * random.uniform(0.4, 1.6)
    talking = spells(random, num_frames, min(share, 0.8), TALK_FRAMES).astype(float)
    talking = np.convolve(np.pad(talking, 4, mode="edge"), np.ones(9) / 9, mode="valid")
    syllables = smooth(random, num_frames, 4, 2.2)
    speech = {
        26: 0.32 * np.maximum(syllables[:, 0] + 0.3, 0),
        25: 0.35 * np.maximum(syllables[:, 1] + 0.9, 0),
        20: 0.12 * np.maximum(syllables[:, 2], 0),
        23: 0.22 * np.maximum(syllables[:, 3] - 0.2, 0),
        24: 0.18 * np.maximum(-syllables[:, 1] - 0.7, 0),
        10: 0.10 * np.maximum(syllables[:, 2] + 0.2, 0),
    }
    for au, track in speech.items():
        actions[:, ACTIONS.index(au)] += talking * track
    # uncoded movement: eyes widen, noses wrinkle, lips part now and then, and smiles show teeth
    random = stream("uncoded", preset, seed, subject, task)
    for au, level in {5: 0.5, 9: 0.35, 20: 0.3, 25: 0.5, 26: 0.3}.items():
        if au not in coded:
            rise = np.maximum(smooth(random, num_frames, 1, 12.0)[:, 0] - 1.4, 0)
            actions[:, ACTIONS.index(au)] += level * rise
    smile = actions[:, ACTIONS.index(12)]
    laugh = np.clip(0.5 + 0.6 * smooth(random, num_frames, 1, 25.0)[:, 0], 0, 1)
    if 25 not in coded:
        actions[:, ACTIONS.index(25)] += 0.75 * laugh * np.maximum(smile - 0.35, 0) / 0.65
    return np.clip(actions, 0, 1)


def _blinks(random: np.random.Generator, num_frames: int) -> np.ndarray:
    closed = np.zeros(num_frames + 12)
    shape = np.array([0.35, 0.85, 1.0, 1.0, 0.75, 0.4, 0.15])
    at = random.exponential(60.0)
    while at < num_frames:
        start = int(at)
        closed[start : start + 7] = np.maximum(closed[start : start + 7], shape)
        at += 8 + random.exponential(75.0)
    return closed[:num_frames]


def _gaze(random: np.random.Generator, num_frames: int) -> np.ndarray:
    gaze = np.zeros((num_frames, 2))
    at, look = 0, 0.3 * random.standard_normal(2)
    while at < num_frames:
        stay = int(4 + random.exponential(25.0))
        gaze[at : at + stay] = look
        at += stay
        look = random.standard_normal(2) * [0.4, 0.25] * (random.uniform() < 0.6)
    return np.clip(gaze + 0.03 * smooth(random, num_frames, 2, 4.0), -1, 1)


def _hand(random: np.random.Generator, num_frames: int, share: float) -> np.ndarray:
    """A hand comes up from below, rests before mouth, cheek or nose, and goes down again."""
    present = spells(random, num_frames, share, HAND_FRAMES)
    track = np.zeros((num_frames, 3))
    edges = np.flatnonzero(np.diff(np.r_[False, present, False].astype(int)))
    for start, stop in edges.reshape(-1, 2):
        target = np.array([random.uniform(60, 140), random.uniform(105, 165)])
        begin = target + np.array([random.uniform(-30, 30), 130.0])
        length = stop - start
        come = np.clip(np.minimum(np.arange(length) + 1, length - np.arange(length)) / 6, 0, 1)
        track[start:stop, :2] = begin + (target - begin) * come[:, None]
        track[start:stop, :2] += 1.5 * smooth(random, length, 2, 6.0)
        track[start:stop, 2] = 1
    return track
