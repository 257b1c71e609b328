"""Where a network looks on given faces: class activation and integrated gradients, side by side."""

from __future__ import annotations

from typing import Any

import numpy as np

from reports.figure import Figure, drawing, to_svg
from reports.figures.pictures import Picture, grid_size, picture_grid
from reports.studies import StudyView

MAX_FRAMES = 24
COLUMNS = 6  # two frames of three pictures each


def attention(view: StudyView) -> list[Figure]:
    """Three pictures a frame: the face, and each map laid over it."""
    entries = list(view.values["frames"])[:MAX_FRAMES]
    faces, cams, gradients = (view.arrays[name] for name in ("faces", "cam", "gradients"))
    pictures = []
    for i, entry in enumerate(entries):
        where = f"{entry['sequence']}, frame {entry['number']}"
        said = f"AU{entry['au']}, {where}, score {entry['score']:+.2f}"
        grey_HWC = np.repeat(faces[i].mean(axis=2, keepdims=True), 3, axis=2)
        pictures += [
            Picture(image=faces[i], title=_line(entry), said=said),
            Picture(image=_over(grey_HWC, cams[i]), title="activation", said=said),
            Picture(image=_over(grey_HWC, gradients[i]), title="gradients", said=said),
        ]
    columns = min(COLUMNS, len(pictures))
    width, height = grid_size(pictures, columns=columns, inches=1.35)
    with drawing(width, height, layout=None) as (figure, hover):
        picture_grid(figure, hover, pictures, columns=columns)
        svg = to_svg(figure, hover)
    left_out = [f"AU{au}" for au in view.values.get("left_out", ())]
    more = f" No frame shows {', '.join(left_out)}." if left_out else ""
    number = len(view.values["frames"])
    if number > len(entries):
        more += f" {len(entries)} of {number} frames are drawn."
    return [
        Figure(
            key=view.key("attention"),
            title=f"Where the network looks ({view.title})",
            caption="For each AU a test frame that shows it, of median score: the face, the class "
            "activation map of the last convolution (Grad-CAM) and integrated gradients of the "
            f"AU's logit, yellow where most.{more}",
            svg=svg,
        )
    ]


def _line(entry: Any) -> str:
    return f"AU{entry['au']}, score {entry['score']:+.1f}".replace("-", "−")


def _over(grey_HWC: np.ndarray, map_HW: np.ndarray) -> np.ndarray:
    """uint8 (H, W, 3): the map in colours over a face in grey."""
    import matplotlib

    strength_HW1 = np.clip(np.asarray(map_HW, np.float64), 0, 1)[..., None]
    colour_HWC = 255 * matplotlib.colormaps["inferno"](strength_HW1[..., 0])[..., :3]
    cover = 0.15 + 0.7 * strength_HW1
    mixed: np.ndarray = np.rint((1 - cover) * grey_HWC + cover * colour_HWC).astype(np.uint8)
    return mixed
