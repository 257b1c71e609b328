"""The first two searched options against each other: what the paper calls empirically chosen.

Each square is the mean over folds of the trials in it that ran to their end, with the range over
folds under it; the reference (for the LSTMs the paper's three layers and margin 0.5) is outlined.
"""

from __future__ import annotations

from typing import Any

from reports.evaluation import Evaluation
from reports.figure import PALETTE, Figure, drawing, to_svg
from reports.search import Axis, Search, Trial, axis_of, option_title, options_line, search_of

COLOURS = "cividis"  # even in lightness, for colour-blind readers too
DARK = 0.55  # below this share of the scale, writing is white


def search_map(evaluation: Evaluation) -> Figure | None:
    """None without a search or a finished trial; one row where one option is searched."""
    search = search_of(evaluation)
    if search is None or not search.finished:
        return None
    down = axis_of(search, search.dimensions[0])
    along = axis_of(search, search.dimensions[1]) if len(search.dimensions) > 1 else None

    def cell_of(trial: Trial) -> tuple[int, int]:
        row = down.place(trial.options[down.dimension.name])
        column = along.place(trial.options[along.dimension.name]) if along else 0
        return row, column

    values = search.levelled(cell_of)
    means = {cell: sum(found.values()) / len(found) for cell, found in values.items()}
    stopped: dict[tuple[int, int], int] = {}
    for trial in search.trials:
        if trial.state == "stopped":
            stopped[cell_of(trial)] = stopped.get(cell_of(trial), 0) + 1
    columns = len(along.labels) if along else 1
    with drawing(1.9 + 1.0 * columns, 1.1 + 0.55 * len(down.labels)) as (figure, hover):
        from matplotlib import colormaps
        from matplotlib.colors import Normalize
        from matplotlib.patches import Rectangle

        axes = figure.subplots()
        low, high = min(means.values()), max(means.values())
        scale = Normalize(low, high if high > low else low + 1)
        colours = colormaps[COLOURS]
        for row in range(len(down.labels)):
            for column in range(columns):
                cell = (row, column)
                if cell in means:
                    share = float(scale(means[cell]))
                    square = Rectangle(
                        (column - 0.5, row - 0.5), 1, 1, facecolor=colours(share), edgecolor="none"
                    )
                    axes.add_patch(square)
                    hover(square, _said(search, down, along, cell, values[cell], means[cell]))
                    _write(axes, search, cell, values[cell], means[cell], share)
                elif cell in stopped:
                    axes.text(
                        column, row, f"{stopped[cell]} stopped", ha="center", va="center", alpha=0.6
                    ).set_fontsize(7)
        _outline_reference(axes, search, down, along)
        axes.set_xlim(-0.5, columns - 0.5)
        axes.set_ylim(-0.5, len(down.labels) - 0.5)
        axes.set_yticks(range(len(down.labels)), down.labels)
        axes.set_ylabel(option_title(down.dimension.name))
        axes.set_xticks(range(columns), along.labels if along else [""])
        axes.set_xlabel(option_title(along.dimension.name) if along else "")
        axes.grid(False)
        axes.spines[:].set_visible(False)
        axes.tick_params(length=0)
        svg = to_svg(figure, hover)
    named = " × ".join(option_title(d.name) for d in search.dimensions[:2])
    return Figure(
        key="search-map",
        title=f"Search: {named}",
        caption=_caption(search),
        svg=svg,
    )


def _caption(search: Search) -> str:
    others = len(search.dimensions) - 2
    folds = len(search.folds)
    caption = (
        f"{search.metric_name[0].upper()}{search.metric_name[1:]} of {search.method}, "
        f"{search.setting}: mean over {folds} folds, and under it the range over the folds that "
        "tried it. Folds are put on one level first, so that one with easy validation subjects "
        "does not favour what it happened to try. Trials that were stopped early do not count."
    )
    if others > 0:
        caption += f" The mean is also over {others} other option{'s' if others > 1 else ''}."
    if search.reference:
        named = search.reference_name
        caption += f" Outlined: {named}, {options_line(search.reference)}."
    return caption


def _write(
    axes: Any,
    search: Search,
    cell: tuple[int, int],
    by_fold: dict[str, float],
    mean: float,
    share: float,
) -> None:
    """The mean and the range in a square, in the colour that is legible on it."""
    row, column = cell
    decimals = search.decimals()
    colour = "#ffffff" if share < DARK else "#000000"
    centred: Any = {"ha": "center", "va": "center", "color": colour}
    many = len(by_fold) > 1
    axes.text(column, row + (0.14 if many else 0), f"{mean:.{decimals}f}", **centred)
    if many:
        span = f"{min(by_fold.values()):.{decimals}f}–{max(by_fold.values()):.{decimals}f}"
        axes.text(column, row - 0.22, span, fontsize=6.5, **centred)


def _outline_reference(axes: Any, search: Search, down: Axis, along: Axis | None) -> None:
    from matplotlib.patches import Rectangle

    shown = [axis for axis in (down, along) if axis is not None]
    if any(axis.dimension.name not in search.reference for axis in shown):
        return
    try:
        places = [axis.place(search.reference[axis.dimension.name]) for axis in shown]
    except ValueError:
        return  # a grid that has no such column
    row, column = places[0], places[1] if along else 0
    axes.add_patch(
        Rectangle(
            (column - 0.48, row - 0.47),
            0.96,
            0.94,
            fill=False,
            edgecolor=PALETTE[1],
            linewidth=2.5,
            clip_on=False,
            zorder=5,
        )
    )


def _said(
    search: Search,
    down: Axis,
    along: Axis | None,
    cell: tuple[int, int],
    by_fold: dict[str, float],
    mean: float,
) -> str:
    decimals = search.decimals()
    where = f"{option_title(down.dimension.name)} {down.labels[cell[0]]}"
    if along:
        where += f", {option_title(along.dimension.name)} {along.labels[cell[1]]}"
    folds = ", ".join(f"fold {fold} {value:.{decimals}f}" for fold, value in by_fold.items())
    return f"{where}: {mean:.{decimals}f} ({folds})"
