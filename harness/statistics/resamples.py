"""Metrics of resamples of subjects, from what each subject contributes, without resampled frames.

A resample of subjects is a weight for each: how often it was drawn. Decision counts and event
counts of a resample are weighted sums of the subjects' counts; the AUC is a quadratic form of the
weights in counts of ordered pairs; average precision is one weighted walk down the sorted frames
(``harness.metrics.ranking``). All four are exact: the number is the one that the resampled frames
themselves would give. A metric that is none of ours is computed on resampled frames, slowly.

Legend: L action units, S subjects, U units (subject within a fold), B replicates, T thresholds.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np

from harness.metrics import events, frame_measures, ranking
from harness.metrics.confusion import Confusion, confusion_by_unit
from harness.metrics.id_codes import id_codes, id_codes_and_names
from harness.metrics.pooling import POOLINGS
from harness.metrics.registry import Metric
from harness.metrics.scored import ScoredFrames
from harness.metrics.undefined import check_choice, fill_undefined, mean_of_defined, ratio

_OF_COUNTS: dict[Callable[..., np.ndarray], Callable[..., np.ndarray]] = {
    frame_measures.frame_f1: frame_measures.f1_of,
    frame_measures.precision: frame_measures.precision_of,
    frame_measures.recall: frame_measures.recall_of,
    frame_measures.balanced_accuracy: frame_measures.balanced_accuracy_of,
    frame_measures.skew_normalised_f1: frame_measures.skew_normalised_f1_of,
    frame_measures.s_score: frame_measures.s_score_of,
    frame_measures.cohen_kappa: frame_measures.cohen_kappa_of,
}


class Resamples:
    """Scored frames, ready to be asked for metrics of many resamples of their subjects.

    ``subjects`` are the sorted names that the columns of weights stand for.
    """

    def __init__(self, scored: ScoredFrames) -> None:
        self.scored = scored
        subject_N, self.subjects = id_codes_and_names(scored.subjects)
        fold_N, folds = id_codes_and_names(scored.folds)
        self._num_folds = len(folds)
        units, self._unit_N = np.unique(subject_N * len(folds) + fold_N, return_inverse=True)
        self._subject_of_unit = units // max(len(folds), 1)
        self._fold_of_unit = units % max(len(folds), 1)
        self._events: dict[Any, events.EventCounts] = {}

    def values(
        self,
        metric: Metric,
        weights_BS: np.ndarray,
        *,
        pooling: str = "pooled",
        undefined: str = "nan",
    ) -> np.ndarray:
        """(B, L) the metric of resamples that hold subject s ``weights_BS[b, s]`` times."""
        check_choice("pooling", pooling, POOLINGS)
        weights_BS = np.asarray(weights_BS, np.float64)
        if pooling == "subject_mean":
            alone_SL = self._pooled(metric, np.eye(len(self.subjects)))
            alone_SL = fill_undefined(alone_SL, undefined)
            defined_SL = ~np.isnan(alone_SL)
            return ratio(weights_BS @ np.where(defined_SL, alone_SL, 0.0), weights_BS @ defined_SL)
        weights_BU = weights_BS[:, self._subject_of_unit]
        if pooling == "pooled":
            return fill_undefined(self._of_units(metric, weights_BU), undefined)
        per_fold = []
        for fold in range(self._num_folds):
            weights_of_fold = weights_BU * (self._fold_of_unit == fold)
            values_BL = fill_undefined(self._of_units(metric, weights_of_fold), undefined)
            # A fold of which nobody was drawn has no part in the mean, not even as 0.
            drawn_B = weights_of_fold.any(axis=1)
            per_fold.append(np.where(drawn_B[:, None], values_BL, np.nan))
        return mean_of_defined(np.stack(per_fold), axis=0)

    def _pooled(self, metric: Metric, weights_BS: np.ndarray) -> np.ndarray:
        return self._of_units(metric, weights_BS[:, self._subject_of_unit])

    def _of_units(self, metric: Metric, weights_BU: np.ndarray) -> np.ndarray:
        options = dict(metric.options)
        undefined = options.pop("undefined", "nan")
        scored = self.scored
        if metric.function in _OF_COUNTS:
            counts = self._confusion.weighted(weights_BU)
            values_BL = _OF_COUNTS[metric.function](counts, **options)
        elif metric.function is ranking.roc_auc:
            values_BL = self._pairs.roc_auc(weights_BU)
        elif metric.function is ranking.average_precision:
            values_BL = ranking.average_precision_of_resamples(
                scored.labels, scored.scores, self._unit_N, weights_BU
            )
        elif metric.function in (events.event_f1_area, events.event_f1_at_half):
            integrator = options.pop("event_integrator", "trapz")
            curve_BLT = self._event_curve(weights_BU, **options)
            if metric.function is events.event_f1_area:
                values_BL = events.area_under(curve_BLT, integrator)
            else:
                values_BL = events.at_half(curve_BLT)
        else:
            return np.stack([self._on_frames(metric, weights_U) for weights_U in weights_BU])
        return fill_undefined(values_BL, undefined)

    @cached_property
    def _confusion(self) -> Confusion:
        scored = self.scored
        return confusion_by_unit(
            scored.labels, scored.scores, self._unit_N, self._num_units, scored.thresholds
        )

    @cached_property
    def _pairs(self) -> ranking.OrderedPairs:
        return ranking.pairs_in_order(
            self.scored.labels, self.scored.scores, self._unit_N, self._num_units
        )

    @property
    def _num_units(self) -> int:
        return len(self._subject_of_unit)

    def _event_curve(
        self, weights_BU: np.ndarray, *, event_videos: str = "micro", **options: Any
    ) -> np.ndarray:
        """(B, L, T) event F1 of resamples."""
        check_choice("event_videos", event_videos, events.VIDEOS)
        if event_videos == "micro":
            counts = self._event_counts(self._unit_N, self._num_units, **options)
            return counts.weighted(weights_BU).curve()
        sequence_N = id_codes(self.scored.sequences)
        num_sequences = int(sequence_N.max(initial=-1)) + 1
        unit_of_sequence = np.zeros(num_sequences, np.int64)
        unit_of_sequence[sequence_N] = self._unit_N
        curve_QLT = self._event_counts(sequence_N, num_sequences, **options).curve()
        defined_QLT = ~np.isnan(curve_QLT)
        weights_BQ = weights_BU[:, unit_of_sequence]
        shape = (len(weights_BU), *curve_QLT.shape[1:])
        total = weights_BQ @ np.where(defined_QLT, curve_QLT, 0.0).reshape(num_sequences, -1)
        number = weights_BQ @ defined_QLT.reshape(num_sequences, -1).astype(np.float64)
        return ratio(total, number).reshape(shape)

    def _event_counts(
        self, units_N: np.ndarray, num_units: int, **options: Any
    ) -> events.EventCounts:
        key = (units_N is self._unit_N, tuple(sorted(options.items())))
        if key not in self._events:
            self._events[key] = events.event_counts(
                self.scored.labels,
                self.scored.scores,
                self.scored.sequences,
                units=units_N,
                num_units=num_units,
                numbers=self.scored.numbers,
                threshold=self.scored.thresholds,
                **options,
            )
        return self._events[key]

    def _on_frames(self, metric: Metric, weights_U: np.ndarray) -> np.ndarray:
        """The metric of resampled frames; a subject drawn again is another subject with sequences
        of its own, lest its events run together."""
        scored = self.scored
        rows, again = [], []
        for unit, times in enumerate(np.asarray(weights_U, np.int64)):
            rows_of_unit = np.flatnonzero(self._unit_N == unit)
            for time in range(times):
                rows.append(rows_of_unit)
                again.append(np.full(len(rows_of_unit), f"#{time}", dtype=object))
        if not rows:
            return np.full(len(scored.aus), np.nan)
        drawn, suffix = scored.select(np.concatenate(rows)), np.concatenate(again)
        return metric(
            ScoredFrames(
                aus=drawn.aus,
                subjects=drawn.subjects.astype(object) + suffix,
                sequences=drawn.sequences.astype(object) + suffix,
                numbers=drawn.numbers,
                folds=drawn.folds,
                labels=drawn.labels,
                scores=drawn.scores,
                thresholds=drawn.thresholds,
                policy=drawn.policy,
            )
        )
