"""BP4D+ (MMSE) as distributed: 140 subjects (F001 to F082, M001 to M058), ten tasks, of which T1,
T6, T7 and T8 are coded.

    2D+3D/F001.zip                   pictures <top>/T8/0012.jpg of all tasks, in no certain order
    2DFeatures/F001_T1.mat           49 landmarks a picture, as in BP4D
    AUCoding/AU_OCC/F001_T1.csv      35 columns: frame, then 34 AUs
    AUCoding/AU_INT/AU06/F001_T1_AU06.csv

The first header cell of the code files may be blank or ``1``, which is also the second's: columns
are taken by their place after the first, never by a header looked up by name. Zips are read in
place; subjects whose zip was unpacked (``F001/T8/0012.jpg``) are read as folders. Pictures are
taken to be counted from 0, as in BP4D.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterable
from itertools import chain, zip_longest
from pathlib import Path, PurePosixPath

import numpy as np

from harness.layouts.adapter import Problem
from harness.layouts.bp4d import Bp4d, Key
from harness.layouts.bp4d_writer import Bp4dWriter, code_cells, write_lines
from harness.layouts.tree import Tree
from harness.prepare.decode import ImageFolder, Video, ZipImages, picture_number, unsafe_member

CODED_TASKS = ("T1", "T6", "T7", "T8")
CODED_AUS = (1, 2, 4, 5, 6, 7, *range(9, 21), 22, 23, 24, *range(27, 40))
_TASK = re.compile(r"^T\d{1,2}$")


class Bp4dPlus(Bp4d):
    """Reads BP4D+, zips or unpacked folders or videos."""

    name = "bp4dplus"
    coded_tasks = CODED_TASKS

    def _picture_sources(
        self, found: Tree, problems: list[Problem]
    ) -> tuple[str, dict[Key, ImageFolder | ZipImages | Video]]:
        if self.options.pictures == "videos" or not found.archives:
            return super()._picture_sources(found, problems)
        places: dict[Key, ImageFolder | ZipImages | Video] = {
            key: ImageFolder(path, self.relative(path)) for key, path in found.images.items()
        }
        for subject, archive in sorted(found.archives.items()):
            name = self.relative(archive)
            for task, members in _members(archive, name, problems).items():
                if task in self.coded_tasks:
                    places[subject, task] = ZipImages(archive, name, members)
        return "images", places


def _members(archive: Path, name: str, problems: list[Problem]) -> dict[str, dict[int, str]]:
    """Members of a subject's archive by task and picture number; what is wrong is a problem."""
    tasks: dict[str, dict[int, str]] = {}
    try:
        with zipfile.ZipFile(archive) as opened:
            names = [info.filename for info in opened.infolist() if not info.is_dir()]
    except (OSError, zipfile.BadZipFile) as error:
        size = archive.stat().st_size
        what = "is empty (0 bytes)" if not size else f"is not a zip archive ({error})"
        problems.append(Problem(kind="archives", place=name, what=what))
        return {}
    for member in sorted(names):
        if unsafe_member(member):
            what = f"holds {member!r}, which leads out of the archive's folder: it is not read"
            problems.append(Problem(kind="archives", place=name, what=what))
            continue
        path = PurePosixPath(member.replace("\\", "/"))
        number = picture_number(path.name)
        if number is None or len(path.parts) < 2 or not _TASK.match(path.parts[-2]):
            continue
        pictures = tasks.setdefault(path.parts[-2], {})
        if number in pictures:
            what = f"{pictures[number]} and {member} are both picture {number}"
            problems.append(Problem(kind="archives", place=name, what=what))
        pictures.setdefault(number, member)
    if not tasks:
        problems.append(Problem(kind="archives", place=name, what="holds no pictures"))
    return tasks


class Bp4dPlusWriter(Bp4dWriter):
    """Writes BP4D+: a zip for each subject, its members out of order."""

    layout = "bp4dplus"
    subjects = tuple(
        subject
        for subject in chain(
            *zip_longest((f"F{i:03d}" for i in range(1, 83)), (f"M{i:03d}" for i in range(1, 59)))
        )
        if subject
    )
    tasks = CODED_TASKS

    def write_subject(self, subject: str) -> None:
        """The subject's zip is begun anew, so an interrupted run leaves no half of one."""
        self._archive(self.names[subject]).unlink(missing_ok=True)
        super().write_subject(subject)

    def _archive(self, name: str) -> Path:
        return self.folder / "2D+3D" / f"{name}.zip"

    def store_pictures(self, name: str, task: str, pictures: Iterable[tuple[str, bytes]]) -> None:
        """Adds a task's pictures to the subject's zip, odd ones first."""
        entries = sorted(pictures, key=lambda entry: (int(entry[0].split(".")[0]) % 2 == 0, entry))
        archive = self._archive(name)
        archive.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(archive, "a", zipfile.ZIP_STORED) as opened:
            for file, data in entries:
                opened.writestr(zipfile.ZipInfo(f"{name}/{task}/{file}"), data)

    def write_occurrence(self, file: Path, numbers: np.ndarray, labels_TL: np.ndarray) -> None:
        """The 35-column occurrence file, whose first header cell is that of AU1."""
        cells = code_cells(labels_TL, self.source.aus, CODED_AUS)
        rows = [f"{n},{','.join(row)}" for n, row in zip(numbers, cells, strict=True)]
        write_lines(file, [",".join(map(str, (1, *CODED_AUS))), *rows])
