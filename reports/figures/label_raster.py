"""Labels against decisions over one sequence: where a method sees what a coder saw."""

from __future__ import annotations

import numpy as np

from reports.evaluation import Evaluation
from reports.figure import INK, Figure, colour_of, drawing, to_svg
from reports.rasters import Raster
from reports.table import slug

MAX_METHODS = 5


def label_raster(evaluation: Evaluation, setting: str) -> Figure | None:
    """Strips of the labels above strips of each method, best first, an AU a line."""
    comparison = evaluation.comparisons[setting]
    shown: list[tuple[str, Raster]] = []
    for name in (*comparison.ranked, *comparison.measured):
        details = comparison.measured[name].details
        if details is not None and name not in dict(shown):
            shown.append((name, details.raster))
    if not shown:
        return None
    first = shown[0][1]
    shown = [(n, r) for n, r in shown if r.sequence == first.sequence][:MAX_METHODS]
    aus = next(iter(comparison.measured.values())).aus
    panels = [("labels", first.labels_TL > 0, INK)]
    panels += [
        (name, raster.decided_TL, colour_of(evaluation.plan.methods, name))
        for name, raster in shown
    ]
    height = 0.13 * len(aus) + 0.28
    with drawing(8.5, height * len(panels) + 0.5) as (figure, hover):
        grid = figure.subplots(len(panels), 1, squeeze=False, sharex=True)[:, 0]
        for axes, (name, on_TL, colour) in zip(grid, panels, strict=True):
            for place in range(len(aus)):
                spans = _spans(on_TL[:, place])
                if spans:
                    bars = axes.broken_barh(spans, (place - 0.38, 0.76), color=colour, linewidth=0)
                    share = on_TL[:, place].mean()
                    hover(bars, f"{name}, AU{aus[place]}: {100 * share:.0f} % of the frames")
                unknown = _spans(first.labels_TL[:, place] == 0)
                if unknown:
                    axes.broken_barh(
                        unknown, (place - 0.38, 0.76), color=INK, alpha=0.12, linewidth=0
                    )
            axes.set_yticks(range(len(aus)), [str(au) for au in aus], fontsize=6)
            axes.set_ylim(len(aus) - 0.4, -0.6)
            axes.set_xlim(0, len(on_TL))
            axes.grid(False)
            axes.set_ylabel(name, rotation=0, ha="right", va="center", labelpad=14)
        grid[-1].set_xlabel(f"frame of {first.sequence}")
        svg = to_svg(figure, hover)
    return Figure(
        key=slug(setting, "raster"),
        section=setting,
        title=f"Labels and decisions, {first.sequence}",
        caption="The test sequence with the most changes of label. A line an AU; grey: the label "
        "is unknown.",
        svg=svg,
    )


def _spans(on_T: np.ndarray) -> list[tuple[int, int]]:
    """(start, length) of every run of True."""
    edges = np.flatnonzero(np.diff(np.r_[False, on_T, False].astype(np.int8)))
    return [(int(a), int(b - a)) for a, b in zip(edges[::2], edges[1::2], strict=True)]
