"""A video that a person can watch: the picture, the face that the model saw, and its scores.

Beside the picture stands a panel with a line for each AU: its number and name, and a bar from the
middle, to the right and coloured where the AU is called present. A bar is full at the largest score
of its AU in the clip, as scores of different methods have different scales.

Legend: N frames, T frames with a face, L action units, H W C picture.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from harness.errors import UserError
from harness.predictions.clip import Clip, ClipFrame

NAMES = {
    1: "inner brow raiser",
    2: "outer brow raiser",
    4: "brow lowerer",
    5: "upper lid raiser",
    6: "cheek raiser",
    7: "lid tightener",
    9: "nose wrinkler",
    10: "upper lip raiser",
    12: "lip corner puller",
    14: "dimpler",
    15: "lip corner depressor",
    17: "chin raiser",
    20: "lip stretcher",
    23: "lip tightener",
    24: "lip pressor",
    25: "lips part",
    26: "jaw drop",
}
PANEL = 330
LINE = 26
_HEAD = 34
_DARK, _GRAY, _LIGHT = (28, 26, 24), (120, 116, 112), (235, 233, 230)
_PRESENT, _FRAME = (90, 200, 90), (230, 190, 60)  # blue first


def write_overlay(
    file: Path, clip: Clip, aus: tuple[int, ...], scores_TL: np.ndarray, rate: float
) -> None:
    """Writes the video beside its place and renames it in.

    Args:
        scores_TL: float (T, L) of the frames with a face, > 0 means present.
        rate: frames a second.

    Raises:
        UserError: OpenCV cannot write a video of that kind.
    """
    import cv2

    size = _picture_size(clip, len(aus))
    full_L = np.maximum(np.abs(scores_TL).max(axis=0, initial=0), 1e-9)
    aside = file.with_name(f"{file.stem}.part{file.suffix}")
    width, height = size[0] + PANEL, size[1]
    code = cv2.VideoWriter.fourcc(*("MJPG" if file.suffix.lower() == ".avi" else "mp4v"))
    writer = cv2.VideoWriter(str(aside), code, rate, (width, height))
    if not writer.isOpened():
        raise UserError(f"{file}: OpenCV cannot write such a video; name it .mp4 or .avi")
    try:
        for frame, picture in clip.pictures():
            row_L = scores_TL[frame.row] if frame.row >= 0 else None
            writer.write(draw(frame, picture, size, aus, row_L, full_L))
        writer.release()
        aside.replace(file)
    finally:
        writer.release()
        aside.unlink(missing_ok=True)


def draw(
    frame: ClipFrame,
    picture_HWC: np.ndarray | None,
    size: tuple[int, int],
    aus: tuple[int, ...],
    scores_L: np.ndarray | None,
    full_L: np.ndarray,
) -> np.ndarray:
    """uint8 (H, W + panel, 3), blue first: one frame of the overlay.

    Args:
        size: width and height of the picture's part.
        scores_L: None where there is no face.
        full_L: scores at which a bar is full.
    """
    import cv2

    width, height = size
    canvas = np.full((height, width + PANEL, 3), _DARK, np.uint8)
    if picture_HWC is not None:
        scale = min(width / picture_HWC.shape[1], height / picture_HWC.shape[0])
        fitted = cv2.resize(picture_HWC, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        fitted = fitted[:height, :width]
        left, top = (width - fitted.shape[1]) // 2, (height - fitted.shape[0]) // 2
        canvas[top : top + fitted.shape[0], left : left + fitted.shape[1]] = fitted
        if scores_L is not None:
            inside = canvas[:, :width]
            corners = np.rint(frame.corners * scale + (left, top)).astype(np.int32)
            cv2.polylines(inside, [corners], True, _FRAME, 1, cv2.LINE_AA)
            for x, y in np.rint(frame.points * scale + (left, top)).astype(int):
                cv2.circle(inside, (int(x), int(y)), 1, _FRAME, -1, cv2.LINE_AA)
    panel = canvas[:, width:]
    time = "" if frame.seconds is None else f"  {frame.seconds:.2f} s"
    _write(panel, f"frame {frame.number}{time}", (12, 22), _LIGHT, 0.5)
    if scores_L is None:
        _write(panel, frame.problem[:40] or "no face", (12, _HEAD + 20), _LIGHT, 0.5)
        return canvas
    for line, au in enumerate(aus):
        _draw_line(panel, _HEAD + line * LINE, au, float(scores_L[line]), float(full_L[line]))
    return canvas


def _draw_line(panel: np.ndarray, top: int, au: int, score: float, full: float) -> None:
    import cv2

    present = score > 0
    colour = _PRESENT if present else _GRAY
    base = top + 17
    text = _LIGHT if present else _GRAY
    _write(panel, f"AU{au}", (12, base), text, 0.45)
    _write(panel, NAMES.get(au, ""), (56, base), text, 0.4)
    left, right = 210, PANEL - 14
    middle = (left + right) // 2
    end = middle + round(np.clip(score / full, -1, 1) * (right - middle))
    cv2.rectangle(panel, (left, base - 4), (right, base - 3), (60, 58, 56), -1)
    cv2.rectangle(panel, (min(middle, end), base - 9), (max(middle, end), base + 2), colour, -1)
    cv2.line(panel, (middle, base - 11), (middle, base + 4), _LIGHT, 1)


def _write(
    panel: np.ndarray, text: str, place: tuple[int, int], colour: tuple[int, int, int], size: float
) -> None:
    import cv2

    plain = text.encode("ascii", "replace").decode()  # OpenCV's font has no other letters
    cv2.putText(panel, plain, place, cv2.FONT_HERSHEY_SIMPLEX, size, colour, 1, cv2.LINE_AA)


def _picture_size(clip: Clip, num_aus: int) -> tuple[int, int]:
    """Width and height, even, of the first picture, enlarged until the panel's lines fit."""
    needed = _HEAD + num_aus * LINE + 8
    shape = next((p.shape for _, p in clip.pictures() if p is not None), (needed, needed, 3))
    scale = max(1.0, needed / shape[0])
    height, width = (2 * round(side * scale / 2) for side in shape[:2])
    return width, max(height, needed + needed % 2)
