"""Shape: the 49 registered points as 98 numbers, x and y of each point in turn.

For classifiers they are offsets from the reference face in eye distances; for the comparison of
distributions between subjects (paper, Eq. 2) they are the raw pixel coordinates, which are
positive.

What always holds: a lost face (landmarks not finite) gives a row of zeros.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from harness.errors import UserError
from harness.prepare.registration import Registration


class Shape:
    """Extractor of the shape feature.

    Args:
        units: ``"eye_distances"`` from the reference face, or ``"pixels"`` as they are.
        eye_dist: the eye distance in pixels that the dataset was registered to: 80, 90 or 100.
    """

    code_version = 1
    dimension = 98

    def __init__(
        self, *, units: str = "eye_distances", eye_dist: Literal[80, 90, 100] = 90
    ) -> None:
        if units not in ("eye_distances", "pixels"):
            raise UserError(f"shape: units {units!r} must be 'eye_distances' or 'pixels'")
        if eye_dist not in (80, 90, 100):
            raise UserError(f"shape: eye_dist {eye_dist!r} must be 80, 90 or 100")
        self._origin_K2, self._unit = np.zeros((49, 2)), 1
        if units == "eye_distances":
            self._origin_K2, self._unit = Registration(eye_dist=eye_dist).reference, eye_dist

    def __call__(self, faces: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
        """float32 (N, 98) from ``landmarks`` (N, 49, 2); the faces are not looked at."""
        offsets_ND = (np.asarray(landmarks) - self._origin_K2) / self._unit
        lost_N = ~np.isfinite(offsets_ND).all(axis=(1, 2))
        offsets_ND[lost_N] = 0
        return offsets_ND.reshape(len(landmarks), self.dimension).astype(np.float32)
