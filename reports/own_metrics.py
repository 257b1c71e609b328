"""Metrics that a user asks for by name, measured on the stored scores with intervals over subjects.

They are named in the suite (``metrics:``) or on the command line (``--metric``), as a metric that
ships or as ``package.module:function``. A run may be read where the module of a suite's metric is
not: its tables are then left out, and the report says so.

Legend: L action units, B replicates, U subjects.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import yaml

from harness.errors import UserError
from harness.metrics import Metric, ScoredFrames
from harness.metrics.registry import tried_metric
from harness.metrics.undefined import mean_of_defined
from harness.statistics.bootstrap import subject_weights
from harness.statistics.resamples import Resamples
from reports.run_view import RunView

REPLICATES = 200
"""Resamples of subjects behind an interval. A function of the user's sees resampled frames, so each
costs as much as the metric itself."""


@dataclass(frozen=True, kw_only=True, eq=False)
class OwnMeasure:
    """A metric of one method in one setting.

    Attributes:
        values_L: pooled over folds, mean of seeds; NaN where undefined.
        drawn_BL: the same in every resample of subjects; None with fewer than two subjects.
    """

    values_L: np.ndarray
    drawn_BL: np.ndarray | None

    def replicates(self) -> np.ndarray | None:
        """(B, L + 1): per AU and their mean, in every resample."""
        if self.drawn_BL is None:
            return None
        # An AU without a number on all subjects has none to put into the mean of any draw.
        counted_BL = np.where(np.isnan(self.values_L), np.nan, self.drawn_BL)
        return np.column_stack([self.drawn_BL, mean_of_defined(counted_BL, axis=1)])


def metrics_of(run: RunView, asked: Sequence[str]) -> tuple[tuple[Metric, ...], list[str]]:
    """The metrics of the run's suite and those asked for, each once, and a line for each of the
    suite's that cannot be had here.

    Raises:
        UserError: one that was asked for cannot be loaded or gives no number for each AU.
    """
    found: dict[str, Metric] = {}
    oddities = []
    for name in _of_suite(run):
        try:
            found[name] = tried_metric(name)
        except UserError as error:
            oddities.append(f"{error}; its tables are left out")
    for name in asked:
        found[name] = tried_metric(name)
    return tuple(found.values()), oddities


def _of_suite(run: RunView) -> list[str]:
    try:
        named = yaml.safe_load(run.suite_text()).get("metrics", [])
        return [str(name) for name in named]
    except (yaml.YAMLError, AttributeError, TypeError):
        return []  # a damaged suite file stops no report


def measure_own(test: ScoredFrames, metrics: Sequence[Metric]) -> dict[str, OwnMeasure]:
    """Each metric of the test frames of all folds, by its name.

    Raises:
        UserError: a metric raised something, or gave another shape.
    """
    if not metrics:
        return {}
    resamples = Resamples(test)
    all_once = np.ones((1, len(resamples.subjects)))
    draw = len(resamples.subjects) > 1
    weights_BU = subject_weights(resamples.subjects, REPLICATES, 0) if draw else all_once
    measured = {}
    for metric in metrics:
        try:
            values_L = resamples.values(metric, all_once)[0]
            drawn_BL = resamples.values(metric, weights_BU) if draw else None
        except UserError:
            raise
        except Exception as error:  # a function of the user's raises whatever it likes
            raise UserError(
                f"metric {metric.name!r} failed on this run's scores: "
                f"{type(error).__name__}: {error}"
            ) from error
        measured[metric.name] = OwnMeasure(values_L=values_L, drawn_BL=drawn_BL)
    return measured


def mean_of_own(seeds: Sequence[Mapping[str, OwnMeasure]]) -> dict[str, OwnMeasure]:
    """Measures of several seeds as one."""
    merged = {}
    for name in seeds[0]:
        drawn = [m.drawn_BL for m in (seed[name] for seed in seeds) if m.drawn_BL is not None]
        merged[name] = OwnMeasure(
            values_L=mean_of_defined(np.stack([seed[name].values_L for seed in seeds]), axis=0),
            drawn_BL=mean_of_defined(np.stack(drawn), axis=0) if drawn else None,
        )
    return merged
