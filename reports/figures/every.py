"""All figures of a report, in the order in which they are seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from reports.evaluation import Evaluation
from reports.figure import Figure
from reports.figures.base_rates import base_rates
from reports.figures.batch_composition import batch_composition
from reports.figures.critical_difference import critical_difference
from reports.figures.gains import gains
from reports.figures.gantt import gantt
from reports.figures.label_raster import label_raster
from reports.figures.of_studies import study_figures
from reports.figures.overview_intervals import overview_intervals
from reports.figures.patches import patch_importance
from reports.figures.score_curves import (
    event_curves,
    precision_recall_curves,
    reliability_diagrams,
)
from reports.figures.search_importance import search_importance
from reports.figures.search_map import search_map
from reports.figures.search_parallel import search_parallel
from reports.figures.search_timeline import search_timeline
from reports.figures.training_curves import training_curves
from reports.figures.training_f1 import training_f1

OF_A_SETTING = (label_raster, gains, precision_recall_curves, event_curves, reliability_diagrams)


def every_figure(evaluation: Evaluation) -> list[Figure]:
    """The figures that the run's scores and records allow."""
    figures = [overview_intervals(evaluation)]
    for setting in evaluation.plan.settings:
        figures += [draw(evaluation, setting) for draw in OF_A_SETTING]
        figures += patch_importance(evaluation, setting)
    figures += [
        critical_difference(evaluation),
        training_f1(evaluation),
        training_curves(evaluation),
        batch_composition(evaluation),
        *study_figures(evaluation),
        search_map(evaluation),
        search_parallel(evaluation),
        search_importance(evaluation),
        search_timeline(evaluation),
        gantt(evaluation),
        base_rates(evaluation),
    ]
    return _with_own_keys([figure for figure in figures if figure is not None])


def _with_own_keys(figures: Sequence[Figure]) -> list[Figure]:
    """The figures, with keys told apart where two titles give the same file name."""
    seen: dict[str, int] = {}
    told_apart = []
    for figure in figures:
        seen[figure.key] = seen.get(figure.key, 0) + 1
        again = seen[figure.key]
        told_apart.append(figure if again == 1 else replace(figure, key=f"{figure.key}-{again}"))
    return told_apart
