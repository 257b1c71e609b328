"""A panel an AU: the grid of unit squares that several figures share, with one legend above it.

All panels are drawn into one matplotlib axes, each moved to its place: a report has hundreds of
them, and an axes of its own for each would take longer than everything else in a report.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from reports.figure import INK, Hover, colour_of, dash_of, drawing, short

PITCH_X, PITCH_Y = 1.13, 1.3  # from panel to panel, in widths of a panel
INCHES = (1.85, 1.45)  # a panel


class Panel:
    """The unit square of one AU."""

    def __init__(self, axes: Any, x: float, y: float) -> None:
        self._axes, self._x, self._y = axes, x, y

    def plot(self, xs: Any, ys: Any, marks: str = "", **style: Any) -> Any:
        """A line (or marks) through points of [0, 1] x [0, 1]; gives the artist."""
        x, y = np.asarray(xs, np.float64) + self._x, np.asarray(ys, np.float64) + self._y
        (line,) = self._axes.plot(x, y, *([marks] if marks else []), **style)
        return line


@contextmanager
def panel_grid(
    titles: Sequence[str], *, xlabel: str, ylabel: str, columns: int = 4
) -> Iterator[tuple[Any, list[Panel], Hover]]:
    """The figure, a panel for each title, and what names hovers."""
    columns = min(columns, len(titles))
    rows = math.ceil(len(titles) / columns)
    span = (-0.32, columns * PITCH_X), (-(rows - 1) * PITCH_Y - 0.42, 1.2)
    width = (span[0][1] - span[0][0]) * INCHES[0]
    height = (span[1][1] - span[1][0]) * INCHES[1] + 0.3
    with drawing(width, height, layout=None) as (figure, hover):
        axes = figure.add_axes((0, 0, 1, 1 - 0.3 / height))
        axes.set_axis_off()
        axes.set_xlim(*span[0])
        axes.set_ylim(*span[1])
        panels, frames, middles = [], [], []
        for place, title in enumerate(titles):
            row, column = divmod(place, columns)
            x, y = column * PITCH_X, -row * PITCH_Y
            panels.append(Panel(axes, x, y))
            frames.append([(x, y + 1), (x, y), (x + 1, y)])
            middles += [[(x, y + 0.5), (x + 1, y + 0.5)], [(x + 0.5, y), (x + 0.5, y + 1)]]
            axes.text(x, y + 1.05, title)
            small: Any = {"fontsize": 8}
            for value in (0, 0.5, 1):
                if column == 0:
                    axes.text(x - 0.04, y + value, str(value), ha="right", va="center", **small)
                if place + columns >= len(titles):
                    axes.text(x + value, y - 0.05, str(value), ha="center", va="top", **small)
        _lines(axes, middles, alpha=0.15, linewidth=0.6)
        _lines(axes, frames, linewidth=0.7)
        axes.text(0, span[1][0] + 0.03, xlabel, va="bottom")
        middle = 1 - rows * PITCH_Y / 2
        axes.text(-0.3, middle, ylabel, rotation=90, va="center", ha="left")
        yield figure, panels, hover


def _lines(axes: Any, segments: list[Any], **style: Any) -> None:
    from matplotlib.collections import LineCollection

    axes.add_collection(LineCollection(segments, colors=INK, zorder=0.5, **style))


def method_legend(figure: Any, methods: tuple[str, ...], shown: Sequence[str]) -> None:
    """One legend for all panels, above them."""
    from matplotlib.lines import Line2D

    handles: list[Line2D] = []
    for method in shown:
        handle = Line2D([], [], color=colour_of(methods, method), label=short(method))
        handle.set_linestyle(dash_of(methods, method))
        handles.append(handle)
    figure.legend(handles=handles, loc="upper left", ncols=min(6, len(shown)), borderaxespad=0.2)
