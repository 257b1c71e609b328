"""Bootstrap over subjects: intervals for every number, and for the difference of two methods.

Frames of one person are almost copies of each other, so an interval from resampled frames would be
far too narrow; what is drawn, with replacement, is whole subjects (or groups of people who were
recorded together). Intervals are percentile intervals. Two methods are compared on the same draws.

The draws depend on the seed and the sorted names of the subjects only, so intervals that are made
one by one are paired all the same.

Legend: L action units, S subjects, B replicates.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from harness.errors import UserError
from harness.metrics.footnote import frame_set_hash
from harness.metrics.id_codes import id_codes
from harness.metrics.registry import Metric, find_metric
from harness.metrics.scored import ScoredFrames
from harness.metrics.undefined import mean_of_defined
from harness.statistics.resamples import Resamples

if TYPE_CHECKING:
    import pandas as pd


def bootstrap(
    scored: ScoredFrames,
    metrics: Sequence[Metric | str],
    *,
    replicates: int = 1000,
    seed: int = 0,
    level: float = 0.95,
    pooling: str = "pooled",
    undefined: str = "nan",
    group_of: Callable[[str], str] | None = None,
) -> pd.DataFrame:
    """Intervals of the metrics of ``scored`` frames: a row for each metric and AU, and one for the
    mean over AUs.

    Args:
        replicates, seed: how many resamples of subjects are drawn, and which.
        level: of the interval.
        pooling, undefined: as of ``harness.metrics.pooling.pool``.
        group_of: the group of a subject, where groups are to be drawn as wholes.

    Raises:
        UserError: fewer than two subjects or groups, or an option out of its range.

    Columns: metric, au (``"AU12"`` or ``"mean"``), estimate (on all subjects), low, high, undefined
    (share of replicates without a number, left out of the interval).
    """
    resamples = Resamples(scored)
    weights_BS = subject_weights(resamples.subjects, replicates, seed, group_of)
    rows = []
    for metric in metrics:
        chosen = find_metric(metric) if isinstance(metric, str) else metric
        estimate, drawn_BL = _all_and_drawn(resamples, chosen, weights_BS, pooling, undefined)
        for au, value, column_B in _with_mean(scored.aus, estimate, drawn_BL):
            low, high = _interval(column_B, level)
            rows.append((chosen.name, au, value, low, high, float(np.isnan(column_B).mean())))
    return _frame(rows, ["metric", "au", "estimate", "low", "high", "undefined"])


def bootstrap_difference(
    one: ScoredFrames,
    other: ScoredFrames,
    metrics: Sequence[Metric | str],
    *,
    replicates: int = 1000,
    seed: int = 0,
    level: float = 0.95,
    pooling: str = "pooled",
    undefined: str = "nan",
    group_of: Callable[[str], str] | None = None,
) -> pd.DataFrame:
    """Intervals for ``one`` minus ``other``, two methods scored on the same frames. The options are
    those of ``bootstrap``.

    Columns as in ``bootstrap``, and ``above``: the share of replicates in which ``one`` has more.
    """
    _check_comparable(one, other)
    first, second = Resamples(one), Resamples(other)
    weights_BS = subject_weights(first.subjects, replicates, seed, group_of)
    rows = []
    for metric in metrics:
        chosen = find_metric(metric) if isinstance(metric, str) else metric
        value_a, drawn_a = _all_and_drawn(first, chosen, weights_BS, pooling, undefined)
        value_b, drawn_b = _all_and_drawn(second, chosen, weights_BS, pooling, undefined)
        # The mean is taken of differences, so that both methods are averaged over the same AUs.
        for au, value, column_B in _with_mean(one.aus, value_a - value_b, drawn_a - drawn_b):
            low, high = _interval(column_B, level)
            defined = column_B[~np.isnan(column_B)]
            above = float((defined > 0).mean()) if len(defined) else float("nan")
            missing = float(np.isnan(column_B).mean())
            rows.append((chosen.name, au, value, low, high, missing, above))
    return _frame(rows, ["metric", "au", "estimate", "low", "high", "undefined", "above"])


def subject_weights(
    subjects: Sequence[str],
    replicates: int,
    seed: int,
    group_of: Callable[[str], str] | None = None,
) -> np.ndarray:
    """int64 (B, S): how often each replicate holds each subject. With ``group_of`` whole groups are
    drawn."""
    if replicates < 1:
        raise UserError(f"replicates={replicates} must be at least 1")
    if seed < 0:
        raise UserError(f"seed {seed} of the bootstrap is negative: use a number from 0")
    clusters = [s if group_of is None else group_of(s) for s in subjects]
    names, cluster_S = np.unique(np.asarray(clusters, dtype=str), return_inverse=True)
    if len(names) < 2:
        raise UserError(
            f"a bootstrap over subjects needs at least 2 of them (or groups); here is {len(names)}"
        )
    even = np.full(len(names), 1 / len(names))
    drawn = np.random.default_rng(seed).multinomial(len(names), even, replicates)
    return drawn[:, cluster_S]


def _check_comparable(one: ScoredFrames, other: ScoredFrames) -> None:
    """Refuses two methods that were scored on other AUs, frames, labels or subjects."""
    if one.aus != other.aus:
        raise UserError(f"AUs {list(one.aus)} and {list(other.aus)} cannot be compared")
    hashes = frame_set_hash(one), frame_set_hash(other)
    if hashes[0] != hashes[1]:
        raise UserError(
            f"the two methods were scored on different frames (frame sets {hashes[0]} and "
            f"{hashes[1]}); only the same frames can be compared"
        )
    rows, other_rows = (np.lexsort((s.numbers, id_codes(s.sequences))) for s in (one, other))
    if not np.array_equal(one.labels[rows], other.labels[other_rows]):
        raise UserError("the two methods were scored against different labels of the same frames")
    if not np.array_equal(one.subjects[rows], other.subjects[other_rows]):
        raise UserError("the two methods name different subjects for the same frames")


def _all_and_drawn(
    resamples: Resamples, metric: Metric, weights_BS: np.ndarray, pooling: str, undefined: str
) -> tuple[np.ndarray, np.ndarray]:
    """The metric on all subjects once each (L,), and on the drawn ones (B, L)."""
    weights = np.concatenate([np.ones((1, weights_BS.shape[1])), weights_BS])
    values = resamples.values(metric, weights, pooling=pooling, undefined=undefined)
    return values[0], values[1:]


def _with_mean(
    aus: Sequence[int], estimate_L: np.ndarray, drawn_BL: np.ndarray
) -> list[tuple[str, float, np.ndarray]]:
    """(name, estimate, replicates) of each AU and of the mean over AUs."""
    rows = [
        (f"AU{au}", float(estimate_L[column]), drawn_BL[:, column]) for column, au in enumerate(aus)
    ]
    # An AU without a number on all subjects has none to put into the mean of any draw.
    counted_BL = np.where(np.isnan(estimate_L), np.nan, drawn_BL)
    mean = float(mean_of_defined(estimate_L, axis=0))
    return [*rows, ("mean", mean, mean_of_defined(counted_BL, axis=1))]


def _interval(values_B: np.ndarray, level: float) -> tuple[float, float]:
    """Percentile interval of the defined values; NaN where none is."""
    if not 0 < level < 1:
        raise UserError(f"level={level} must lie above 0 and below 1")
    defined = values_B[~np.isnan(values_B)]
    if not len(defined):
        return float("nan"), float("nan")
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _frame(rows: Sequence[tuple[object, ...]], columns: list[str]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(rows, columns=columns)
