"""Labels against decisions over one sequence: where a method sees what a coder saw."""

from __future__ import annotations

from typing import Any

import numpy as np

from reports.evaluation import Evaluation
from reports.figure import INK, Figure, colour_of, drawing, short, to_svg
from reports.rasters import Raster
from reports.table import slug

MAX_METHODS = 5
RIGHT: Any = {"ha": "right", "va": "center"}


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
    aus = comparison.typical.aus
    panels = [("labels", first.labels_TL > 0, INK)]
    for name, raster in shown:
        panels.append((name, raster.decided_TL, colour_of(evaluation.plan.methods, name)))
    pitch = len(aus) + 1.6
    height = 0.125 * pitch * len(panels) + 0.55
    left = max(0.13, (0.4 + 0.075 * max(len(short(name)) for name, *_ in panels)) / 8.5)
    with drawing(8.5, height, layout=None) as (figure, hover):
        axes = figure.add_axes((left, 0.5 / height, 0.98 - left, 1 - 0.55 / height))
        for strip, (name, on_TL, colour) in enumerate(panels):
            for place, au in enumerate(aus):
                line = strip * pitch + place
                spans = _spans(on_TL[:, place])
                if spans:
                    bars = axes.broken_barh(spans, (line - 0.38, 0.76), color=colour, linewidth=0)
                    share = on_TL[:, place].mean()
                    hover(bars, f"{name}, AU{au}: {100 * share:.0f} % of the frames")
                unknown = _spans(first.labels_TL[:, place] == 0)
                if unknown:
                    axes.broken_barh(
                        unknown, (line - 0.38, 0.76), color=INK, alpha=0.12, linewidth=0
                    )
            middle = strip * pitch + (len(aus) - 1) / 2
            axes.text(
                -0.26 / (8.5 * (0.98 - left)),
                middle,
                short(name),
                transform=axes.get_yaxis_transform(),
                **RIGHT,
            )
        axes.set_yticks(
            [s * pitch + place for s in range(len(panels)) for place in range(len(aus))],
            [str(au) for _ in panels for au in aus],
            fontsize=6,
        )
        axes.tick_params(axis="y", length=0)
        axes.set_ylim(len(panels) * pitch - 2, -0.8)
        axes.set_xlim(0, len(first.labels_TL))
        axes.grid(False)
        axes.spines["left"].set_visible(False)
        axes.set_xlabel(f"frame of {first.sequence}")
        svg = to_svg(figure, hover)
    return Figure(
        key=slug(setting, "raster"),
        section=setting,
        title=f"Labels and decisions, {first.sequence}",
        caption="The test sequence with the most changes of label, or the one that was asked for "
        "(--video). A line an AU; grey: the label is unknown.",
        svg=svg,
    )


def _spans(on_T: np.ndarray) -> list[tuple[int, int]]:
    """(start, length) of every run of True."""
    edges = np.flatnonzero(np.diff(np.r_[False, on_T, False].astype(np.int8)))
    return [(int(a), int(b - a)) for a, b in zip(edges[::2], edges[1::2], strict=True)]
