"""Mean F1 of every method in every setting with its 95 % interval: the summary as a picture."""

from __future__ import annotations

import math

from reports.evaluation import Evaluation
from reports.figure import Figure, colour_of, drawing, short, to_svg


def overview_intervals(evaluation: Evaluation) -> Figure | None:
    """One panel a setting, one line a method."""
    panels = [(s, c) for s, c in evaluation.comparisons.items() if c.measured]
    if not panels:
        return None
    methods = evaluation.plan.methods
    labels = [short(method) for method in methods]
    num_columns = min(len(panels), 4)
    num_rows = math.ceil(len(panels) / num_columns)
    height = num_rows * (0.75 + 0.24 * len(methods))
    width = 2.55 * num_columns + 0.4 + 0.08 * max(8, *map(len, labels))
    with drawing(width, height) as (figure, hover):
        grid = figure.subplots(num_rows, num_columns, squeeze=False, sharex=True, sharey=True)
        for axes in grid.flat[len(panels) :]:
            axes.set_visible(False)
        for axes, (setting, comparison) in zip(grid.flat, panels, strict=False):
            for place, method in enumerate(methods):
                if method not in comparison.measured:
                    continue
                standing = comparison.f1[method][-1]
                if not math.isfinite(standing.value):
                    continue
                value = 100 * standing.value
                colour = colour_of(methods, method)
                said = f"{method}, {setting}: {value:.1f}"
                if math.isfinite(standing.low):
                    low, high = 100 * standing.low, 100 * standing.high
                    (line,) = axes.plot([low, high], [place, place], color=colour, linewidth=2.5)
                    said += f" [{low:.1f}, {high:.1f}]"
                    hover(line, said)
                whole = comparison.measured[method].complete
                (dot,) = axes.plot(
                    value,
                    place,
                    "o",
                    markersize=6,
                    color=colour,
                    fillstyle="full" if whole else "none",
                )
                hover(dot, said)
            axes.set_title(setting, loc="left")
            axes.set_yticks(range(len(methods)), labels)
            axes.set_ylim(len(methods) - 0.5, -0.5)
        figure.supxlabel("mean frame F1 (%)", fontsize=9)
        svg = to_svg(figure, hover)
    return Figure(
        key="overview-intervals",
        title="Mean frame F1 and its 95 % interval",
        caption="Resampled over test subjects. Hollow dots: not every fold is done.",
        svg=svg,
    )
