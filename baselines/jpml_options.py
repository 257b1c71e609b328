"""Options of JPML, the switches that its sources leave open; imports nothing heavy."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import Field, field_validator

from harness.method import Options


class JpmlOptions(Options):
    """Options of JPML. The paper prints none of them; ids as in docs/paper.md."""

    solver: Literal["fista", "admm"] = "fista"
    """``fista``, or ``admm``, the published solver, which is slower."""
    omega: Literal["per_label", "shared"] = "per_label"
    """Patches are chosen for each AU, or for all AUs together (A-2.1)."""
    intercept: bool = True
    """An unpenalised bias; without it the thresholds of rare AUs are off (A-2.2)."""
    relations: Literal["data", "curated"] = "data"
    """Counted on the training labels, or named by the literature (A-2.3)."""
    pair_weight: Literal["one", "phi"] = "one"
    """Weight of a pair that goes together: 1, or its correlation (``relations="data"``)."""
    alpha: tuple[float, ...] = (1e-6, 1e-5, 1e-4, 1e-3)
    """Weight of the patch penalty, to choose among."""
    beta1: tuple[float, ...] = (0.0, 1e-3, 1e-2, 1e-1)
    """Weight of PC, to choose among."""
    beta2: tuple[float, ...] = (0.0, 1e-3, 1e-2, 1e-1)
    """Weight of NC, to choose among."""
    sample: Literal["per_subject", "ratio", "all"] = "per_subject"
    """Training frames: at most ``per_subject`` of each subject, negatives 1:2, or all."""
    per_subject: tuple[int, int] = (100, 200)
    """Positives and negatives that ``sample="per_subject"`` draws at most, for each AU."""
    refit: bool = True
    """Fit again on training and validation subjects together."""
    patch: Literal[32, 36, 40, 48] = 36
    """Side of a landmark's patch in pixels of the registered face."""
    rho: float = Field(default=0.01, gt=0)
    """Penalty of ADMM on W1 and W2 being apart; at 1 it takes some thousand rounds to meet."""
    tolerance: float = Field(default=1e-4, gt=0)
    """Stop when a step moves the weights by less than this part of their norm. With 1e-3 it ends in
    a quarter of the time, far from the minimum where alpha is small."""
    max_iter: int = Field(default=1000, ge=1)
    """Steps of FISTA, or rounds of ADMM, at most."""

    @field_validator("alpha", "beta1", "beta2")
    @classmethod
    def _not_negative(cls, grid: tuple[float, ...]) -> tuple[float, ...]:
        if not grid or not all(0 <= value < math.inf for value in grid):
            raise ValueError("a grid must list at least one value, all finite, none below 0")
        return tuple(sorted(grid))
