"""The ``2DFeatures/*.mat`` files of BP4D and BP4D+: 49 tracked points for every picture.

Each file holds a MATLAB struct array ``fit`` with one entry a picture, in order: ``pred`` is 49x2,
(x, y) in pixels counted from 1, and empty where tracking was lost; ``pose`` has a rotation matrix
and three angles.
"""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from harness.prepare.decode import Damaged

_TEXT = 116
"""Bytes of free text at the beginning of a MATLAB 5 file."""


@dataclass(frozen=True)
class FitFile:
    """The landmark file of one sequence.

    Attributes:
        file: the ``.mat`` file; ``name`` is how messages show it.
        offset: entry (counted from 0) = coded frame number + offset.
        num_pictures: pictures of the sequence up to its last, as many as the file must have
            entries; None where that is not known.
    """

    file: Path
    name: str
    offset: int
    num_pictures: int | None = None

    def read(self, numbers: np.ndarray) -> np.ndarray:
        """float32 (T, 49, 2) pixels counted from 0, NaN where lost, for coded frame numbers."""
        points_M = read_fit(self.file, self.name)
        if self.num_pictures is not None and len(points_M) != self.num_pictures:
            raise Damaged(
                self.name,
                f"has {len(points_M)} entries for a sequence of {self.num_pictures} pictures: it "
                "is cut short, or belongs to another sequence",
            )
        entries = np.asarray(numbers, np.int64) + self.offset
        if len(entries) and (entries[0] < 0 or entries[-1] >= len(points_M)):
            wrong = int(entries[0] if entries[0] < 0 else entries[-1])
            raise Damaged(
                self.name,
                f"has {len(points_M)} entries, and frame {wrong - self.offset} would be entry "
                f"{wrong + 1}: it is cut short, or belongs to another sequence",
            )
        return points_M[entries]


@dataclass(frozen=True)
class UnusableFile:
    """A landmark file of which it is known that it must not be used, and why."""

    name: str
    reason: str

    def read(self, numbers: np.ndarray) -> np.ndarray:
        """Always ``Damaged``."""
        raise Damaged(self.name, self.reason)


def read_fit(file: Path, name: str) -> np.ndarray:
    """float32 (M, 49, 2): every entry's points in pixels counted from 0, NaN where lost."""
    from scipy.io import loadmat

    if not file.is_file():
        raise Damaged(name, "there is no such landmark file")
    try:
        loaded = loadmat(file, variable_names=["fit"])
    except NotImplementedError as error:
        raise Damaged(name, "is a MATLAB 7.3 file: save it in MATLAB with -v7") from error
    except Exception as error:  # scipy raises whatever its parser stumbles over
        raise Damaged(name, f"is not a MATLAB file that can be read ({error})") from error
    fit = loaded.get("fit")
    if fit is None or fit.dtype.names is None or "pred" not in fit.dtype.names:
        raise Damaged(name, "has no struct array 'fit' with a field 'pred'")
    predictions = fit["pred"].ravel()
    points_MP2 = np.full((len(predictions), 49, 2), np.nan, np.float32)
    for entry, prediction in enumerate(predictions):
        if prediction.size == 0:
            continue
        if prediction.shape != (49, 2) or prediction.dtype.kind not in "fiu":
            raise Damaged(name, f"entry {entry + 1} is {prediction.shape}, not 49x2 numbers")
        finite = np.isfinite(prediction)
        if finite.any() and not finite.all():
            raise Damaged(name, f"entry {entry + 1} holds points that are no numbers")
        points_MP2[entry] = np.where(finite, prediction - 1.0, np.nan)
    return points_MP2


def write_fit(file: Path, points_MP2: np.ndarray, roll_M: np.ndarray) -> None:
    """Writes such a file.

    Args:
        points_MP2: (M, 49, 2) pixels counted from 0, NaN where lost.
        roll_M: in-plane rotation of each picture's face, radians.
    """
    fit = np.empty((1, len(points_MP2)), dtype=[("pred", object), ("pose", object)])
    for entry, (points, roll) in enumerate(zip(points_MP2, roll_M, strict=True)):
        lost = bool(np.isnan(points).any())
        rotation = np.eye(3)
        rotation[:2, :2] = [[np.cos(roll), -np.sin(roll)], [np.sin(roll), np.cos(roll)]]
        fit[0, entry]["pred"] = np.empty((0, 0)) if lost else points.astype(np.float64) + 1.0
        fit[0, entry]["pose"] = {
            "rot": np.empty((0, 0)) if lost else rotation,
            "angle": np.empty((0, 0)) if lost else np.degrees([[0.0, 0.0, roll]]),
        }
    file.parent.mkdir(parents=True, exist_ok=True)
    write_mat(file, {"fit": fit})


def write_mat(file: Path, variables: dict[str, Any]) -> None:
    """Writes a MATLAB 5 file whose bytes depend on the variables alone: the text at its beginning,
    where scipy puts the date, is replaced."""
    from scipy.io import savemat

    buffer = BytesIO()
    savemat(buffer, variables, do_compression=True)
    data = buffer.getvalue()
    file.write_bytes(b"MATLAB 5.0 MAT-file".ljust(_TEXT) + data[_TEXT:])
