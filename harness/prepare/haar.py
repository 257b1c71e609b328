"""Faces by OpenCV's Haar cascades: the fallback that needs no file and no package beyond OpenCV.

A face cascade finds the face, eye cascades find the eyes in it, and the two eye centres fix the
similarity. The 49 points are then the reference shape, put where the eyes are: they register the
face, but say nothing of its expression, so methods that read landmarks learn nothing from them.

A tilted head is found by turning the picture, first by the tilt of the picture before. The eyes are
smoothed over time, less the faster they move, since detections jitter by a few per cent of the
face's width. A face without a single detected eye is not believed.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from harness.errors import UserError
from harness.layouts.adapter import CodedSequence
from harness.prepare.registration import (
    LEFT_EYE,
    RIGHT_EYE,
    Registration,
    similarity,
    transform,
)
from harness.prepare.tracker import Tracker

SEARCH_SIDE = 360
"""Longer side, in pixels, to which a picture is reduced before faces are searched in it."""

FACE_SIDE = 160
"""Width to which a face is brought before eyes are searched in it."""

SMALLEST_FACE = 0.12
"""Smallest face that is searched for, as a share of the picture's shorter side."""

TURNS = (0.0, 25.0, -25.0)
"""Tilts of the head that are tried, degrees."""

EYE_PRIOR = np.array([[0.305, 0.385], [0.695, 0.385]])
"""Where eyes stand in the box of the face cascade, shares of its side."""

EYE_REACH = 0.13
"""How far from there an eye may be."""


EYES_ONLY = (
    "only the eyes are found: landmarks are a mean face's, the same in every frame, and a method "
    "that reads them instead of faces has nothing to read"
)


class HaarLandmarks:
    """The source of landmarks ``haar``."""

    name = "haar"
    from_files = False

    def read(self, sequence: CodedSequence) -> np.ndarray:
        """Not a source of files."""
        raise UserError("Haar cascades have no landmark files")

    def tracker(self) -> Tracker:
        """A tracker that remembers the picture before."""
        return HaarTracker()


@dataclass
class _Found:
    """Eyes in picture pixels (2, 2), left first, and which of them a cascade saw."""

    eyes: np.ndarray
    turn: float
    offsets: np.ndarray


class HaarTracker:
    """Finds the largest face of each picture of one video."""

    def __init__(self) -> None:
        self._eyes: np.ndarray | None = None
        self._turn = 0.0
        self._offsets = EYE_PRIOR

    @cached_property
    def _faces(self) -> list[Any]:
        return [_cascade("frontalface_alt2"), _cascade("frontalface_default")]

    @cached_property
    def _eye_cascades(self) -> tuple[list[Any], list[Any]]:
        both = [_cascade("eye"), _cascade("eye_tree_eyeglasses")]
        # the person's right eye is on the picture's left
        return [*both, _cascade("righteye_2splits")], [*both, _cascade("lefteye_2splits")]

    def __call__(self, picture_HWC: np.ndarray) -> np.ndarray | None:
        """The 49 points in pixels of the picture, or None."""
        import cv2

        gray = cv2.cvtColor(picture_HWC, cv2.COLOR_BGR2GRAY)
        found = None
        if self._eyes is not None:
            found = self._search(gray, self._turn, near=self._eyes)
        if found is None:
            for turn in sorted(TURNS, key=lambda turn: abs(turn - self._turn)):
                found = self._search(gray, turn)
                if found is not None:
                    break
        if found is None:
            self._eyes, self._turn, self._offsets = None, 0.0, EYE_PRIOR
            return None
        self._offsets = found.offsets
        self._eyes = _smoothed(self._eyes, found.eyes)
        across = self._eyes[1] - self._eyes[0]
        self._turn = float(np.degrees(np.arctan2(across[1], across[0])))
        return points_from_eyes(self._eyes)

    def _search(
        self, gray_HW: np.ndarray, turn: float, near: np.ndarray | None = None
    ) -> _Found | None:
        """The largest face with eyes in the picture turned by so many degrees.

        Args:
            near: eyes of the picture before; only faces of about their size and
                place are searched for.
        """
        import cv2

        height, width = gray_HW.shape
        scale = min(1.0, SEARCH_SIDE / max(height, width))
        matrix = cv2.getRotationMatrix2D((width / 2, height / 2), turn, 1.0)
        turned = gray_HW if turn == 0 else cv2.warpAffine(gray_HW, matrix, (width, height))
        small = cv2.resize(turned, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        origin, smallest, largest = np.zeros(2, int), SMALLEST_FACE * min(small.shape), 0.0
        if near is not None:
            eyes = transform(near, matrix) * scale
            side = np.linalg.norm(eyes[1] - eyes[0]) / (EYE_PRIOR[1, 0] - EYE_PRIOR[0, 0])
            middle = eyes.mean(axis=0)
            middle[1] += (0.5 - EYE_PRIOR[0, 1]) * side
            origin = np.maximum(middle - 0.9 * side, 0).astype(int)
            end = (middle + 0.9 * side).astype(int)
            small = small[origin[1] : end[1], origin[0] : end[0]]
            smallest, largest = 0.7 * side, 1.4 * side
            if min(small.shape) < smallest:
                return None
        small = cv2.equalizeHist(small)
        low, high = (int(smallest), int(smallest)), (int(largest), int(largest))
        # the second cascade finds more, false faces too: not for tilts that nothing speaks for
        for cascade in self._faces if turn == 0 or near is not None else self._faces[:1]:
            boxes = cascade.detectMultiScale(small, 1.1, 4, minSize=low, maxSize=high)
            for box in sorted(boxes, key=lambda b: -b[2])[:2]:
                corner, face_side = (origin + box[:2]) / scale, box[2] / scale
                offsets = self._eyes_in(turned, corner, face_side)
                if offsets is None:
                    continue
                eyes = corner + offsets * face_side
                back = cv2.invertAffineTransform(matrix)
                return _Found(eyes=transform(eyes, back), turn=turn, offsets=offsets)
        return None

    def _eyes_in(self, turned_HW: np.ndarray, corner: np.ndarray, side: float) -> np.ndarray | None:
        """Eye centres (2, 2) as shares of the face's box; None unless a cascade saw one."""
        import cv2

        scale = FACE_SIDE / side
        matrix = np.array([[scale, 0, -corner[0] * scale], [0, scale, -corner[1] * scale]])
        face = cv2.warpAffine(turned_HW, matrix, (FACE_SIDE, FACE_SIDE), flags=cv2.INTER_AREA)
        eyes = np.full((2, 2), np.nan)
        for eye, cascades in enumerate(self._eye_cascades):
            prior = EYE_PRIOR[eye]
            low = np.maximum(((prior - 0.2) * FACE_SIDE).astype(int), 0)
            high = ((prior + 0.2) * FACE_SIDE).astype(int)
            region = face[low[1] : high[1], low[0] : high[0]]
            centres = []
            for cascade in cascades:
                boxes = cascade.detectMultiScale(region, 1.1, 3, minSize=(20, 20))
                centres += [(low + b[:2] + b[2:] / 2) / FACE_SIDE for b in boxes]
            near = [c for c in centres if np.linalg.norm(c - prior) < EYE_REACH]
            if near:
                eyes[eye] = np.median(near, axis=0)
        seen = np.isfinite(eyes[:, 0])
        if not seen.any():
            return None
        if not seen.all():  # the hidden eye moves with the one that is seen
            one = int(np.flatnonzero(seen)[0])
            eyes[1 - one] = self._offsets[1 - one] + (eyes[one] - self._offsets[one])
        return eyes


def points_from_eyes(eyes_22: np.ndarray) -> np.ndarray:
    """The reference shape (49, 2), put where its eye centres are the given ones."""
    reference = Registration().reference
    own = np.stack([reference[LEFT_EYE].mean(axis=0), reference[RIGHT_EYE].mean(axis=0)])
    return transform(reference, similarity(own, np.asarray(eyes_22, np.float64)))


def _smoothed(before_22: np.ndarray | None, now_22: np.ndarray) -> np.ndarray:
    """A step towards the new eyes: a quarter of the way for jitter, all of it for real motion."""
    if before_22 is None:
        return now_22
    distance = np.linalg.norm(now_22[1] - now_22[0])
    moved = np.linalg.norm(now_22 - before_22, axis=1).mean() / max(distance, 1e-6)
    step = float(np.clip(moved / 0.15, 0.25, 1.0))
    smoothed: np.ndarray = before_22 + step * (now_22 - before_22)
    return smoothed


def _cascade(name: str) -> Any:
    import cv2

    file = Path(cv2.__file__).parent / "data" / f"haarcascade_{name}.xml"
    cascade = cv2.CascadeClassifier(str(file))
    if cascade.empty():
        raise UserError(f"OpenCV's cascade {file} is missing: install opencv-python 4")
    return cascade
