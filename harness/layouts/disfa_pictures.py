"""Where DISFA's pictures are: the videos as distributed, or folders of frames cut from them.

    Videos_LeftCamera/LeftVideoSN001_comp.avi      frames counted from 1
    Videos_LeftCamera/SN001/0.png, .../LeftVideoSN001_comp/0000.jpg, frames/SN001/1.jpg

A folder of frames is known by its name, which holds the subject, and by the images directly in it;
their names are numbers. Most people's folders count from 0, so that row n of the labels is picture
n - 1. A folder under a name with ``left`` or ``right`` belongs to that camera; one that names
neither is taken for the camera that is asked for.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from harness.layouts.adapter import Problem
from harness.prepare.decode import ImageFolder, Video, picture_number

Camera = Literal["left", "right"]
_VIDEO_FILE = re.compile(r"^(Left|Right)Video(SN\d{3})_comp\.(avi|mp4)$", re.IGNORECASE)
_SUBJECT = re.compile(r"(?<![A-Z])SN\d{3}(?!\d)")


def videos(root: Path, camera: Camera, problems: list[Problem]) -> dict[str, Video]:
    """A video of the camera by subject."""
    found: dict[str, Path] = {}
    for file in sorted(root.glob("**/*VideoSN*")):
        match = _VIDEO_FILE.match(file.name)
        if match and match[1].lower() == camera and file.is_file():
            _add(found, match[2].upper(), file, root, problems)
    return {subject: Video(file, _relative(file, root)) for subject, file in found.items()}


def frame_folders(root: Path, camera: Camera, problems: list[Problem]) -> dict[str, ImageFolder]:
    """A folder of frames of the camera by subject."""
    other = "right" if camera == "left" else "left"
    found: dict[str, Path] = {}
    for folder in sorted(root.glob("**/*SN*")):
        match = _SUBJECT.search(folder.name.upper().replace("VIDEO", "VIDEO_"))
        where = _relative(folder, root).lower()
        if match is None or (other in where and camera not in where) or not folder.is_dir():
            continue
        if any(picture_number(file.name) is not None for file in folder.iterdir()):
            _add(found, match[0], folder, root, problems)
    return {s: ImageFolder(folder, _relative(folder, root)) for s, folder in found.items()}


def _add(
    found: dict[str, Path], subject: str, place: Path, root: Path, problems: list[Problem]
) -> None:
    if subject in found:
        what = f"{_relative(found[subject], root)} is of the same subject and camera"
        problems.append(Problem(kind="names", place=_relative(place, root), what=what))
    found.setdefault(subject, place)


def _relative(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix()
