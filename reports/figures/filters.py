"""The filters of a network's first layer (paper, Fig. 2d and 2e)."""

from __future__ import annotations

import numpy as np

from reports.figure import Figure, drawing, to_svg
from reports.figures.pictures import Picture, grid_size, picture_grid
from reports.studies import StudyView

COLUMNS = 16


def filters(view: StudyView) -> list[Figure]:
    """A tile a filter; grey is a weight of 0, and each filter is stretched by its own largest."""
    weights_FhwC = np.asarray(view.arrays["conv1"], np.float64)
    largest_F111 = np.abs(weights_FhwC).max(axis=(1, 2, 3), keepdims=True)
    tiles = 0.5 + 0.5 * weights_FhwC / np.where(largest_F111 > 0, largest_F111, 1)
    tiles_FhwC = np.rint(255 * tiles).astype(np.uint8)
    pictures = [
        Picture(image=tile, said=f"filter {i}: weights up to {largest:.3g}")
        for i, (tile, largest) in enumerate(
            zip(tiles_FhwC, largest_F111.ravel(), strict=True), start=1
        )
    ]
    columns = min(COLUMNS, len(pictures))
    width, height = grid_size(pictures, columns=columns, inches=0.5)
    with drawing(width, height, layout=None) as (figure, hover):
        picture_grid(figure, hover, pictures, columns=columns)
        svg = to_svg(figure, hover)
    return [
        Figure(
            key=view.key("filters"),
            title=f"Filters of the first layer ({view.title})",
            caption=f"{view.values['network']}: {len(pictures)} filters of "
            f"{weights_FhwC.shape[1]} × {weights_FhwC.shape[2]}. Grey is 0; each is stretched by "
            "its own largest weight.",
            svg=svg,
        )
    ]
