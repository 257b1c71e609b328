"""Where pictures come from: a folder of images, images inside a zip archive, or a video.

Each source gives pictures by number. Image files are matched by the integer value of their stem
(``7.jpg``, ``007.jpg`` and ``0007.jpg`` are all picture 7), because the width of the names varies
between sequences; the frames of a video are counted from 1.

What always holds:
- a picture that cannot be decoded whole is ``Damaged``, with its place and the reason, never a
  partly grey image and never silence;
- archives are read in place; no member is ever written to disk.

Pictures are uint8 (H, W, 3) in OpenCV's channel order (blue first).
"""

from __future__ import annotations

import os
import re
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

import numpy as np

from harness.errors import UserError

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp")
VIDEO_SUFFIXES = (".avi", ".mp4", ".mov", ".mkv", ".wmv", ".webm", ".m4v")
_LARGEST_MEMBER = 256 * 2**20
_TAIL = 1024
"""Last bytes of an image file in which its end is looked for."""


class Damaged(UserError):
    """A file that cannot be used: its place, and what is wrong with it."""

    def __init__(self, place: str, reason: str) -> None:
        super().__init__(f"{place}: {reason}")
        self.place = place
        self.reason = reason

    def __reduce__(self) -> tuple[Any, ...]:
        return (Damaged, (self.place, self.reason))


class Pictures(Protocol):
    """Pictures of one sequence, by number; picklable."""

    def read(self, numbers: Iterable[int]) -> Iterator[np.ndarray | Damaged]:
        """One picture, or what is wrong with it, for each number; numbers must increase."""

    def place(self, number: int) -> str:
        """Where that picture comes from: a file, or a frame of a video."""

    def numbers(self) -> np.ndarray | None:
        """int64, increasing: the pictures that there are; None where only reading can tell."""


def decode_image(data: bytes, *, upright: bool = False) -> np.ndarray | str:
    """The picture in an image file's bytes, or in words why there is none.

    Args:
        data: the bytes of the file.
        upright: turn the picture as its EXIF orientation says. Landmarks that come with a dataset
            refer to the stored pixels, so datasets are read without.
    """
    import cv2

    if short := _cut_short(data[:4], data[-_TAIL:], len(data)):
        return short
    flags = cv2.IMREAD_COLOR if upright else cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        return f"cannot be decoded ({error.err})"
    return "is not an image that can be decoded" if picture is None else picture


def _cut_short(head: bytes, tail: bytes, size: int) -> str | None:
    """In words, whether an image file is empty or ends too early, by its first and last bytes."""
    if not size:
        return "the file is empty (0 bytes)"
    if head[:2] == b"\xff\xd8" and b"\xff\xd9" not in tail:
        return f"JPEG cut short after {size} bytes (it has no end marker)"
    if head[:4] == b"\x89PNG" and b"IEND" not in tail[-64:]:
        return f"PNG cut short after {size} bytes (it has no end chunk)"
    return None


def picture_number(name: str) -> int | None:
    """The number that an image file's name stands for; None if its stem is not a number."""
    stem, dot, suffix = name.rpartition(".")
    return int(stem) if dot + suffix.lower() in IMAGE_SUFFIXES and stem.isdecimal() else None


def _by_number(names: Sequence[str], place: str) -> dict[int, str]:
    """Number -> name; two names for one number are an error."""
    found: dict[int, str] = {}
    for name in names:
        number = picture_number(PurePosixPath(name).name)
        if number is None:
            continue
        if number in found:
            raise Damaged(place, f"{found[number]} and {name} are both picture {number}")
        found[number] = name
    return found


@dataclass(frozen=True)
class ImageFolder:
    """Image files in one folder. ``name`` is the folder as messages show it."""

    folder: Path
    name: str

    @cached_property
    def files(self) -> dict[int, str]:
        """File name by picture number."""
        try:
            names = sorted(p.name for p in self.folder.iterdir())
        except OSError as error:
            raise Damaged(self.name, f"cannot be read ({error.strerror})") from error
        return _by_number(names, self.name)

    def numbers(self) -> np.ndarray:
        """The pictures that there are."""
        return np.array(sorted(self.files), dtype=np.int64)

    def place(self, number: int) -> str:
        """The image file, under the folder's name."""
        return f"{self.name}/{self.files.get(int(number), f'{int(number)}.*')}"

    def read(self, numbers: Iterable[int]) -> Iterator[np.ndarray | Damaged]:
        """Decodes the files one by one; ``numbers`` must increase."""
        for number in numbers:
            file = self.files.get(int(number))
            if file is None:
                yield Damaged(self.name, f"has no picture {int(number)}")
                continue
            try:
                picture = decode_image((self.folder / file).read_bytes())
            except OSError as error:
                picture = f"cannot be read ({error.strerror})"
            yield Damaged(self.place(number), picture) if isinstance(picture, str) else picture

    def cut_short(self, number: int) -> str | None:
        """In words, what the first and last bytes of a picture's file say is wrong with it."""
        try:
            with (self.folder / self.files[int(number)]).open("rb") as file:
                head = file.read(4)
                size = file.seek(0, os.SEEK_END)
                file.seek(max(0, size - _TAIL))
                return _cut_short(head, file.read(), size)
        except OSError as error:
            return f"cannot be read ({error.strerror})"


def unsafe_member(name: str) -> bool:
    """Whether an archive member's name would lead out of the folder it is unpacked into."""
    path = PurePosixPath(name.replace("\\", "/"))
    return path.is_absolute() or ".." in path.parts or bool(re.match(r"^[A-Za-z]:", name))


@dataclass(frozen=True)
class ZipImages:
    """Images inside a zip archive, read in place.

    ``members`` maps picture number to member; ``name`` is the archive as messages show it.
    """

    archive: Path
    name: str
    members: dict[int, str]

    def numbers(self) -> np.ndarray:
        """The pictures that there are."""
        return np.array(sorted(self.members), dtype=np.int64)

    def cut_short(self, number: int) -> str | None:
        """In words, what the archive's list of members says is wrong with one: it is empty."""
        return "the file is empty (0 bytes)" if not self._sizes[self.members[int(number)]] else None

    @cached_property
    def _sizes(self) -> dict[str, int]:
        with zipfile.ZipFile(self.archive) as opened:
            return {info.filename: info.file_size for info in opened.infolist()}

    def place(self, number: int) -> str:
        """Archive and member."""
        return f"{self.name}/{self.members.get(int(number), f'{int(number)}.*')}"

    def read(self, numbers: Iterable[int]) -> Iterator[np.ndarray | Damaged]:
        """Decodes the members one by one; the archive is opened once, ``numbers`` must increase."""
        try:
            archive = zipfile.ZipFile(self.archive)
        except (OSError, zipfile.BadZipFile) as error:
            for _ in numbers:
                yield Damaged(self.name, f"cannot be opened ({error})")
            return
        with archive:
            for number in numbers:
                member = self.members.get(int(number))
                if member is None:
                    yield Damaged(self.name, f"has no picture {int(number)}")
                    continue
                picture = self._decode(archive, member)
                yield Damaged(self.place(number), picture) if isinstance(picture, str) else picture

    @staticmethod
    def _decode(archive: zipfile.ZipFile, member: str) -> np.ndarray | str:
        try:
            if archive.getinfo(member).file_size > _LARGEST_MEMBER:
                return f"claims to be larger than {_LARGEST_MEMBER >> 20} MiB unpacked"
            return decode_image(archive.read(member))
        except (OSError, zipfile.BadZipFile, RuntimeError, ValueError, EOFError) as error:
            return f"cannot be unpacked ({error})"
        except Exception as error:  # zlib.error derives from Exception alone
            if type(error).__name__ != "error":
                raise
            return f"cannot be unpacked ({error})"


@dataclass(frozen=True)
class Video:
    """Frames of a video, counted from 1. Seeking is not exact in most containers, so frames before
    the first one asked for are decoded and dropped."""

    file: Path
    name: str

    def numbers(self) -> None:
        """A container's frame count is not reliable: only reading can tell."""
        return

    def place(self, number: int) -> str:
        """Video and frame."""
        return f"{self.name}#{int(number)}"

    def read(self, numbers: Iterable[int]) -> Iterator[np.ndarray | Damaged]:
        """Decodes forward through the video; ``numbers`` must increase."""
        capture = open_video(self.file, self.name)
        try:
            at, ended = 0, False
            for number in numbers:
                if number < 1:
                    yield Damaged(self.name, f"has no frame {int(number)}: they count from 1")
                    continue
                picture = None
                while at < number and not ended:
                    at += 1
                    ended = not capture.grab()
                if not ended and at == number:
                    got, picture = capture.retrieve()
                    picture = picture if got else None
                if picture is None:
                    last = at - 1 if ended else at
                    why = f"stops after frame {last}, before frame {int(number)}"
                    yield Damaged(self.name, why if ended else f"frame {int(number)} is damaged")
                else:
                    yield picture
        finally:
            capture.release()


def open_video(file: Path, name: str | None = None) -> Any:
    """An open ``cv2.VideoCapture`` that uses one thread.

    Raises:
        Damaged: the file is missing, empty or not a video.
    """
    import cv2

    place = name or str(file)
    if not file.is_file():
        raise Damaged(place, "there is no such video file")
    if file.stat().st_size == 0:
        raise Damaged(place, "the file is empty (0 bytes)")
    capture = cv2.VideoCapture(str(file), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
    if not capture.isOpened():
        capture = cv2.VideoCapture(str(file))
    if not capture.isOpened():
        raise Damaged(place, "is not a video that can be decoded")
    return capture
