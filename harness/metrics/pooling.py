"""Pooling: from folds and subjects to one number (option ``pooling``), and the row that says how.

- ``pooled``: the frames of all test parts together, one number. The headline: of the ways to take
  F1 over cross-validation it is the one without bias (Forman, Scholz: Apples-to-apples in
  cross-validation studies, SIGKDD Explorations 2010).
- ``fold_mean``: a number per fold, their mean and SD, as most papers report.
- ``subject_mean``: a number per subject, their mean and SD.

Undefined numbers of a fold or subject are left out of the mean and counted; with
``undefined="zero"`` they enter it as 0, and are counted all the same.

Legend: N frames, L action units, U units (folds or subjects).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from harness.metrics.id_codes import id_codes_and_names
from harness.metrics.registry import Metric, find_metric
from harness.metrics.scored import ScoredFrames
from harness.metrics.undefined import UNDEFINED, check_choice, fill_undefined, mean_of_defined

if TYPE_CHECKING:
    import pandas as pd

POOLINGS = ("pooled", "fold_mean", "subject_mean")


@dataclass(frozen=True, kw_only=True, eq=False)
class Pooled:
    """One metric, pooled.

    Attributes:
        pooling, undefined: the options that it was made with.
        values_L: per AU; NaN where undefined (0 under ``undefined="zero"``).
        sd_L: standard deviation over units; NaN where fewer than two are defined.
        undefined_L: in how many units the AU's number is undefined.
        num_units: 1 for ``pooled``, else folds or subjects.
        mean: over AUs; ``mean_sd`` the standard deviation over units of the unit's mean over AUs.
    """

    pooling: str
    undefined: str
    values_L: np.ndarray
    sd_L: np.ndarray
    undefined_L: np.ndarray
    num_units: int
    mean: float
    mean_sd: float

    @property
    def undefined_everywhere_L(self) -> np.ndarray:
        """bool (L,): the AU's number is undefined in every unit."""
        return self.undefined_L == self.num_units


def pool(
    scored: ScoredFrames,
    metric: Metric | str,
    *,
    pooling: str = "pooled",
    undefined: str = "nan",
) -> Pooled:
    """One metric of scored frames under a pooling."""
    check_choice("undefined", undefined, UNDEFINED)
    chosen = find_metric(metric) if isinstance(metric, str) else metric
    values_UL = np.stack([chosen(unit) for unit in units_of(scored, pooling)])
    undefined_UL = np.isnan(values_UL)
    values_UL = fill_undefined(values_UL, undefined)
    values_L = mean_of_defined(values_UL, axis=0)
    return Pooled(
        pooling=pooling,
        undefined=undefined,
        values_L=values_L,
        sd_L=_sd_of_defined(values_UL),
        undefined_L=undefined_UL.sum(axis=0),
        num_units=len(values_UL),
        mean=float(mean_of_defined(values_L, axis=0)),
        mean_sd=float(_sd_of_defined(mean_of_defined(values_UL, axis=1)[:, None])[0]),
    )


def evaluate(
    scored: ScoredFrames,
    metrics: Sequence[Metric | str],
    *,
    pooling: str = "pooled",
    undefined: str = "nan",
) -> pd.DataFrame:
    """Metrics of ``scored`` frames: a row for each metric and AU, and one for the mean.

    Columns: metric, au, value, sd, undefined, units.
    ``au`` is ``"AU12"`` or ``"mean"``; ``undefined`` counts units in the row of an AU, and AUs in
    the row of the mean.
    """
    import pandas as pd

    rows: list[tuple[str, str, float, float, int, int]] = []
    for metric in metrics:
        name = metric if isinstance(metric, str) else metric.name
        pooled = pool(scored, metric, pooling=pooling, undefined=undefined)
        for column, au in enumerate(scored.aus):
            value, sd = float(pooled.values_L[column]), float(pooled.sd_L[column])
            count = int(pooled.undefined_L[column])
            rows.append((name, f"AU{au}", value, sd, count, pooled.num_units))
        gone = int(pooled.undefined_everywhere_L.sum())
        rows.append((name, "mean", pooled.mean, pooled.mean_sd, gone, pooled.num_units))
    return pd.DataFrame(rows, columns=["metric", "au", "value", "sd", "undefined", "units"])


def units_of(scored: ScoredFrames, pooling: str) -> list[ScoredFrames]:
    """The parts of ``scored`` that get a number each: everything, each fold, or each subject."""
    check_choice("pooling", pooling, POOLINGS)
    if pooling == "pooled":
        return [scored]
    codes_N, names = id_codes_and_names(scored.folds if pooling == "fold_mean" else scored.subjects)
    order = np.argsort(codes_N, kind="stable")
    bounds = np.searchsorted(codes_N[order], np.arange(len(names) + 1))
    return [scored.select(order[start:stop]) for start, stop in pairwise(bounds)]


def _sd_of_defined(values_UL: np.ndarray) -> np.ndarray:
    """Standard deviation (n - 1) over units, per column; NaN where fewer than two are defined."""
    count_L = (~np.isnan(values_UL)).sum(axis=0)
    squares_UL = (values_UL - mean_of_defined(values_UL, axis=0)) ** 2
    spread_L = np.sqrt(mean_of_defined(squares_UL, axis=0) * count_L / np.maximum(count_L - 1, 1))
    return np.where(count_L >= 2, spread_L, np.nan)
