"""A panel an AU: the grid that several figures share, with one legend of methods above it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from reports.figure import Hover, colour_of, dash_of, drawing

PANEL_WIDTH, PANEL_HEIGHT = 2.15, 1.75


@contextmanager
def panel_grid(
    titles: Sequence[str], *, xlabel: str, ylabel: str, columns: int = 4
) -> Iterator[tuple[Any, list[Any], Hover]]:
    """The figure, an axes for each title, and what names hovers; limits are [0, 1] both ways."""
    columns = min(columns, len(titles))
    rows = math.ceil(len(titles) / columns)
    with drawing(PANEL_WIDTH * columns + 0.5, PANEL_HEIGHT * rows + 0.7) as (figure, hover):
        grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
        for axes in grid.flat[len(titles) :]:
            axes.set_visible(False)
        for axes, title in zip(grid.flat, titles, strict=False):
            axes.set_title(title, loc="left")
            axes.set_xlim(0, 1)
            axes.set_ylim(0, 1)
            axes.set_xticks([0, 0.5, 1])
            axes.set_yticks([0, 0.5, 1])
        figure.supxlabel(xlabel, fontsize=9)
        figure.supylabel(ylabel, fontsize=9)
        yield figure, list(grid.flat[: len(titles)]), hover


def method_legend(figure: Any, methods: tuple[str, ...], shown: Sequence[str]) -> None:
    """One legend for all panels, above them."""
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], color=colour_of(methods, m), linestyle=dash_of(methods, m), label=m)
        for m in shown
    ]
    figure.legend(handles=handles, loc="outside upper left", ncols=min(6, len(shown)))
