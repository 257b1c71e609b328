"""Landmarks by MediaPipe's Face Landmarker: an optional package, and a model file of the user's.

Neither is installed with aubench: install the package as ``INSTALL`` says (alone it would bring
OpenCV 5 in place of ours, which has no Haar cascades), and download the ``.task`` file from
MediaPipe's site. The mesh's 478 points are mapped to the 49 (see ``landmark_maps``).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from harness.errors import UserError
from harness.layouts.adapter import CodedSequence
from harness.prepare.landmark_maps import to_49
from harness.prepare.tracker import Tracker

INSTALL = "pip install mediapipe 'opencv-contrib-python<5'"


@dataclass(frozen=True)
class MediaPipeLandmarks:
    """The source of landmarks ``mediapipe``; checked when made, so that a missing package or model
    is reported before any work begins."""

    model: Path
    name = "mediapipe"
    from_files = False

    def __post_init__(self) -> None:
        _import()
        if not self.model.is_file():
            raise UserError(
                f"{self.model}: there is no such file; download a Face Landmarker .task file"
            )

    def read(self, sequence: CodedSequence) -> np.ndarray:
        """Not a source of files."""
        raise UserError("MediaPipe has no landmark files")

    def tracker(self) -> Tracker:
        """A landmarker for one face a picture."""
        mediapipe, vision, base_options = _import()
        options = vision.FaceLandmarkerOptions(
            base_options=base_options(model_asset_path=str(self.model)),
            running_mode=vision.RunningMode.IMAGE,
            num_faces=1,
        )
        try:
            landmarker = vision.FaceLandmarker.create_from_options(options)
        except Exception as error:  # MediaPipe raises whatever its C++ side says
            raise UserError(f"{self.model} is not a Face Landmarker model ({error})") from error

        def track(picture_HWC: np.ndarray) -> np.ndarray | None:
            height, width = picture_HWC.shape[:2]
            rgb = np.ascontiguousarray(picture_HWC[..., ::-1])
            image = mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=rgb)
            faces = landmarker.detect(image).face_landmarks
            if not faces:
                return None
            mesh = np.array([[p.x * width, p.y * height] for p in faces[0]])
            return to_49(mesh)

        return track


def _import() -> tuple[Any, Any, Any]:
    """mediapipe, its vision tasks, and its base options."""
    try:
        import mediapipe
        from mediapipe.tasks.python import BaseOptions, vision
    except ImportError as error:
        raise UserError(
            f"landmarks 'mediapipe' needs the mediapipe package: {INSTALL} "
            "(or use landmarks 'openface' or 'haar')"
        ) from error
    return mediapipe, vision, BaseOptions
