"""What a feature groups frames by: its t-SNE map coloured by an AU and by subject (paper, Fig. 3).

The numbers under each map are taken in the feature's own space, not in the map.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from reports.figure import PALETTE, Figure, Hover, drawing, to_svg
from reports.studies import StudyView

MAX_POINTS = 6000
INCHES = 2.3  # a map


def embedding(view: StudyView) -> list[Figure]:
    """A column a feature; above the AU, below the subjects."""
    import matplotlib
    from matplotlib.lines import Line2D

    values, au = view.values, view.values["au"]
    features = list(values["features"])
    present_N = np.asarray(view.arrays["present"]) > 0
    subject_N = np.asarray(view.arrays["subject"])
    names = [str(name) for name in values.get("subject_ids", ())]
    shown = np.unique(np.linspace(0, len(present_N) - 1, MAX_POINTS).astype(np.int64))
    shown = shown if len(present_N) > MAX_POINTS else np.arange(len(present_N))
    codes = np.unique(subject_N)
    hues = matplotlib.colormaps["turbo"](np.linspace(0.12, 0.92, max(len(codes), 2)))
    with drawing(INCHES * len(features) + 0.3, 2 * INCHES + 0.9) as (figure, hover):
        grid = figure.subplots(2, len(features), squeeze=False)
        for column, feature in enumerate(features):
            xy_N2 = np.asarray(view.arrays[f"xy/{feature['name']}"], np.float64)
            for axes in grid[:, column]:
                _frame(axes, xy_N2)
            for value, colour, word in ((False, PALETTE[0], "absent"), (True, PALETTE[1], "shown")):
                rows = shown[present_N[shown] == value]
                said = f"{feature['name']}: frames with AU{au} {word}"
                _points(grid[0, column], hover, xy_N2[rows], colour, said)
            for place, code in enumerate(codes):
                rows = shown[subject_N[shown] == code]
                name = names[code] if code < len(names) else f"subject {code}"
                _points(
                    grid[1, column], hover, xy_N2[rows], hues[place], f"{feature['name']}: {name}"
                )
            grid[0, column].set_title(feature["name"])
            grid[0, column].set_xlabel(_purity(feature, "au_purity", f"AU{au}"))
            grid[1, column].set_xlabel(_purity(feature, "subject_purity", "subject"))
        grid[0, 0].set_ylabel(f"by AU{au}")
        grid[1, 0].set_ylabel("by subject")
        marks = [
            Line2D([], [], linestyle="", marker="o", markersize=4, color=colour)
            for colour in PALETTE[:2]
        ]
        figure.legend(marks, [f"AU{au} absent", f"AU{au} shown"], loc="outside upper left", ncols=2)
        svg = to_svg(figure, hover)
    thinned = f" {len(shown):,} of them are drawn." if len(shown) < len(present_N) else ""
    notes = dict.fromkeys(str(f["note"]) for f in features if f.get("note"))
    return [
        Figure(
            key=view.key("maps"),
            title=f"What features group frames by ({view.title})",
            caption=f"t-SNE of {values['frames']:,} frames of {values['subjects']} subjects, the "
            f"same for every feature.{thinned} Purity: the share of a frame's ten nearest "
            "neighbours, in the feature's own space, that agree with it; the table has the rest."
            + "".join(f" {note}." for note in notes),
            svg=svg,
        )
    ]


def _frame(axes: Any, xy_N2: np.ndarray) -> None:
    """A square without numbers: distances in a t-SNE map have no unit."""
    low_2, high_2 = xy_N2.min(axis=0), xy_N2.max(axis=0)
    middle_2, reach = (low_2 + high_2) / 2, 0.53 * float((high_2 - low_2).max() or 1)
    axes.set_xlim(middle_2[0] - reach, middle_2[0] + reach)
    axes.set_ylim(middle_2[1] - reach, middle_2[1] + reach)
    axes.set_box_aspect(1)
    axes.set_xticks([])
    axes.set_yticks([])
    for side in axes.spines.values():
        side.set_visible(True)
        side.set_alpha(0.25)


def _points(axes: Any, hover: Hover, xy_K2: np.ndarray, colour: Any, said: str) -> None:
    """Frames as one path of dots, strokes of no length with round ends: thousands of them take a
    tenth of what as many marks of their own would."""
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    if not len(xy_K2):
        return
    codes = np.tile(np.array([Path.MOVETO, Path.LINETO], np.uint8), len(xy_K2))
    path = Path(np.repeat(xy_K2, 2, axis=0), codes)
    path.should_simplify = False
    dots = PathPatch(
        path, fill=False, edgecolor=colour, linewidth=2.2, capstyle="round", alpha=0.75
    )
    axes.add_patch(dots)
    hover(dots, said)


def _purity(feature: Any, name: str, what: str) -> str:
    value = feature.get(name)
    return f"{what} purity " + ("undefined" if value is None else f"{100 * value:.0f} %")
