"""The recipe of a synthetic dataset, and all that it tells before a pixel is rendered.

``identity`` names the content, ``headers`` and ``table`` tell every key and label, as
``making.py`` will write them. Every sequence draws from random streams of its own, so person 7 is
the same in a set of 10 as in a set of 40.
"""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from harness.data.building import SequenceHeader
from harness.data.frames import FrameTable
from harness.errors import UserError, first_complaint
from harness.synthetic.labels import coding, latent_model
from harness.synthetic.presets import MAX_TASKS, PRESETS, Preset
from harness.synthetic.seeds import stream

GENERATOR_VERSION = 3
MIN_FRAMES, MAX_FRAMES = 8, 100_000
INTENSITY_EDGES = (0.05, 0.25, 0.45, 0.65, 0.85)  # where traces, slight, marked ... begin


class SyntheticRecipe(BaseModel):
    """What to make. ``None`` means the preset's own full size.

    Attributes:
        preset: the domain, see ``presets.py``.
        subjects: number of people, at most as many as the preset defines.
        tasks: sequences of each person, at most 9.
        frames: frames of a sequence, on average; sequences differ in length.
        seed: another seed gives other people and other labels.
        name: the dataset's name, which begins every subject id; the preset's name by default.
        aus: the AUs to label, some of those that the preset codes; all of them by default.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    preset: Literal["lab", "group", "lab-plus", "disfa"]
    subjects: int | None = None
    tasks: int | None = None
    frames: int | None = None
    seed: int = 0
    name: str | None = None
    aus: tuple[int, ...] | None = None

    def __init__(self, **fields: Any) -> None:
        # outside pydantic's own validation, so that a UserError arrives as itself
        try:
            super().__init__(**fields)
        except ValidationError as error:
            first = first_complaint(error)
            place = first.name or "options"
            given = f" (given: {first.given!r})" if first.place else ""
            raise UserError(f"synthetic recipe: {place}: {first.message}{given}") from error
        self._check()

    def _check(self) -> None:
        preset = PRESETS[self.preset]
        limits = {
            "subjects": (1, preset.subjects),
            "tasks": (1, MAX_TASKS),
            "frames": (MIN_FRAMES, MAX_FRAMES),
        }
        for field, (low, high) in limits.items():
            value = getattr(self, field)
            if value is not None and not low <= value <= high:
                raise UserError(
                    f"synthetic preset {self.preset!r}: {field} is {value}, "
                    f"it must be from {low} to {high}"
                )
        if self.seed < 0:
            raise UserError(
                f"synthetic preset {self.preset!r}: seed is {self.seed}, it must be 0 or more"
            )
        if self.name is not None and (not self.name or set(self.name) & set(":/\\ ")):
            raise UserError(
                f"synthetic dataset name {self.name!r} is not usable: give letters, digits, - and _"
            )
        coded = latent_model(self.preset).aus
        if self.aus is not None:
            unknown = [au for au in self.aus if au not in coded]
            if unknown or not self.aus or len(set(self.aus)) != len(self.aus):
                problem = f"AU{unknown[0]} is not among them" if unknown else "each at most once"
                raise UserError(
                    f"synthetic preset {self.preset!r} codes AUs {list(coded)}; "
                    f"aus is {list(self.aus)}: {problem}"
                )

    @property
    def domain(self) -> Preset:
        """The preset's own figures."""
        return PRESETS[self.preset]

    @property
    def num_subjects(self) -> int:
        """People in the set."""
        return self.subjects or self.domain.subjects

    @property
    def num_tasks(self) -> int:
        """Sequences of each person."""
        return self.tasks or self.domain.tasks

    @property
    def mean_frames(self) -> int:
        """Frames of a sequence, on average."""
        return self.frames or self.domain.frames

    @property
    def dataset(self) -> str:
        """The dataset's name."""
        return self.name or self.preset

    @property
    def label_aus(self) -> tuple[int, ...]:
        """The AUs that the label columns stand for."""
        return self.aus or latent_model(self.preset).aus


def identity(recipe: SyntheticRecipe) -> str:
    """Names the content before it is made: a hash of the recipe and of this generator's version."""
    content = {
        "generator": GENERATOR_VERSION,
        "preset": recipe.preset,
        "subjects": recipe.num_subjects,
        "tasks": recipe.num_tasks,
        "frames": recipe.mean_frames,
        "seed": recipe.seed,
        "name": recipe.dataset,
        "aus": recipe.label_aus,
    }
    text = json.dumps(content, sort_keys=True)
    return "synthetic-" + hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def headers(recipe: SyntheticRecipe) -> list[SequenceHeader]:
    """Every sequence with its length, in the order of the dataset's rows."""
    return list(_headers(recipe))


@lru_cache(maxsize=8)
def _headers(recipe: SyntheticRecipe) -> tuple[SequenceHeader, ...]:
    return tuple(
        SequenceHeader(
            subject=f"{recipe.dataset}:S{subject + 1:03d}",
            sequence=f"{recipe.dataset}:S{subject + 1:03d}/T{task + 1}",
            num_frames=_length(recipe, subject, task),
        )
        for subject in range(recipe.num_subjects)
        for task in range(recipe.num_tasks)
    )


def _length(recipe: SyntheticRecipe, subject: int, task: int) -> int:
    relative = latent_model(recipe.preset).lengths
    used = np.array([relative[t % len(relative)] for t in range(recipe.num_tasks)])
    draw = stream("length", recipe.preset, recipe.seed, subject, task).standard_normal()
    spread = 1 + recipe.domain.length_spread * float(np.clip(draw, -2.5, 2.5))
    frames = recipe.mean_frames * used[task] / used.mean() * spread
    return max(MIN_FRAMES, round(float(frames)))


def sequence_labels(
    recipe: SyntheticRecipe, position: int, num_frames: int
) -> tuple[np.ndarray, np.ndarray]:
    """Labels int8 (T, L) and tracked bool (T,) of the sequence at a position."""
    from harness.synthetic.motion import lost_frames

    subject, task = divmod(position, recipe.num_tasks)
    present = coding(recipe.preset, recipe.seed, subject, task, num_frames).present
    columns = [latent_model(recipe.preset).aus.index(au) for au in recipe.label_aus]
    lost = lost_frames(recipe.preset, recipe.seed, subject, task, num_frames)
    labels = np.where(present[:, columns], 1, -1).astype(np.int8)
    labels[lost] = 0
    return labels, ~lost


@lru_cache(maxsize=8)
def table(recipe: SyntheticRecipe) -> FrameTable:
    """Keys and labels of every frame, exactly as the made dataset holds them; renders nothing."""
    parts = headers(recipe)
    lengths = [part.num_frames for part in parts]
    coded = [sequence_labels(recipe, i, length) for i, length in enumerate(lengths)]
    made = FrameTable(
        aus=recipe.label_aus,
        subjects=np.repeat(np.array([p.subject for p in parts], dtype=object), lengths),
        sequences=np.repeat(np.array([p.sequence for p in parts], dtype=object), lengths),
        numbers=np.concatenate([np.arange(1, n + 1, dtype=np.int32) for n in lengths]),
        tracked=np.concatenate([tracked for _, tracked in coded]),
        labels=np.concatenate([labels for labels, _ in coded]),
    )
    for column in (made.subjects, made.sequences, made.numbers, made.tracked, made.labels):
        column.flags.writeable = False
    return made


def intensity_codes(recipe: SyntheticRecipe, position: int) -> np.ndarray:
    """int8 (T, L) intensity of each AU as a coder grades it: 0 absent, 1 trace to 5 maximum.

    It agrees with the labels: presence begins at 2 in ``disfa``, where weaker signs are graded but
    do not count, and at 1 in the other domains; -1 where the label is unknown.
    """
    header = _headers(recipe)[position]
    subject, task = divmod(position, recipe.num_tasks)
    labels, _ = sequence_labels(recipe, position, header.num_frames)
    coded = coding(recipe.preset, recipe.seed, subject, task, header.num_frames)
    columns = [latent_model(recipe.preset).aus.index(au) for au in recipe.label_aus]
    lowest = 2 if recipe.preset == "disfa" else 1
    graded = np.digitize(coded.intensity[:, columns], INTENSITY_EDGES)
    codes = np.where(labels > 0, np.clip(graded, lowest, 5), np.clip(graded, 0, lowest - 1))
    codes[labels == 0] = -1
    return codes.astype(np.int8)
