"""Registered faces of anyone's video, image, or folder of images, one frame at a time.

The same landmarks and the same registration as for datasets, without labels. Memory does not grow
with the length of the video.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.errors import UserError
from harness.prepare.decode import (
    IMAGE_SUFFIXES,
    VIDEO_SUFFIXES,
    Damaged,
    decode_image,
    open_video,
)
from harness.prepare.landmarks import LandmarkOptions, choose_source
from harness.prepare.openface import read_openface
from harness.prepare.registration import Registration, transform
from harness.prepare.tracker import Tracker

_COUNT_SLACK = 2
"""Frames by which a container's own count may be too high without anything missing."""


@dataclass(frozen=True, kw_only=True)
class VideoFace:
    """One frame and its face.

    Attributes:
        number: of the frame, from 1.
        source: file, or file and frame.
        seconds: time within a video; None for images.
        picture: uint8 (H, W, 3), blue first, for drawing on; None where the frame is damaged.
        face: uint8 (200, 200, 3) RGB; black where no face was found.
        landmarks: float32 (49, 2) registered pixels; NaN where no face was found.
        points: float32 (49, 2) pixels of the picture; NaN where no face was found.
        matrix: float64 (2, 3) from picture to registered face; NaN where no face was found.
        tracked: whether a face was found.
        problem: what is wrong with the frame, if anything.
    """

    number: int
    source: str
    seconds: float | None
    picture: np.ndarray | None
    face: np.ndarray
    landmarks: np.ndarray
    points: np.ndarray
    matrix: np.ndarray
    tracked: bool
    problem: str = ""


@dataclass(frozen=True)
class _Frame:
    source: str
    seconds: float | None
    picture: np.ndarray | None
    problem: str = ""


def frame_rate(path: Path) -> float | None:
    """Frames a second of a video; None for images."""
    import cv2

    if path.suffix.lower() not in VIDEO_SUFFIXES:
        return None
    capture = open_video(path)
    try:
        rate = float(capture.get(cv2.CAP_PROP_FPS))
    finally:
        capture.release()
    return rate if np.isfinite(rate) and rate > 0 else 25.0


def prepared_faces(
    path: Path,
    options: LandmarkOptions | None = None,
    registration: Registration | None = None,
) -> Iterator[VideoFace]:
    """The frames of a video, an image or a folder of images, each with its registered face.

    Args:
        options: where landmarks come from; ``openface`` takes ``<name of the video>.csv`` from its
            folder.
        registration: that of the model that is to see the faces.

    A folder whose files are all named by numbers is taken for a video's frames, and its faces are
    smoothed over time as a video's are; other images are taken one by one.

    Raises:
        UserError: no such file, or nothing in it that can be read, or no such landmark source.
    """
    registration = registration or Registration()
    path = Path(path)
    options = options or LandmarkOptions()
    from_csv: dict[int, np.ndarray] | None = None
    tracker: Tracker | None = None
    source = None
    if options.landmarks == "openface" or (options.landmarks == "auto" and options.openface):
        from_csv = _openface_points(path, options)
    else:
        source = choose_source(options, ())
        if source.from_files:
            raise UserError("a video has no dataset's landmark files: use another source")
        tracker = source.tracker()
    frames, moving = _frames(path)
    for number, frame in enumerate(frames, start=1):
        if source is not None and not moving and number > 1:
            tracker = source.tracker()
        points = None
        if frame.picture is not None:
            if from_csv is not None:
                points = from_csv.get(number)
            elif tracker is not None:
                points = tracker(frame.picture)
        yield _registered(number, frame, points, registration)


def _registered(
    number: int, frame: _Frame, points: np.ndarray | None, registration: Registration
) -> VideoFace:
    matrix = np.full((2, 3), np.nan) if points is None else registration.fit(points)
    tracked = bool(np.isfinite(matrix).all())
    lost = np.full((49, 2), np.nan, np.float32)
    size = registration.describe()["size"]
    face = np.zeros((size, size, 3), np.uint8)
    if tracked:
        assert frame.picture is not None
        assert points is not None
        face = np.ascontiguousarray(registration.warp(frame.picture, matrix)[..., ::-1])
    return VideoFace(
        number=number,
        source=frame.source,
        seconds=frame.seconds,
        picture=frame.picture,
        face=face,
        landmarks=lost if points is None else transform(points, matrix).astype(np.float32),
        points=np.asarray(points, np.float32) if tracked else lost,
        matrix=matrix,
        tracked=tracked,
        problem=frame.problem,
    )


def _openface_points(path: Path, options: LandmarkOptions) -> dict[int, np.ndarray]:
    if options.openface is None:
        raise UserError("landmarks 'openface' needs the folder of OpenFace's CSV files")
    file = options.openface / f"{path.stem}.csv"
    if not file.is_file():
        raise UserError(f"{file}: there is no such file of OpenFace's for {path.name}")
    frames, points = read_openface(file, options.openface_confidence)
    return {
        int(frame): face
        for frame, face in zip(frames, points, strict=True)
        if np.isfinite(face).all()
    }


def _frames(path: Path) -> tuple[Iterator[_Frame], bool]:
    """The pictures, and whether they follow each other in time."""
    if path.is_dir():
        files = sorted(
            (p for p in path.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES), key=_natural
        )
        if not files:
            raise UserError(f"{path} holds no images ({', '.join(IMAGE_SUFFIXES)})")
        return _images(files), all(p.stem.isdecimal() for p in files)
    if not path.is_file():
        raise UserError(f"{path}: there is no such file or folder")
    if path.suffix.lower() in IMAGE_SUFFIXES:
        return _images([path]), False
    if path.suffix.lower() in VIDEO_SUFFIXES:
        return _video(path), True
    known = ", ".join((*IMAGE_SUFFIXES, *VIDEO_SUFFIXES))
    raise UserError(f"{path}: neither an image nor a video; known: {known}")


def _natural(path: Path) -> list[tuple[int, int, str]]:
    """Sorts ``2.jpg`` before ``10.jpg``."""
    parts = re.split(r"(\d+)", path.name)
    return [(1, int(p), "") if p.isdecimal() else (0, 0, p.lower()) for p in parts]


def _images(files: list[Path]) -> Iterator[_Frame]:
    for file in files:
        try:
            picture = decode_image(file.read_bytes(), upright=True)
        except OSError as error:
            picture = f"cannot be read ({error.strerror})"
        if isinstance(picture, str):
            yield _Frame(file.name, None, None, str(Damaged(file.name, picture)))
        else:
            yield _Frame(file.name, None, picture)


def _video(file: Path) -> Iterator[_Frame]:
    import cv2

    rate = frame_rate(file) or 25.0
    capture = open_video(file)
    try:
        expected = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
        number = 0
        while True:
            got, picture = capture.read()
            if not got:
                break
            number += 1
            yield _Frame(f"{file.name}#{number}", (number - 1) / rate, picture)
        if number == 0:
            raise Damaged(str(file), "holds no frame that can be decoded")
        if expected - number <= _COUNT_SLACK:
            return
        for missing in range(number + 1, expected + 1):
            why = f"the video stops after frame {number} of {expected}"
            yield _Frame(f"{file.name}#{missing}", (missing - 1) / rate, None, why)
    finally:
        capture.release()
