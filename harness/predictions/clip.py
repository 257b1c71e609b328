"""A video, an image or a folder of images as frames that a model can score.

Faces go through the same preparation as a dataset's, one frame at a time, into a file; so memory
does not grow with the length of a video. Frames without a face are not shown to the model.

Legend: N frames, T frames with a face, L action units.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.data.features import CHUNK
from harness.data.frames import FrameSet, FrameTable
from harness.errors import UserError
from harness.method import Feature
from harness.prepare.decode import VIDEO_SUFFIXES
from harness.prepare.landmarks import LandmarkOptions
from harness.prepare.registration import FACE_SIZE, Registration
from harness.prepare.video import VideoFace, prepared_faces
from harness.registry import load_object

LONGEST_SIDE = 1280
"""Pictures are kept for the overlay at no more than this many pixels a side."""


@dataclass(frozen=True, kw_only=True)
class ClipFrame:
    """One frame of the clip; see ``harness.prepare.video.VideoFace``.

    ``row`` is its row among the frames with a face, -1 without one; ``corners`` float32 (4, 2) the
    corners of the registered face and ``points`` float32 (49, 2) the landmarks, both in pixels of
    the kept picture, empty without a face; ``picture`` the offset and length of the kept picture.
    """

    number: int
    source: str
    seconds: float | None
    row: int
    corners: np.ndarray
    points: np.ndarray
    picture: tuple[int, int]
    problem: str


@dataclass(frozen=True, kw_only=True)
class Clip:
    """A clip after preparation; its files stand in a folder of the caller's.

    Attributes:
        name: of the video, image or folder.
        moving: whether its frames follow each other in time.
        landmarks: float32 (T, 49, 2) registered pixels.
    """

    name: str
    moving: bool
    folder: Path
    frames: tuple[ClipFrame, ...]
    landmarks: np.ndarray

    @property
    def num_faces(self) -> int:
        """Frames with a face."""
        return len(self.landmarks)

    def frame_set(self, aus: Sequence[int], features: Mapping[str, Feature]) -> FrameSet:
        """The T frames with a face, without labels; features are extracted when asked for."""
        seen = [frame for frame in self.frames if frame.row >= 0]
        subject = f"clip:{self.name}"
        sequences = [subject if self.moving else f"{subject}/{f.source}" for f in seen]
        shape = (len(seen), FACE_SIZE, FACE_SIZE, 3)
        faces: np.ndarray = np.empty(shape, np.uint8)
        if seen:  # an empty file cannot be mapped
            faces = np.memmap(self.folder / "faces.raw", np.uint8, "r", shape=shape)

        def open_feature(name: str) -> np.ndarray:
            if name not in features:
                raise UserError(f"the model asks for a feature {name!r} that it did not declare")
            return _extracted(features[name], faces, self.landmarks)

        return FrameSet(
            dataset=self.name,
            index=np.arange(len(seen), dtype=np.int64),
            aus=tuple(aus),
            _table=FrameTable(
                aus=tuple(aus),
                subjects=np.full(len(seen), subject, dtype=object),
                sequences=np.array(sequences, dtype=object),
                numbers=np.array([f.number for f in seen], np.int32),
                tracked=np.ones(len(seen), bool),
                labels=np.empty((0, len(aus)), np.int8),
            ),
            _labels=None,
            _faces=faces,
            _landmarks=self.landmarks,
            open_feature=open_feature,
        )

    def pictures(self) -> Iterator[tuple[ClipFrame, np.ndarray | None]]:
        """Every frame with its kept picture (H, W, 3), blue first; None where it is damaged."""
        import cv2

        with (self.folder / "pictures.raw").open("rb") as kept:
            for frame in self.frames:
                start, length = frame.picture
                if not length:
                    yield frame, None
                    continue
                kept.seek(start)
                data = np.frombuffer(kept.read(length), np.uint8)
                yield frame, cv2.imdecode(data, cv2.IMREAD_COLOR)


def read_clip(
    path: Path,
    folder: Path,
    options: LandmarkOptions,
    registration: Registration,
    *,
    keep_pictures: bool,
    progress: Callable[[int], None] | None = None,
) -> Clip:
    """Prepares every frame of a clip.

    Args:
        folder: an empty folder for the faces (120 kB each) and, with ``keep_pictures``, the
            pictures (as JPEG).

    Raises:
        UserError: nothing that can be read, or no such landmark source.
    """
    try:
        return _read(path, folder, options, registration, keep_pictures, progress)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise UserError(
            f"{folder}: the disk is full (0.12 MB a frame are kept while a clip is scored); make "
            "room, or set TMPDIR to a folder elsewhere"
        ) from error


def _read(
    path: Path,
    folder: Path,
    options: LandmarkOptions,
    registration: Registration,
    keep_pictures: bool,
    progress: Callable[[int], None] | None,
) -> Clip:
    frames: list[ClipFrame] = []
    landmarks: list[np.ndarray] = []
    with (folder / "faces.raw").open("wb") as faces, (folder / "pictures.raw").open("wb") as kept:
        for found in prepared_faces(path, options, registration):
            row = -1
            if found.tracked:
                row = len(landmarks)
                faces.write(np.ascontiguousarray(found.face).data)
                landmarks.append(found.landmarks)
            frames.append(_kept(found, row, kept if keep_pictures else None))
            if progress:
                progress(len(frames))
    return Clip(
        name=path.name,
        moving=_moving(path),
        folder=folder,
        frames=tuple(frames),
        landmarks=np.array(landmarks, np.float32).reshape(-1, 49, 2),
    )


def _kept(found: VideoFace, row: int, kept: object) -> ClipFrame:
    import cv2

    scale, place = 1.0, (0, 0)
    if kept is not None and found.picture is not None:
        picture = found.picture
        scale = min(1.0, LONGEST_SIDE / max(picture.shape[:2]))
        if scale < 1:
            picture = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 92])[1].tobytes()
        place = (kept.tell(), len(data))  # type: ignore[attr-defined]
        kept.write(data)  # type: ignore[attr-defined]
    corners: np.ndarray = np.empty((0, 2))
    points: np.ndarray = np.empty((0, 2))
    if row >= 0:
        square = np.array([[0, 0], [FACE_SIZE, 0], [FACE_SIZE, FACE_SIZE], [0, FACE_SIZE]], float)
        back = cv2.invertAffineTransform(found.matrix)
        corners = (square @ back[:, :2].T + back[:, 2]) * scale
        points = found.points * scale
    return ClipFrame(
        number=found.number,
        source=found.source,
        seconds=found.seconds,
        row=row,
        corners=corners,
        points=points,
        picture=place,
        problem=found.problem,
    )


def _moving(path: Path) -> bool:
    """Videos, and folders whose images are all named by numbers."""
    if path.is_dir():
        from harness.prepare.decode import IMAGE_SUFFIXES

        files = [p for p in path.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES]
        return all(p.stem.isdecimal() for p in files)
    return path.suffix.lower() in VIDEO_SUFFIXES


def _extracted(feature: Feature, faces: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """float16 (T, D), as a dataset's features are kept."""
    extract = load_object(feature.extractor)(**feature.options)
    values = np.empty((len(faces), extract.dimension), np.float16)
    for start in range(0, len(faces), CHUNK):
        rows = slice(start, start + CHUNK)
        values[rows] = extract(faces[rows], landmarks[rows])
    return values
