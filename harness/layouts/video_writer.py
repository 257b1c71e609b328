"""Writing videos with OpenCV, frame by frame, with errors instead of silence."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from harness.errors import UserError

_CODECS = {".avi": "MJPG", ".mp4": "mp4v"}


class VideoFile:
    """A video being written: Motion JPEG in ``.avi``, MPEG-4 in ``.mp4``.

    Raises:
        UserError: another suffix, or OpenCV cannot write there.
    """

    def __init__(self, file: Path, size: tuple[int, int], rate: float) -> None:
        import cv2

        codec = _CODECS.get(file.suffix.lower())
        if codec is None:
            raise UserError(f"{file}: a video's name must end in {' or '.join(_CODECS)}")
        file.parent.mkdir(parents=True, exist_ok=True)
        self.size = size
        self._writer = cv2.VideoWriter(str(file), cv2.VideoWriter.fourcc(*codec), rate, size)
        if not self._writer.isOpened():
            raise UserError(f"{file}: the video cannot be written (is the folder writable?)")

    def write(self, picture_HWC: np.ndarray) -> None:
        """Adds a picture, uint8 (H, W, 3), blue first."""
        height, width = picture_HWC.shape[:2]
        assert (width, height) == self.size, "OpenCV drops frames of another size silently"
        self._writer.write(picture_HWC)

    def close(self) -> None:
        """Ends the file; before that it cannot be read."""
        self._writer.release()

    def __enter__(self) -> VideoFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
