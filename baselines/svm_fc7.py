"""Linear SVMs on the representation of a trained CNN (fc7, 4,096 values a frame).

The paper's ANet_T column (section 4.2): the CNN is trained on another dataset, its fc7 is the
feature of a plain SVM on this one. Which split the CNN is trained on is the plan's affair; this
method asks for it as the stage ``cnn``, shared with every other method that asks for the same.

What always holds: the saved model holds its own copy of the CNN, so it scores anywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from pydantic import Field

from baselines.feature_rows import FeatureRows, require_memory, working_memory
from baselines.linear_model import LinearModel
from baselines.selection import require_validation
from baselines.svm import SvmMethod, SvmOptions
from harness.data.frames import FrameSet
from harness.method import Context, Stage
from harness.registry import load_method

STAGE = "anet"
FRAMES_AT_ONCE = 2048


class Representer(Protocol):
    """A trained CNN that can also say what it sees."""

    def represent(self, frames: FrameSet) -> np.ndarray:
        """float32 (N, 4096)."""

    def save(self, folder: Path) -> None:
        """Writes the CNN into an existing, empty folder."""


@dataclass(frozen=True, kw_only=True)
class Fc7Model:
    """Linear machines on the output of ``network``."""

    machines: LinearModel
    network: Representer

    @property
    def notes(self) -> list[str]:
        """What a reader of the results must know."""
        return self.machines.notes

    def scores(self, frames: FrameSet) -> np.ndarray:
        """float32 (N, L), above 0 means present."""
        scores = [np.empty((0, len(frames.aus)), np.float32)]
        for start in range(0, len(frames), FRAMES_AT_ONCE):
            some = frames.select(np.arange(start, min(start + FRAMES_AT_ONCE, len(frames))))
            rows_BD = self.network.represent(some)
            scores.append(self.machines.score_rows(rows_BD, frames))
        return np.concatenate(scores)

    def save(self, folder: Path) -> None:
        """Writes the machines, and the CNN into the folder ``cnn``."""
        self.machines.save(folder)
        (folder / "cnn").mkdir()
        self.network.save(folder / "cnn")


class SvmFc7(SvmMethod):
    """Linear SVMs on the fc7 of a CNN."""

    class Options(SvmOptions):
        """Options of the SVM on fc7."""

        anet: dict[str, Any] = Field(default_factory=dict)
        """Options of the CNN, as the method ``anet`` takes them."""

    options: SvmFc7.Options

    def stages(self) -> Mapping[str, Stage]:
        """The trained CNN."""
        return {"cnn": Stage(method=STAGE, options=self.options.anet)}

    def fit(self, train: FrameSet, validation: FrameSet, context: Context) -> Fc7Model:
        """Represents both parts by the CNN, then goes on as every SVM row."""
        require_validation(validation, self.options.C, "C")
        parts = [train, validation] if len(validation) else [train]
        network: Any = load_method(STAGE).load(context.stage("cnn"))
        rows = represented(parts, network, len(self.options.C), unit_norm=self.options.unit_norm)
        return Fc7Model(machines=self.fit_rows(rows, parts, context), network=network)

    @classmethod
    def load(cls, folder: Path) -> Fc7Model:
        """The model that ``fit`` gave and that was saved into ``folder``."""
        network: Any = load_method(STAGE).load(folder / "cnn")
        return Fc7Model(machines=LinearModel.load(folder), network=network)


def represented(
    parts: list[FrameSet], network: Representer, grid: int, *, unit_norm: bool
) -> FeatureRows:
    """The CNN's representation of all frames of ``parts``, in half precision."""
    num_rows, start = sum(map(len, parts)), 0
    rows_ND = np.empty((num_rows, 0), np.float16)
    scale_N = np.ones(num_rows, np.float32)
    for part in parts:
        for first in range(0, len(part), FRAMES_AT_ONCE):
            some = part.select(np.arange(first, min(first + FRAMES_AT_ONCE, len(part))))
            chunk_BD = network.represent(some)
            if not start:
                columns = grid * len(parts[0].aus)
                dimension = chunk_BD.shape[1]
                require_memory(
                    working_memory(num_rows, dimension, columns),
                    f"{num_rows} frames x {dimension} values x {columns} machines",
                )
                rows_ND = np.empty((num_rows, dimension), np.float16)
            stop = start + len(chunk_BD)
            rows_ND[start:stop] = chunk_BD
            if unit_norm:
                lengths_B = np.linalg.norm(rows_ND[start:stop].astype(np.float32), axis=1)
                scale_N[start:stop] = 1 / np.where(lengths_B > 0, lengths_B, 1)
            start = stop
    return FeatureRows(rows_ND=rows_ND, scale_N=scale_N)
