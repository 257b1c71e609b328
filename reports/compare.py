"""Who is best in a setting, by how much, and how sure: one bootstrap over subjects for all methods.

Subjects are drawn with replacement, the same draws for every method, so that a difference of two
methods is compared within each draw. A method is not significantly worse than the best if the 95 %
interval of the difference holds 0. Only methods with every cell, tested on the same frames, are
ranked together; the others keep their numbers and an interval of their own.

Legend: U subjects, L action units, B replicates, M methods.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from harness.metrics.frame_measures import f1_of
from harness.metrics.undefined import mean_of_defined
from harness.statistics.bootstrap import subject_weights
from reports.measure import Measured, same_tests
from reports.table import Mark

REPLICATES = 1000
LEVEL = 0.95


@dataclass(frozen=True, kw_only=True)
class Standing:
    """One number of one method among those of its rivals; the unit is that of the number.

    ``low`` and ``high`` bound its 95 % interval, ``behind`` is the best's lead over it with the
    interval of that difference; NaN where there are too few subjects or it is not ranked.
    """

    value: float
    low: float
    high: float
    mark: Mark
    level: bool
    behind: float = float("nan")
    behind_low: float = float("nan")
    behind_high: float = float("nan")


@dataclass(frozen=True, kw_only=True, eq=False)
class Comparison:
    """All methods of one setting, compared.

    Attributes:
        ranked: methods that could be ranked, best mean F1 first.
        f1, auc: by method, an entry per AU and a last one for their mean. ``auc`` has intervals
            only if details were measured. ``own`` likewise of the metrics that the user asked for.
        too_few: whether there were fewer than two subjects, so no intervals.
    """

    setting: str
    measured: Mapping[str, Measured]
    ranked: tuple[str, ...]
    f1: Mapping[str, tuple[Standing, ...]]
    auc: Mapping[str, tuple[Standing, ...]]
    own: Mapping[str, Mapping[str, tuple[Standing, ...]]]
    too_few: bool

    @property
    def typical(self) -> Measured:
        """The best ranked method's measures, else those that rest on most labels."""
        if self.ranked:
            return self.measured[self.ranked[0]]
        return max(self.measured.values(), key=lambda m: m.known_L.sum())

    def standing(self, metric: str, method: str) -> tuple[Standing, ...]:
        """Entries of a method under ``"f1"``, ``"auc"``, or the name of a metric of the user's."""
        return {"f1": self.f1, "auc": self.auc, **self.own}[metric][method]


def compare(setting: str, measured: Sequence[Measured]) -> Comparison:
    """Marks, intervals and differences of the methods of one setting."""
    rivals = same_tests(measured)
    f1 = _standings(measured, rivals, {m.method: m.f1_L for m in measured}, f1_replicates)
    auc = _standings(measured, rivals, {m.method: m.auc_L for m in measured}, auc_replicates)
    own = {
        name: _standings(
            measured,
            rivals,
            {m.method: m.own[name].values_L for m in measured},
            lambda m, name=name: m.own[name].replicates(),  # type: ignore[misc]
        )
        for name in (measured[0].own if measured else ())
    }
    order = sorted(rivals, key=lambda m: -np.nan_to_num(m.mean_f1, nan=-1))
    return Comparison(
        setting=setting,
        measured={m.method: m for m in measured},
        ranked=tuple(m.method for m in order),
        f1=f1,
        auc=auc,
        own=own,
        too_few=any(len(m.subjects) < 2 for m in measured),
    )


def weights_of(measured: Measured) -> np.ndarray:
    """(B, U) how often each subject stands in each resample; the same for the same subjects."""
    return subject_weights(measured.subjects, REPLICATES, 0).astype(np.float64)


def f1_replicates(measured: Measured) -> np.ndarray:
    """(B, L + 1): F1 per AU and their mean, in every resample; seeds averaged."""
    weights_BU = weights_of(measured)
    return _with_mean([f1_of(counts.weighted(weights_BU)) for counts in measured.confusion])


def auc_replicates(measured: Measured) -> np.ndarray | None:
    """(B, L + 1): ROC AUC per AU and their mean, in every resample; None without details."""
    if measured.details is None:
        return None
    weights_BU = weights_of(measured)
    return _with_mean(
        [
            pairs.roc_auc(weights_BU)
            for pairs in measured.details.pairs
            if pairs.pairs_LUU.shape[1] == weights_BU.shape[1]
        ]
    )


def _with_mean(per_seed: Sequence[np.ndarray]) -> np.ndarray:
    values_BL = mean_of_defined(np.stack(per_seed), axis=0)
    return np.column_stack([values_BL, mean_of_defined(values_BL, axis=1)])


def _standings(
    measured: Sequence[Measured],
    rivals: Sequence[Measured],
    values: Mapping[str, np.ndarray],
    replicates_of: Callable[[Measured], np.ndarray | None],
) -> dict[str, tuple[Standing, ...]]:
    found = {m.method: _full(values[m.method]) for m in measured}
    drawn = {m.method: replicates_of(m) if len(m.subjects) >= 2 else None for m in measured}
    names = [m.method for m in rivals]
    standings = {}
    for m in measured:
        low, high = _interval(drawn[m.method], len(found[m.method]))
        entries = []
        for column, value in enumerate(found[m.method]):
            ranked = {n: found[n][column] for n in names if np.isfinite(found[n][column])}
            mark, best = _mark(m.method, ranked)
            gap = low_gap = high_gap = float("nan")
            level = False
            mine, theirs = drawn[m.method], drawn.get(best)
            if m.method in ranked and best and best != m.method:
                gap = ranked[best] - value
                if mine is not None and theirs is not None:
                    low_gap, high_gap = difference_bounds(theirs[:, column] - mine[:, column])
                    level = bool(low_gap <= 0)
            entries.append(
                Standing(
                    value=float(value),
                    low=float(low[column]),
                    high=float(high[column]),
                    mark=mark,
                    level=level,
                    behind=float(gap),
                    behind_low=low_gap,
                    behind_high=high_gap,
                )
            )
        standings[m.method] = tuple(entries)
    return standings


def _full(values_L: np.ndarray) -> np.ndarray:
    return np.append(values_L, mean_of_defined(values_L, axis=0))


def _mark(method: str, ranked: Mapping[str, float]) -> tuple[Mark, str]:
    """The mark of a method among the ranked (none where nobody competes), and who is best. Equal
    numbers share a mark."""
    if len(ranked) < 2:
        return "", next(iter(ranked), "")
    levels = sorted({round(value, 9) for value in ranked.values()}, reverse=True)
    best = next(name for name, value in ranked.items() if round(value, 9) == levels[0])
    if method not in ranked:
        return "", best
    mine = round(ranked[method], 9)
    if mine == levels[0]:
        return ("best", method) if len(levels) > 1 else ("", method)
    return ("second" if mine == levels[1] else ""), best


def _interval(drawn: np.ndarray | None, width: int) -> tuple[np.ndarray, np.ndarray]:
    if drawn is None:
        return np.full(width, np.nan), np.full(width, np.nan)
    tail = 50 * (1 - LEVEL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # an AU that no resample holds
        low, high = np.nanpercentile(drawn, [tail, 100 - tail], axis=0)
    return low, high


def difference_bounds(difference_B: np.ndarray) -> tuple[float, float]:
    """95 % interval of a difference over its resamples (B,)."""
    low, high = _interval(difference_B[:, None], 1)
    return float(low[0]), float(high[0])
