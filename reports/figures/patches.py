"""Which patches of the face JPML looks at for each AU, on the mean face of its training frames."""

from __future__ import annotations

from typing import Any

import numpy as np

from reports.evaluation import Evaluation
from reports.figure import Figure, drawing, to_svg
from reports.figures.pictures import Picture, grid_size, picture_grid, place
from reports.run_view import DAMAGE
from reports.table import slug

COLUMNS = 6
NAMED = 0.25  # patches above it say their number on hover


def patch_importance(evaluation: Evaluation, setting: str) -> list[Figure]:
    """A figure for each method of the setting that left patches; its folds and seeds averaged."""
    figures = []
    for method in evaluation.plan.methods:
        aus, left = _left(evaluation, setting, method)
        if left:
            figures.append(_figure(setting, method, aus, left))
    return figures


def _left(evaluation: Evaluation, setting: str, method: str) -> tuple[list[int], list[Any]]:
    """AUs and arrays of every finished cell that left them; a damaged file is noted."""
    run = evaluation.run
    aus: list[int] = []
    left: list[Any] = []
    for cell in evaluation.plan.cells:
        if (cell.setting, cell.method) != (setting, method) or run.states[cell.job] != "done":
            continue
        try:
            found = run.store.patches(cell.job)
            if found is None:
                continue
            own = [int(au) for au in run.plan.jobs[cell.job].spec["aus"]]
            if found["importance"].shape != (len(own), len(found["landmarks"])):
                raise ValueError("patches.npz is about other AUs than the job")
            if not left or found["importance"].shape == left[0]["importance"].shape:
                aus, left = own, [*left, found]
        except DAMAGE as error:
            run.note_problem(cell.job, error, "its patches cannot be read")
    return aus, left


def _figure(setting: str, method: str, aus: list[int], left: list[Any]) -> Figure:
    import matplotlib
    from matplotlib.collections import LineCollection

    importance_LP = np.mean([one["importance"] for one in left], axis=0)
    points_P2 = np.mean([one["landmarks"] for one in left], axis=0)
    face = left[0]["mean_face"]
    grey_HW = face[: len(face) // 2 * 2, : face.shape[1] // 2 * 2].mean(axis=2)
    grey_HW = (grey_HW[::2, ::2] + grey_HW[1::2, 1::2]) / 2  # every AU has its own: half the size
    pale = np.rint(127 + grey_HW / 2).astype(np.uint8)[..., None].repeat(3, axis=2)
    pictures = [Picture(image=pale, title=f"AU{au}") for au in aus]
    columns = min(COLUMNS, len(pictures))
    width, height = grid_size(pictures, columns=columns, inches=1.45)
    colours = matplotlib.colormaps["plasma_r"]
    with drawing(width, height, layout=None) as (figure, hover):
        axes = picture_grid(figure, hover, pictures, columns=columns)
        for i, (au, importance_P) in enumerate(zip(aus, importance_LP, strict=True)):
            left_edge, top = place(i, columns, face.shape[0] / face.shape[1])
            at_P2 = points_P2 / face.shape[1] + (left_edge, top)
            order = np.argsort(importance_P)
            discs = LineCollection(
                [(at_2, at_2) for at_2 in at_P2[order]],  # of no length, with round ends
                linewidths=np.sqrt(2 + 46 * importance_P[order]),
                colors=colours(0.15 + 0.85 * importance_P[order]),
                capstyle="round",
            )
            axes.add_collection(discs, autolim=False)
            for patch in np.flatnonzero(importance_P >= NAMED):
                (dot,) = axes.plot(*at_P2[patch], "o", markersize=6, alpha=0.0)
                hover(dot, f"AU{au}, landmark {patch + 1}: {importance_P[patch]:.2f}")
        svg = to_svg(figure, hover)
    return Figure(
        key=slug(setting, "patches", method),
        section=setting,
        title=f"Patches of the face that {method} looks at",
        caption="Size and colour: the norm of a patch's weights in parts of the AU's largest, mean "
        f"over {len(left)} trained {'model' if len(left) == 1 else 'models'}; on the mean face of "
        "the training frames.",
        svg=svg,
    )
