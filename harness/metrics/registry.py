"""Metrics by name, for suites and reports; a user adds one by its dotted path.

A metric is a function ``(labels, scores, ...) -> (L,)``. What else it needs it says by its
parameter names: ``sequences`` and ``numbers`` (for events), ``threshold`` (for decisions),
``subjects``. Every other parameter is an option, given where the metric is named:

    find_metric("skew_normalised_f1", variant="l2ior")
    find_metric("mypackage.mymodule:my_metric")
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.errors import UserError
from harness.metrics.scored import ScoredFrames

METRICS: Mapping[str, str] = {
    "frame_f1": "harness.metrics.frame_measures:frame_f1",
    "precision": "harness.metrics.frame_measures:precision",
    "recall": "harness.metrics.frame_measures:recall",
    "roc_auc": "harness.metrics.ranking:roc_auc",
    "average_precision": "harness.metrics.ranking:average_precision",
    "skew_normalised_f1": "harness.metrics.frame_measures:skew_normalised_f1",
    "event_f1_area": "harness.metrics.events:event_f1_area",
    "event_f1_at_half": "harness.metrics.events:event_f1_at_half",
    "s_score": "harness.metrics.frame_measures:s_score",
    "cohen_kappa": "harness.metrics.frame_measures:cohen_kappa",
    "balanced_accuracy": "harness.metrics.frame_measures:balanced_accuracy",
}

_GIVEN = ("subjects", "sequences", "numbers", "threshold")


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A metric with its options. Called with ``ScoredFrames`` it gives float64 (L,), NaN where
    undefined.

    Attributes:
        name: as it was asked for.
        needs: which of subjects, sequences, numbers, threshold the function takes.
    """

    name: str
    function: Callable[..., np.ndarray]
    needs: tuple[str, ...]
    options: Mapping[str, Any]

    def __call__(self, scored: ScoredFrames) -> np.ndarray:
        """The metric of scored frames, float64 (L,)."""
        given = {
            "subjects": scored.subjects,
            "sequences": scored.sequences,
            "numbers": scored.numbers,
            "threshold": scored.thresholds,
        }
        values = self.function(
            scored.labels,
            scored.scores,
            **{name: given[name] for name in self.needs},
            **self.options,
        )
        values_L = np.asarray(values, np.float64)
        if values_L.shape != (len(scored.aus),):
            raise UserError(
                f"metric {self.name!r} gave the shape {values_L.shape} in place of one number for "
                f"each of {len(scored.aus)} AUs"
            )
        return values_L


def find_metric(name: str, **options: Any) -> Metric:
    """The metric of that name or dotted path (``package.module:function``), with options."""
    if name not in METRICS and ":" not in name:
        raise UserError(
            f"unknown metric {name!r}; valid are {', '.join(METRICS)}, or a dotted path "
            "package.module:function"
        )
    function = _load(METRICS.get(name, name))
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except ValueError as error:  # of some that are written in C
        raise UserError(f"metric {name!r}: {error}; wrap it in a function of your own") from error
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters)
    names = {p.name for p in parameters[2:] if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)}
    valid = sorted(names - set(_GIVEN))
    for option in options:
        if option in _GIVEN or (option not in valid and not takes_any):
            raise UserError(
                f"metric {name!r} has no option {option!r}; it has {', '.join(valid) or 'none'}"
            )
    needs = tuple(n for n in _GIVEN if n in names)
    return Metric(name=name, function=function, needs=needs, options=dict(options))


def tried_metric(name: str) -> Metric:
    """The metric of that name or dotted path, tried on a few made-up frames.

    Raises:
        UserError: it cannot be loaded, it raises, or it does not give a number for each AU.
    """
    metric = find_metric(name)
    try:
        with np.errstate(all="ignore"):
            metric(_a_few_frames())
    except UserError:
        raise
    except Exception as error:  # a function of the user's raises whatever it likes
        said = " ".join(str(error).split())
        raise UserError(
            f"metric {name!r} does not work on a few made-up frames: {type(error).__name__}: "
            f"{said}; it is called with (labels, scores), (N, L) each, and what it names of "
            f"{', '.join(_GIVEN)}"
        ) from error
    return metric


def _a_few_frames() -> ScoredFrames:
    """12 frames of two subjects with 3 AUs, every label and both decisions in each column."""
    labels = np.resize(np.array([-1, 1, 0, 1, -1], np.int8), (12, 3))
    subjects = np.repeat(np.array(["toy:1", "toy:2"], dtype=object), 6)
    return ScoredFrames(
        aus=(1, 2, 4),
        subjects=subjects,
        sequences=subjects + "/1",
        numbers=np.tile(np.arange(1, 7), 2),
        folds=np.full(12, "1", dtype=object),
        labels=labels,
        scores=np.linspace(-1, 1, 36, dtype=np.float32).reshape(3, 12).T,
    )


def _load(path: str) -> Callable[..., np.ndarray]:
    module_name, _, attribute = path.partition(":")
    try:
        function = getattr(importlib.import_module(module_name), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise UserError(f"metric {path!r} cannot be loaded: {error}") from error
    if not callable(function):
        raise UserError(f"metric {path!r} is no function")
    loaded: Callable[..., np.ndarray] = function
    return loaded
