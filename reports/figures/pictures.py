"""Pictures in rows and columns with a line above each: the grid that several figures share.

Pictures are embedded as they are, pixel by pixel, so that they stay sharp when zoomed; a PNG of a
face that is smaller as JPEG becomes one when the figure is written (``reports/figure.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from reports.figure import Hover


@dataclass(frozen=True, kw_only=True, eq=False)
class Picture:
    """``image`` uint8 (H, W, 3 or 4), the line above it, and what it says on hover."""

    image: np.ndarray
    title: str = ""
    said: str = ""


def picture_grid(
    figure: Any, hover: Hover, pictures: Sequence[Picture], *, columns: int, gap: float = 0.08
) -> Any:
    """Draws pictures of one size row by row over the whole figure; gives the axes, in which picture
    number i stands at ``place(i, columns, gap)`` and is one unit wide."""
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    tall = _aspect(pictures)
    line = LINE if any(picture.title for picture in pictures) else 0.0
    rows = -(-len(pictures) // columns)
    for i, picture in enumerate(pictures):
        left, top = place(i, columns, tall, gap=gap, line=line)
        shown = axes.imshow(
            picture.image, extent=(left, left + 1, top + tall, top), interpolation="none"
        )
        if picture.said:
            hover(shown, picture.said)
        if picture.title:
            axes.text(left, top - 0.03, picture.title, va="bottom", ha="left", fontsize=8)
    axes.set_xlim(-gap, columns * (1 + gap))
    axes.set_ylim(rows * (tall + line + gap), -gap / 2)
    axes.set_aspect("auto")
    return axes


LINE = 0.13  # height of the line above a picture, in widths of a picture


def place(
    i: int, columns: int, tall: float, *, gap: float = 0.08, line: float = LINE
) -> tuple[float, float]:
    """Left and top of picture number i."""
    row, column = divmod(i, columns)
    return column * (1 + gap), row * (tall + line + gap) + line


def grid_size(
    pictures: Sequence[Picture], *, columns: int, inches: float, gap: float = 0.08
) -> tuple[float, float]:
    """Width and height in inches of a grid whose pictures are ``inches`` wide."""
    rows = -(-len(pictures) // columns)
    line = LINE if any(picture.title for picture in pictures) else 0.0
    width = columns * (1 + gap) + gap
    height = rows * (_aspect(pictures) + line + gap) + gap / 2
    return inches * width, inches * height


def _aspect(pictures: Sequence[Picture]) -> float:
    height, width = pictures[0].image.shape[:2]
    return height / width
