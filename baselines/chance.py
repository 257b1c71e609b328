"""Chance level: three rows that look at no picture, so that a table shows what a score is worth.

F1 rises with the base rate even for a blind method: saying "present" always gives 2p / (1 + p) at
base rate p, which is 0.63 for an AU present in 46% of frames. Any learned method is to be read
against these rows.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from baselines.linear_model import au_columns, read_json, write_json
from harness.data.frames import FrameSet
from harness.method import Context, Method

Rule = Literal["all-present", "base-rate-random", "majority"]


@dataclass(frozen=True, kw_only=True)
class ChanceModel:
    """Scores by ``rule`` from the training base rates alone.

    ``all-present`` scores 1. ``majority`` scores base rate - 1/2. ``base-rate-random`` scores base
    rate - u with u uniform in [0, 1), so a frame is called present with the base rate as its
    probability; u depends on the seed, the frame's key and the AU, not on what else is scored.
    """

    rule: Rule
    aus: tuple[int, ...]
    base_rates: tuple[float, ...]
    seed: int
    notes: tuple[str, ...] = ()

    def scores(self, frames: FrameSet) -> np.ndarray:
        """float32 (N, L), above 0 means present."""
        columns = au_columns(self.aus, frames)
        rates_L = np.array(self.base_rates, dtype=np.float32)[columns]
        if self.rule == "all-present":
            return np.ones((len(frames), len(columns)), np.float32)
        if self.rule == "majority":
            return np.tile(rates_L - np.float32(0.5), (len(frames), 1))
        return (rates_L - uniform_by_key(frames, self.seed)).astype(np.float32)

    def save(self, folder: Path) -> None:
        """Writes ``model.json``."""
        about: dict[str, object] = {
            "rule": self.rule,
            "aus": list(self.aus),
            "base_rates": list(self.base_rates),
            "seed": self.seed,
            "notes": list(self.notes),
        }
        write_json(folder / "model.json", about)

    @classmethod
    def load(cls, folder: Path) -> ChanceModel:
        """The model that ``save`` wrote."""
        about: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value
            for key, value in read_json(folder / "model.json").items()
        }
        return cls(**about)


class Chance(Method):
    """Base of the three rows; a subclass names its rule."""

    rule: Rule

    def fit(self, train: FrameSet, validation: FrameSet, context: Context) -> ChanceModel:
        """Counts base rates over the known labels of training and validation subjects."""
        known = sum((part.labels != 0).sum(axis=0) for part in (train, validation))
        present = sum((part.labels > 0).sum(axis=0) for part in (train, validation))
        rates = present / np.maximum(known, 1)
        unseen = [au for au, count in zip(train.aus, np.asarray(known), strict=True) if not count]
        return ChanceModel(
            rule=self.rule,
            aus=train.aus,
            base_rates=tuple(float(rate) for rate in rates),
            seed=context.seed,
            notes=tuple(
                f"AU{au}: no known label in training, base rate taken as 0" for au in unseen
            ),
        )

    @classmethod
    def load(cls, folder: Path) -> ChanceModel:
        """The model that ``fit`` gave and that was saved into ``folder``."""
        return ChanceModel.load(folder)


class AllPresent(Chance):
    """Every AU present in every frame."""

    rule = "all-present"


class BaseRateRandom(Chance):
    """Each AU present at random, as often as in training."""

    rule = "base-rate-random"


class Majority(Chance):
    """Each AU as in the majority of training frames, everywhere."""

    rule = "majority"


def uniform_by_key(frames: FrameSet, seed: int) -> np.ndarray:
    """float64 (N, L) in [0, 1), a function of (seed, sequence, number, AU) alone."""
    uniform_NL = np.empty((len(frames), len(frames.aus)))
    for sequence, rows in frames.sequence_slices():
        digest = hashlib.blake2b(f"{seed}/{sequence}".encode(), digest_size=8).digest()
        key_T1 = np.uint64(int.from_bytes(digest, "little")) ^ _mixed(
            frames.numbers[rows].astype(np.uint64)[:, None]
        )
        mixed_TL = _mixed(key_T1 ^ _mixed(np.array(frames.aus, dtype=np.uint64) << np.uint64(32)))
        uniform_NL[rows] = (mixed_TL >> np.uint64(11)) * 2.0**-53
    return uniform_NL


def _mixed(values: np.ndarray) -> np.ndarray:
    """The finaliser of SplitMix64: a fixed permutation of 64-bit numbers that scatters well."""
    values = values + np.uint64(0x9E3779B97F4A7C15)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
