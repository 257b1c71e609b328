"""Every trial as a line through its options to its value: which combinations did well."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from reports.evaluation import Evaluation
from reports.figure import INK, Figure, drawing, to_svg
from reports.figures.search_map import COLOURS
from reports.search import Search, option_title, options_line, search_of

MAX_HOVERS = 500


def search_parallel(evaluation: Evaluation) -> Figure | None:
    """An upright axis an option, the metric last; finished trials in colour, stopped ones thin."""
    search = search_of(evaluation)
    if search is None or len(search.finished) < 2:
        return None
    values = [search.shown(t.value) for t in search.trials if t.value is not None]
    low, high = min(values), max(values)
    span = high - low or 1.0
    width = 1.6 + 1.5 * len(search.dimensions)
    with drawing(width, 3.4) as (figure, hover):
        from matplotlib import colormaps

        axes = figure.subplots()
        xs = np.arange(len(search.dimensions) + 1)
        drawn = sorted(
            (t for t in search.trials if t.value is not None), key=lambda t: t.value or 0
        )
        for order, trial in enumerate(drawn):
            shown = search.shown(trial.value or 0.0)
            heights = [_height(d, trial.options[d.name], order) for d in search.dimensions]
            ended = trial.state == "finished"
            share = (shown - low) / span
            (line,) = axes.plot(
                xs,
                [*heights, share],
                color=colormaps[COLOURS](share) if ended else "#999999",
                linewidth=1.4 if ended else 0.6,
                alpha=0.9 if ended else 0.5,
                zorder=3 if ended else 2,
            )
            if len(drawn) <= MAX_HOVERS:
                hover(
                    line,
                    f"fold {trial.fold}, trial {trial.number + 1}, {trial.state}: "
                    f"{options_line(trial.options)}: {shown:.{search.decimals()}f}",
                )
        _axes_lines(axes, search, low, high)
        svg = to_svg(figure, hover)
    return Figure(
        key="search-parallel",
        title="Search: every trial",
        caption=f"A line a trial, through its options to {search.metric_name}; brighter is "
        "larger. Thin grey: stopped early, with the value that they had come to. Choices are "
        "spread a little, so that lines do not lie on each other.",
        svg=svg,
    )


def _height(dimension: Any, value: Any, order: int) -> float:
    """Where a value lies between the ends of its axis, 0 to 1."""
    if dimension.kind == "choices":
        places = list(dimension.values)
        spread = ((order * 0.618) % 1 - 0.5) * 0.06
        return places.index(value) / (len(places) - 1) + spread
    low, high = dimension.low, dimension.high
    spread = ((order * 0.618) % 1 - 0.5) * 0.06 if dimension.kind == "int" else 0.0
    if dimension.log:
        return (math.log(value) - math.log(low)) / (math.log(high) - math.log(low)) + spread
    return float((value - low) / (high - low)) + spread


def _axes_lines(axes: Any, search: Search, low: float, high: float) -> None:
    """The upright axes with their ends, in place of matplotlib's own."""
    small: Any = {"ha": "center", "fontsize": 8}
    titles = [option_title(d.name) for d in search.dimensions]
    ends = []
    for d in search.dimensions:
        kind = (d.values[0], d.values[-1]) if d.kind == "choices" else (d.low, d.high)
        ends.append(tuple(f"{e:g}" if isinstance(e, int | float) else str(e) for e in kind))
    decimals = search.decimals()
    ends.append((f"{low:.{decimals}f}", f"{high:.{decimals}f}"))
    for x, (title, (least, most)) in enumerate(zip([*titles, "value"], ends, strict=True)):
        axes.plot([x, x], [0, 1], color=INK, linewidth=0.8, zorder=4)
        axes.text(x, 1.13, title, va="bottom", ha="center")
        axes.text(x, 1.05, most, va="bottom", **small)
        axes.text(x, -0.05, least, va="top", **small)
    axes.set_xlim(-0.3, len(titles) + 0.3)
    axes.set_ylim(-0.15, 1.25)
    axes.set_axis_off()
