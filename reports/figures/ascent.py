"""What a network wants to see for each AU, and what else those pictures excite (paper, Fig. 9)."""

from __future__ import annotations

import numpy as np

from reports.figure import Figure, drawing, to_svg
from reports.figures.pictures import Picture, grid_size, picture_grid
from reports.studies import StudyView
from reports.table import number

COLUMNS = 6


def ascent(view: StudyView) -> list[Figure]:
    """The pictures, and the matrix of activations."""
    return [_pictures(view), _matrix(view)]


def _pictures(view: StudyView) -> Figure:
    aus = [int(au) for au in view.values["aus"]]
    own_L = np.diag(np.asarray(view.arrays["activations"], np.float64))
    pictures = [
        Picture(
            image=image,
            title=f"AU{au}",
            said=f"picture for AU{au}: its logit is {own:+.1f} standard deviations from the mean",
        )
        for au, image, own in zip(aus, view.arrays["images"], own_L, strict=True)
    ]
    columns = min(COLUMNS, len(pictures))
    width, height = grid_size(pictures, columns=columns, inches=1.35)
    with drawing(width, height, layout=None) as (figure, hover):
        picture_grid(figure, hover, pictures, columns=columns)
        svg = to_svg(figure, hover)
    return Figure(
        key=view.key("pictures"),
        title=f"What the network wants to see ({view.title})",
        caption=f"Gradient ascent on each AU's logit, {view.values['iterations']:,} steps; of "
        f"{view.values['starts']} starts the median one. Mid-grey is the mean colour.",
        svg=svg,
    )


def _matrix(view: StudyView) -> Figure:
    """Rows: the picture made for an AU; columns: the logit that it excites."""
    import matplotlib
    from matplotlib.patches import Rectangle

    aus = [int(au) for au in view.values["aus"]]
    values_LL = np.asarray(view.arrays["activations"], np.float64)
    reach = float(np.abs(values_LL).max()) or 1.0
    colours = matplotlib.colormaps["RdBu_r"]
    with drawing(0.9 + 0.5 * len(aus), 0.8 + 0.36 * len(aus)) as (figure, hover):
        axes = figure.subplots()
        axes.set_xlim(-0.5, len(aus) - 0.5)
        axes.set_ylim(len(aus) - 0.5, -0.5)
        for row, made_for in enumerate(aus):
            for column, excited in enumerate(aus):
                value = values_LL[row, column]
                cell = Rectangle(
                    (column - 0.5, row - 0.5), 1, 1, facecolor=colours(0.5 + value / reach / 2)
                )
                axes.add_patch(cell)
                hover(cell, f"picture for AU{made_for}, logit of AU{excited}: {value:+.2f}")
                axes.text(
                    column,
                    row,
                    number(value).text.replace("-", "−"),
                    ha="center",
                    va="center",
                    fontsize=7,
                    color="white" if abs(value) > 0.6 * reach else "black",
                )
        axes.set_xticks(range(len(aus)), [str(au) for au in aus])
        axes.set_yticks(range(len(aus)), [f"AU{au}" for au in aus])
        axes.set_xlabel("AU whose logit is read")
        axes.set_ylabel("AU that the picture was made for")
        axes.grid(False)
        axes.tick_params(length=0)
        svg = to_svg(figure, hover)
    own = view.values.get("own_largest")
    said = "" if own is None else f" {own} of {len(aus)} AUs are excited most by their own picture."
    return Figure(
        key=view.key("activations"),
        title=f"What else those pictures excite ({view.title})",
        caption="Logits in standard deviations from their mean over faces. AUs that come together "
        f"should light up off the diagonal.{said}",
        svg=svg,
    )
