"""Figures over the scores of one setting, a panel an AU: event F1 over the overlap threshold,
precision against recall, reliability."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from harness.metrics.events import THETAS
from harness.metrics.undefined import mean_of_defined
from reports.compare import Comparison
from reports.details import Details
from reports.evaluation import Evaluation
from reports.figure import INK, Figure, colour_of, dash_of, to_svg
from reports.figures.panels import method_legend, panel_grid
from reports.measure import Measured
from reports.table import slug

FAINT: Any = {"color": INK, "alpha": 0.4, "linewidth": 0.8, "linestyle": ":"}


def event_curves(evaluation: Evaluation, setting: str) -> Figure | None:
    """Event F1 over the share of an event that must be covered; the mean over AUs comes first."""
    detailed, methods = _detailed(evaluation, setting), evaluation.plan.methods
    if not detailed:
        return None
    titles = ["mean over AUs", *(f"AU{au}" for au in detailed[0][0].aus)]
    xlabel = "share of an event that must be covered"
    with panel_grid(titles, xlabel=xlabel, ylabel="event F1") as (figure, panels, hover):
        for measured, details in detailed:
            mean_T = mean_of_defined(details.event_curve_LT, axis=0)
            for panel, title, curve_T in zip(
                panels, titles, [mean_T, *details.event_curve_LT], strict=True
            ):
                if np.isnan(curve_T).all():
                    continue
                line = panel.plot(
                    THETAS[::2],
                    curve_T[::2],
                    color=colour_of(methods, measured.method),
                    linestyle=dash_of(methods, measured.method),
                    linewidth=1.3,
                )
                area = (curve_T[1:-1].sum() + (curve_T[0] + curve_T[-1]) / 2) / 100
                hover(line, f"{measured.method}, {title}: {curve_T[50]:.2f} at .5, area {area:.2f}")
        method_legend(figure, methods, [m.method for m, _ in detailed])
        svg = to_svg(figure, hover)
    return Figure(
        key=slug(setting, "event-f1"),
        section=setting,
        title="Event F1 over the overlap threshold",
        caption="Overlap is the share of an event's frames that is covered; events never cross "
        "sequences, and an unknown label ends an event.",
        svg=svg,
    )


def precision_recall_curves(evaluation: Evaluation, setting: str) -> Figure | None:
    """Precision against recall, with a dot at the fixed threshold and a line at the base rate."""
    detailed, methods = _detailed(evaluation, setting), evaluation.plan.methods
    if not detailed:
        return None
    first = detailed[0][0]
    titles = [f"AU{au}" for au in first.aus]
    with panel_grid(titles, xlabel="recall", ylabel="precision") as (figure, panels, hover):
        for column, panel in enumerate(panels):
            known = first.known_L[column]
            if known:
                rate = first.present_L[column] / known
                panel.plot([0, 1], [rate, rate], **FAINT)
            for measured, details in detailed:
                curve = details.precision_recall[column]
                if not len(curve.recall):
                    continue
                style = {"color": colour_of(methods, measured.method)}
                dash = dash_of(methods, measured.method)
                line = panel.plot(
                    curve.recall, curve.precision, linewidth=1.2, linestyle=dash, **style
                )
                value = float(details.values["average_precision"][column])
                hover(line, f"{measured.method}, {titles[column]}: average precision {value:.2f}")
                if curve.at_zero is not None:
                    recall, precision = curve.at_zero
                    dot = panel.plot([recall], [precision], "o", markersize=4, **style)
                    hover(
                        dot,
                        f"{measured.method}, {titles[column]} at the fixed threshold: "
                        f"recall {recall:.2f}, precision {precision:.2f}",
                    )
        method_legend(figure, methods, [m.method for m, _ in detailed])
        svg = to_svg(figure, hover)
    return Figure(
        key=slug(setting, "precision-recall"),
        section=setting,
        title="Precision against recall",
        caption="Dots: the fixed threshold 0. Dotted line: the base rate, the precision of chance.",
        svg=svg,
    )


def reliability_diagrams(evaluation: Evaluation, setting: str) -> Figure | None:
    """Share of frames present against the probability that the score stands for."""
    detailed, methods = _detailed(evaluation, setting), evaluation.plan.methods
    if not detailed:
        return None
    titles = [f"AU{au}" for au in detailed[0][0].aus]
    xlabel, ylabel = "1 / (1 + exp(−score))", "share of frames present"
    with panel_grid(titles, xlabel=xlabel, ylabel=ylabel) as (figure, panels, hover):
        for column, panel in enumerate(panels):
            panel.plot([0, 1], [0, 1], **FAINT)
            for measured, details in detailed:
                diagram = details.reliability[column]
                if not diagram.frames.sum():
                    continue
                line = panel.plot(
                    diagram.predicted,
                    diagram.present,
                    color=colour_of(methods, measured.method),
                    linestyle=dash_of(methods, measured.method),
                    linewidth=1.2,
                    marker="o",
                    markersize=2.5,
                )
                error = diagram.error
                if math.isfinite(error):
                    hover(
                        line,
                        f"{measured.method}, {titles[column]}: calibration error {error:.3f}",
                    )
        method_legend(figure, methods, [m.method for m, _ in detailed])
        svg = to_svg(figure, hover)
    return Figure(
        key=slug(setting, "reliability"),
        section=setting,
        title="Reliability",
        caption="Ten bins of the score read as a log odds. On the dotted line a score means what "
        "it says; the score of a margin method is no log odds and need not lie there.",
        svg=svg,
    )


def _detailed(evaluation: Evaluation, setting: str) -> list[tuple[Measured, Details]]:
    comparison: Comparison = evaluation.comparisons[setting]
    found = [(m, m.details) for m in comparison.measured.values() if m.details is not None]
    return [(m, d) for m, d in found if m.aus == found[0][0].aus]
