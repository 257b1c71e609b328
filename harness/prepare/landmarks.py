"""Where landmarks come from: files of the dataset, OpenFace, MediaPipe, or OpenCV's Haar cascades.

A source either reads the landmarks of a whole sequence from files (``from_files``), or finds them
picture by picture. All give the 49 points in pixels of the picture, so that registration is the
same for each. ``auto`` takes the first of this order that is there: the dataset's own files, an
OpenFace folder, a MediaPipe model, and Haar cascades, which need nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from pydantic import Field

from harness.errors import UserError
from harness.layouts.adapter import CodedSequence
from harness.method import Options
from harness.prepare.tracker import Tracker

LandmarksFrom = Literal["auto", "dataset", "openface", "mediapipe", "haar"]


class LandmarkOptions(Options):
    """Options of the landmark sources.

    Attributes:
        landmarks: the source.
        openface: folder of OpenFace's CSV output, one file a sequence (``F001_T1.csv``).
        openface_confidence: smallest confidence at which OpenFace's landmarks are used.
        mediapipe_model: path of a MediaPipe Face Landmarker ``.task`` file.
    """

    landmarks: LandmarksFrom = "auto"
    openface: Path | None = None
    openface_confidence: float = Field(default=0.7, ge=0, le=1)
    mediapipe_model: Path | None = None


class LandmarkSource(Protocol):
    """One source of landmarks; picklable. ``name`` goes into ``dataset.json``."""

    name: str
    from_files: bool

    def read(self, sequence: CodedSequence) -> np.ndarray:
        """float32 (T, 49, 2) picture pixels, NaN where lost (sources with ``from_files``).

        Raises:
            harness.prepare.decode.Damaged: the file cannot be used.
        """

    def tracker(self) -> Tracker:
        """A tracker for one sequence (sources without ``from_files``)."""


class DatasetLandmarks:
    """The landmarks that were distributed with the dataset."""

    name = "dataset"
    from_files = True

    def read(self, sequence: CodedSequence) -> np.ndarray:
        """The sequence's own file; all lost where it has none (the adapter says so)."""
        if sequence.landmarks is None:
            return np.full((len(sequence.numbers), 49, 2), np.nan, np.float32)
        return sequence.landmarks.read(sequence.numbers)

    def tracker(self) -> Tracker:
        """Not a tracker."""
        raise UserError("the dataset's landmark files hold no landmarks of other pictures")


def choose_source(options: LandmarkOptions, sequences: Sequence[CodedSequence]) -> LandmarkSource:
    """The source that the options ask for, checked.

    Raises:
        UserError: the source lacks its folder, its model, its package or its files.
    """
    wanted = options.landmarks
    if wanted == "auto":
        if any(s.landmarks is not None for s in sequences):
            wanted = "dataset"
        elif options.openface is not None:
            wanted = "openface"
        elif options.mediapipe_model is not None:
            wanted = "mediapipe"
        else:
            wanted = "haar"
    if wanted == "dataset":
        if sequences and all(s.landmarks is None for s in sequences):
            raise UserError(
                "no landmark files were found in the dataset's folder: use landmarks "
                "'openface', 'mediapipe' or 'haar'"
            )
        return DatasetLandmarks()
    if wanted == "openface":
        from harness.prepare.openface import OpenFaceLandmarks

        if options.openface is None:
            raise UserError("landmarks 'openface' needs the folder of OpenFace's CSV files")
        return OpenFaceLandmarks.of(options.openface, options.openface_confidence, sequences)
    if wanted == "mediapipe":
        from harness.prepare.mediapipe import MediaPipeLandmarks

        if options.mediapipe_model is None:
            raise UserError("landmarks 'mediapipe' needs the path of a Face Landmarker .task file")
        return MediaPipeLandmarks(options.mediapipe_model)
    from harness.prepare.haar import HaarLandmarks

    return HaarLandmarks()
