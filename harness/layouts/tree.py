"""What lies under the root of a BP4D-like dataset, by what is in the folders, not by their names.

Copies of BP4D and BP4D+ differ in the names and the depth of their folders, but not in the names of
subjects (``F001``), tasks (``T1``) and files (``F001_T1.csv``).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

from harness.layouts.adapter import Problem
from harness.layouts.duplicates import identical_files
from harness.prepare.decode import IMAGE_SUFFIXES

_SUBJECT = re.compile(r"^[FM]\d{3}$")
_TASK = re.compile(r"^T\d{1,2}$")
_STEM = re.compile(r"^([FM]\d{3})[_-]?(T\d{1,2})$")
_OLD_VIDEO = re.compile(r"^2?([FM])(\d{2,3})_(\d{2})$")
_OLD_TASKS = {1: 1, 3: 2, 7: 3, 8: 4, 9: 5, 10: 6, 11: 7, 13: 8}
_DEPTH = 5
K = TypeVar("K")


class Tree:
    """What lies under a root, by what is in the folders rather than by their names.

    Attributes map (subject, task) to paths: ``codes`` (occurrence files), ``intensities`` (files by
    AU), ``images`` (folders), ``videos``, ``landmarks``; and ``archives`` subjects to zip files.
    """

    def __init__(self, root: Path) -> None:
        self.codes: dict[tuple[str, str], Path] = {}
        self.intensities: dict[tuple[str, str], dict[int, Path]] = {}
        self.images: dict[tuple[str, str], Path] = {}
        self.videos: dict[tuple[str, str], Path] = {}
        self.landmarks: dict[tuple[str, str], Path] = {}
        self.archives: dict[str, Path] = {}
        self.problems: list[Problem] = []
        self.root = root
        for folder, files in self._walk(root, _DEPTH):
            for file in files:
                self._file(folder / file)

    @property
    def landmark_folder(self) -> str:
        """Where landmark files were found, for messages."""
        return next(iter(self.landmarks.values())).parent.name

    def _walk(self, folder: Path, depth: int) -> Iterator[tuple[Path, list[str]]]:
        files: list[str] = []
        folders: list[str] = []
        try:
            entries = list(os.scandir(folder))
        except OSError as error:
            self._unreadable(folder, error)
            return
        for entry in entries:
            (folders if entry.is_dir() else files).append(entry.name)
        yield folder, sorted(files)
        for name in sorted(folders):
            below = folder / name
            if _SUBJECT.match(folder.name) and _TASK.match(name):
                self._pictures(folder.name, name, below)
            elif depth and not name.startswith("."):
                yield from self._walk(below, depth - 1)

    def _pictures(self, subject: str, task: str, folder: Path) -> None:
        try:
            names = os.listdir(folder)
        except OSError as error:
            self._unreadable(folder, error)
            return
        if not names or any(Path(name).suffix.lower() in IMAGE_SUFFIXES for name in names):
            self._add(self.images, (subject, task), folder)

    def _unreadable(self, folder: Path, error: OSError) -> None:
        place = folder.relative_to(self.root).as_posix()
        what = f"cannot be read ({error.strerror})"
        self.problems.append(Problem(kind="names", place=place, what=what))

    def _file(self, path: Path) -> None:
        suffix = path.suffix.lower()
        if suffix == ".csv":
            stem, _, au = path.stem.upper().partition("_AU")
            match = _STEM.match(stem)
            if match and au.isdecimal():
                key = (match[1], match[2])
                self._add(self.intensities.setdefault(key, {}), int(au), path)
            elif match:
                self._add(self.codes, (match[1], match[2]), path)
        elif suffix == ".mat":
            if match := _STEM.match(path.stem.upper()):
                self._add(self.landmarks, (match[1], match[2]), path)
        elif suffix == ".zip":
            if _SUBJECT.match(path.stem.upper()):
                self.archives.setdefault(path.stem.upper(), path)
        elif suffix in (".avi", ".mp4"):
            stem = path.stem.upper()
            if match := _STEM.match(stem):
                self._add(self.videos, (match[1], match[2]), path)
            elif (match := _OLD_VIDEO.match(stem)) and int(match[3]) in _OLD_TASKS:
                subject = f"{match[1]}{int(match[2]):03d}"
                self._add(self.videos, (subject, f"T{_OLD_TASKS[int(match[3])]}"), path)

    def _add(self, table: dict[K, Path], key: K, path: Path) -> None:
        if key not in table:
            table[key] = path
            return
        first, second = table[key].relative_to(self.root), path.relative_to(self.root)
        if identical_files([table[key], path]):
            return
        what = f"is there a second time, and differs: {second.as_posix()}"
        self.problems.append(Problem(kind="names", place=first.as_posix(), what=what))
