"""Labels with the statistics of coded video: a Gaussian process per AU, present above zero.

The latent of an AU is the sum of a task's mean, an offset of the person, an offset of the person in
that task, and processes of several paces; AUs correlate in all parts alike. Real labels are not
first-order Markov: the offsets and slow paces keep an AU on or off for a whole sequence, the fast
ones end events after half a second. ``calibrate.py`` fits the parts.

What always holds:
- the offsets of a preset's full population, and the mean that each sequence's processes happen to
  have, are drawn together and made to average zero with exactly the fitted covariance, so that a
  set at full size does not drift from its base rates by luck, and person 7 is the same in a set of
  10 as in a set of 40;
- presence and absence last at least ``MIN_RUN`` frames inside a sequence, as coders see no shorter;
- intensity rises before and falls after the coded event, each AU with a lead of its own per person,
  so co-occurring AUs start one after the other and an event's edge is hard to place.

Legend: T frames of one sequence, L action units, S subjects.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from harness.synthetic.presets import MAX_TASKS, PRESETS
from harness.synthetic.process import mean_of_a_sequence, path
from harness.synthetic.seeds import stream

LATENT_FILE = Path(__file__).parent / "latent.json"
MIN_RUN = 3
LEAD_FRAMES = 6  # an AU's lead or lag is drawn from -6 to 6 frames

_models_file = LATENT_FILE


@dataclass(frozen=True, kw_only=True, eq=False)
class LatentModel:
    """What ``calibrate.py`` fitted for one preset; arrays in the order of ``aus``."""

    aus: tuple[int, ...]
    means_TL: np.ndarray
    lengths: np.ndarray
    person: np.ndarray
    person_task: np.ndarray
    time_constants: np.ndarray
    paces: np.ndarray
    mixing: np.ndarray

    def mean(self, task: int) -> np.ndarray:
        """Latent means of a task (from 0); tasks beyond the preset's own begin again."""
        return np.asarray(self.means_TL[task % len(self.means_TL)])


@cache
def latent_model(preset: str) -> LatentModel:
    """The fitted model of a preset."""
    fields = json.loads(_models_file.read_text(encoding="utf-8"))[preset]
    return LatentModel(
        aus=tuple(fields["aus"]),
        means_TL=np.array(fields["means"]),
        lengths=np.array(fields["lengths"]),
        person=np.array(fields["person"]),
        person_task=np.array(fields["person_task"]),
        time_constants=np.array(fields["time_constants"]),
        paces=np.array(fields["paces"]),
        mixing=np.linalg.cholesky(np.array(fields["correlation"])),
    )


def written(models: dict[str, Any]) -> str:
    """The text of ``latent.json`` for models as ``calibrate.py`` fits them, by preset."""
    rounded = {
        name: {key: _rounded(value) for key, value in sorted(model.items())}
        for name, model in models.items()
    }
    return json.dumps(rounded) + "\n"


def _rounded(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    return round(value, 4) if isinstance(value, float) else value


@contextmanager
def models_from(file: Path) -> Iterator[None]:
    """Reads the models from another file meanwhile: calibration tries its candidates this way."""
    global _models_file
    before, _models_file = _models_file, file
    try:
        latent_model.cache_clear()
        population.cache_clear()
        yield
    finally:
        _models_file = before
        latent_model.cache_clear()
        population.cache_clear()


@dataclass(frozen=True, kw_only=True, eq=False)
class Coding:
    """One sequence as a perfect observer and as a coder see it.

    Attributes:
        present: bool (T, L), what the coder wrote.
        intensity: float32 (T, L) in [0, 1], what the face does.
    """

    present: np.ndarray
    intensity: np.ndarray


def coding(preset: str, seed: int, subject: int, task: int, num_frames: int) -> Coding:
    """Labels and intensities of one sequence; ``subject`` and ``task`` count from 0."""
    model = latent_model(preset)
    latent_TL = _latent(model, preset, seed, subject, task, num_frames + 2 * LEAD_FRAMES)
    middle = slice(LEAD_FRAMES, LEAD_FRAMES + num_frames)
    present_TL = _without_short_runs(latent_TL > 0)[middle]
    return Coding(
        present=present_TL,
        intensity=_intensity(preset, seed, subject, task, latent_TL, num_frames),
    )


@cache
def population(preset: str, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """What stays with a preset's full population: offsets of people, and draws for their sequences.

    Returns:
        (S, L) offsets, and (S, tasks, L) draws of variance 1, correlated as the AUs are.
    """
    model, size = latent_model(preset), PRESETS[preset].subjects
    num_aus = len(model.aus)
    own = _balanced(stream("person", preset, seed).standard_normal((size, num_aus)))
    in_task = np.stack(
        [
            _balanced(stream("person in task", preset, seed, t).standard_normal((size, num_aus)))
            for t in range(MAX_TASKS)
        ],
        axis=1,
    )
    return own @ model.mixing.T * np.sqrt(model.person), in_task @ model.mixing.T


def _balanced(draws_SL: np.ndarray) -> np.ndarray:
    """The draws with mean zero and covariance one, each kept as near as that allows."""
    centred = draws_SL - draws_SL.mean(axis=0)
    values, vectors = np.linalg.eigh(centred.T @ centred / len(centred))
    return np.asarray(centred @ (vectors / np.sqrt(values)) @ vectors.T)


def _latent(
    model: LatentModel, preset: str, seed: int, subject: int, task: int, num_frames: int
) -> np.ndarray:
    random = stream("latent", preset, seed, subject, task)
    moving_TL = np.zeros((num_frames, len(model.aus)))
    for time_constant, variance_L in zip(model.time_constants, model.paces, strict=True):
        start_2L = random.standard_normal((2, len(model.aus))) @ model.mixing.T
        noise_TL = random.standard_normal((num_frames, len(model.aus))) @ model.mixing.T
        if variance_L.any():
            moving_TL += path(time_constant, start_2L, noise_TL) * np.sqrt(variance_L)
    # the paths' own means give way to draws that balance out over the population
    regression_TL, variance_L = mean_of_a_sequence(model.time_constants, model.paces, num_frames)
    moving_TL -= regression_TL * moving_TL.mean(axis=0)
    own, in_task = population(preset, seed)
    staying_TL = np.sqrt(regression_TL**2 * variance_L + model.person_task) * in_task[subject, task]
    return np.asarray(model.mean(task) + own[subject] + staying_TL + moving_TL)


def _without_short_runs(present_TL: np.ndarray) -> np.ndarray:
    """Runs shorter than ``MIN_RUN`` frames inside the sequence take the value around them."""
    num_frames, num_aus = present_TL.shape
    flat = present_TL.T.ravel()  # one AU after the other
    for value in (True, False):  # blips first, then gaps
        begins = np.r_[True, flat[1:] != flat[:-1]]
        begins[::num_frames] = True
        starts = np.flatnonzero(begins)
        lengths = np.diff(np.r_[starts, flat.size])
        inside = (starts % num_frames != 0) & ((starts + lengths) % num_frames != 0)
        short = inside & (lengths < MIN_RUN) & (flat[starts] == value)
        flat = flat ^ np.repeat(short, lengths)
    return np.ascontiguousarray(flat.reshape(num_aus, num_frames).T)


def _intensity(
    preset: str, seed: int, subject: int, task: int, latent_TL: np.ndarray, num_frames: int
) -> np.ndarray:
    """Graded activity: saturating in the latent, smoothed to muscle speed, shifted by each lead."""
    num_aus = latent_TL.shape[1]
    person = stream("expressiveness", preset, seed, subject)
    lead_L = person.integers(-LEAD_FRAMES, LEAD_FRAMES + 1, num_aus)
    gain_L = np.clip(
        PRESETS[preset].expressiveness * np.exp(0.22 * person.standard_normal(num_aus)), 0.5, 1.5
    )
    raw = 1 - np.exp(-np.maximum(latent_TL + 0.12, 0) / 0.8)
    window = np.hanning(9)[1:-1]
    window /= window.sum()
    padded = np.pad(raw, ((3, 3), (0, 0)), mode="edge")
    smooth = sum(w * padded[i : i + len(raw)] for i, w in enumerate(window))
    rows = np.arange(num_frames)[:, None] + LEAD_FRAMES + lead_L
    shifted = np.take_along_axis(np.asarray(smooth), rows, axis=0)
    return np.clip(shifted * gain_L, 0, 1).astype(np.float32)
