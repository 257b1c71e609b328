"""Options of CPM, the switches that its sources leave open; imports nothing heavy."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import Field, field_validator

from harness.method import Options


class CpmOptions(Options):
    """Options of CPM. The paper prints none of them; ids as in docs/paper.md."""

    mode: Literal["cpm", "icpm", "inductive"] = "cpm"
    """Personal machines, personal machines with progressive training, or the pair's mean."""
    relabel: Literal["reject", "conditional", "drop", "consensus"] = "reject"
    """What hard training frames are taken for (A-1.1)."""
    hard_weight: float = Field(default=1.0, ge=0)
    """Weight of a hard frame in the loss, h (A-1.2)."""
    max_iter: int = Field(default=2, ge=1)
    """Solves of the pair at most; 1 is the plain SVM, 2 one round of relabelling (A-1.2)."""
    class_weight: Literal["balanced", "none"] = "balanced"
    """Whether both classes of an AU weigh the same in training."""
    class_weight_follows_relabel: bool = True
    """Weigh by the relabelled sign; by the original one, the hard set grows (A-1.2)."""
    graph: Literal["band_heat", "band_binary", "knn_union", "knn_in_band"] = "band_heat"
    """Which frames of a test subject should score alike (A-1.3)."""
    tau: int = Field(default=5, ge=0)
    """Frames at most this far apart in time are neighbours."""
    neighbours: int = Field(default=5, ge=1)
    """Nearest frames that the two ``knn`` graphs take."""
    qss_balance: bool = True
    """Whether both virtual classes weigh the same in a personal machine (A-1.4)."""
    w0: Literal["zero", "mean"] = "zero"
    """What a personal machine is drawn towards: 0, or the pair's mean (A-1.5)."""
    pca: float | None = Field(default=0.98, gt=0, le=1)
    """Share of the variance that principal components keep; null for the raw feature."""
    kernel: Literal["linear", "rbf"] = "linear"
    """``rbf``: kernel CPM by random Fourier features."""
    kernel_features: int = Field(default=1000, ge=1)
    """Random Fourier features of ``kernel="rbf"``."""
    sample: Literal["per_subject", "ratio", "all"] = "per_subject"
    """Training frames: at most ``per_subject`` of each subject, negatives 1:2, or all."""
    per_subject: tuple[int, int] = (100, 200)
    """Positives and negatives that ``sample="per_subject"`` draws at most, for each AU."""
    C: tuple[float, ...] = tuple(10.0**power for power in range(-4, 2))
    """1 / lambda of the training stage, to choose among on validation subjects."""
    C_t: tuple[float, ...] = (10.0, 100.0, 1000.0)
    """Weight of the virtual labels in a personal machine, to choose among."""
    gamma: tuple[float, ...] = (0.0, 10.0, 100.0, 1000.0)
    """Weight of smoothness in a personal machine, to choose among."""
    refit: bool = True
    """Train the pair again on training and validation subjects together."""
    patch: Literal[32, 36, 40, 48] = 36
    """Side of a landmark's patch in pixels of the registered face."""
    tolerance: float = Field(default=1e-4, gt=0)
    """Relative precision of every objective."""

    @field_validator("C", "C_t", "gamma")
    @classmethod
    def _not_negative(cls, grid: tuple[float, ...]) -> tuple[float, ...]:
        if not grid or not all(0 <= value < math.inf for value in grid):
            raise ValueError("a grid must list at least one value, all finite, none below 0")
        return tuple(sorted(grid))

    @field_validator("C", "C_t")
    @classmethod
    def _positive(cls, grid: tuple[float, ...]) -> tuple[float, ...]:
        if min(grid) == 0:
            raise ValueError("C and C_t must be above 0")
        return grid
