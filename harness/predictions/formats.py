"""Readers of files with per-frame predictions: a plain table, and what three toolkits write.

    plain       number                     AU1, AU2, ...                        (any kind)
    openface    frame (from 1)             AU01_c presence, AU01_r intensity    (OpenFace 2)
    pyfeat      frame (from 0)             AU01, AU02, ...                      (Py-Feat)
    libreface   frame_idx (from 0)         au_1 presence, au_1_intensity        (LibreFace)

CSV or Parquet, one file for everything or a folder with a file for each sequence. A row's sequence
is its ``sequence`` cell (``subject`` may stand beside it), else the video that Py-Feat names in
``input``, else the name of the file: ``F001/T1.csv`` or ``F001_T1.csv``.

What always holds: a frame in which a toolkit found no face (OpenFace's ``success`` 0, a row of
empty cells) has no prediction; it is marked, never taken for "absent".

Legend: N rows, L action units.
"""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import numpy as np

from harness.errors import UserError
from harness.registry import suggestion

if TYPE_CHECKING:
    import pandas as pd

SUFFIXES = (".csv", ".parquet")


@dataclass(frozen=True, kw_only=True)
class Format:
    """Columns of a format.

    Attributes:
        number: column of the frame number.
        columns: pattern of an AU's column by kind; its group is the AU.
        first: number of the first frame; datasets count from 1, so 1 - ``first`` is added.
    """

    number: str
    columns: Mapping[str, str]
    first: int = 1


_AU = r"AU0*([1-9]\d*)"
FORMATS: dict[str, Format] = {
    "plain": Format(
        number="number",
        columns=dict.fromkeys(("presence", "probability", "intensity", "score"), _AU),
    ),
    "openface": Format(number="frame", columns={"presence": _AU + "_c", "intensity": _AU + "_r"}),
    "pyfeat": Format(
        number="frame", columns={"presence": _AU, "probability": _AU, "score": _AU}, first=0
    ),
    "libreface": Format(
        number="frame_idx",
        columns={
            "presence": r"(?i:au)_0*([1-9]\d*)",
            "intensity": r"(?i:au)_0*([1-9]\d*)_(?i:intensity)",
        },
        first=0,
    ),
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Predictions:
    """What the files say, row by row, before anything is joined.

    Attributes:
        aus: the L action units of the columns.
        sequences: (N,) names as the files have them; ``subjects`` too, or None.
        numbers: int64 (N,) frame numbers as the files have them.
        values: float64 (N, L), NaN where there is no number.
        no_face: bool (N,) rows that say that no face was found.
        first: number of the first frame of a sequence, as the format counts.
        num_files: how many files were read.
        digest: of the bytes of all files and their names.
    """

    format: str
    aus: tuple[int, ...]
    sequences: np.ndarray
    subjects: np.ndarray | None
    numbers: np.ndarray
    values: np.ndarray
    no_face: np.ndarray
    first: int
    num_files: int
    digest: str


def prediction_files(path: Path) -> list[tuple[str, Path]]:
    """(name of the sequence, file) of a file, or of every CSV and Parquet file under a folder."""
    if path.is_file():
        if path.suffix.lower() not in SUFFIXES:
            raise UserError(f"{path}: predictions are read from .csv or .parquet files")
        return [(path.stem, path)]
    if not path.is_dir():
        raise UserError(f"{path}: there is no such file or folder")
    files = sorted(p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
    if not files:
        raise UserError(f"{path} holds no .csv or .parquet files")
    return [(p.relative_to(path).with_suffix("").as_posix(), p) for p in files]


def predictions_digest(path: Path) -> str:
    """Hash of the bytes of the prediction files and of the names that stand for sequences."""
    digest = hashlib.blake2b(digest_size=16)
    for name, file in prediction_files(path):
        content = hashlib.blake2b(file.read_bytes(), digest_size=16).hexdigest()
        digest.update(f"{name}\0{content}\n".encode())
    return digest.hexdigest()


def check_format(name: str) -> None:
    """Refuses what is neither ``auto`` nor one of ``FORMATS``."""
    if name != "auto" and name not in FORMATS:
        raise UserError(f"unknown format {name!r}{suggestion(name, ['auto', *FORMATS])}")


def read_predictions(path: Path, kind: str, format_name: str = "auto") -> Predictions:
    """Reads a file, or a folder of files, of one format.

    Args:
        kind: presence, probability, intensity or score; decides which columns are read.
        format_name: one of ``FORMATS``, or ``auto`` to tell it by the columns.

    Raises:
        UserError: no such file, another format, a missing or double column, or a frame number that
            is not a whole number.
    """
    import pandas as pd

    check_format(format_name)
    tables: list[pd.DataFrame] = []
    files = prediction_files(path)
    aus: dict[int, str] | None = None
    for name, file in files:
        table = _table(file)
        if format_name == "auto":
            format_name = _recognised(table, file)
        found = _au_columns(table, format_name, kind, file)
        if aus is not None and list(found) != list(aus):
            raise UserError(
                f"{file} has AUs {_listed(found)}, {files[0][1]} has AUs {_listed(aus)}: all files "
                "must have the same"
            )
        aus = aus or found
        tables.append(_rows(table, format_name, found, name, file))
    assert aus is not None
    rows = pd.concat(tables, ignore_index=True)
    values = rows[[f"AU{au}" for au in aus]].to_numpy(np.float64)
    with_subjects = rows["subject"].notna().all() and len(rows) > 0
    return Predictions(
        format=format_name,
        aus=tuple(aus),
        sequences=rows["sequence"].to_numpy(dtype=object),
        subjects=rows["subject"].to_numpy(dtype=object) if with_subjects else None,
        numbers=rows["number"].to_numpy(np.int64),
        values=values,
        no_face=rows["no_face"].to_numpy(bool) | np.isnan(values).all(axis=1),
        first=FORMATS[format_name].first,
        num_files=len(files),
        digest=predictions_digest(path),
    )


def _table(file: Path) -> pd.DataFrame:
    import pandas as pd

    try:
        if file.suffix.lower() == ".parquet":
            table = pd.read_parquet(file)
        else:
            with file.open(encoding="utf-8-sig", newline="") as opened:
                header = [cell.strip() for cell in next(csv.reader(opened), [])]
            twice = next((name for name in header if name and header.count(name) > 1), None)
            if twice is not None:
                raise UserError(f"{file} has two columns named {twice!r}")
            names = {"sequence": str, "subject": str}
            table = pd.read_csv(file, skipinitialspace=True, encoding="utf-8-sig", dtype=names)
    except UserError:
        raise
    except Exception as error:  # the CSV and Parquet parsers raise whatever they like
        reason = " ".join(str(error).split())[:160]
        raise UserError(f"{file} cannot be read as a table ({reason})") from error
    table.columns = [str(column).strip() for column in table.columns]
    if table.empty:
        raise UserError(f"{file} holds no rows")
    return table


def _recognised(table: pd.DataFrame, file: Path) -> str:
    """The format that the columns are typical of."""
    columns = set(table.columns)

    def has(pattern: str) -> bool:
        return any(re.fullmatch(pattern, column) for column in columns)

    if "frame_idx" in columns and has(r"(?i:au)_\d+(_intensity)?"):
        return "libreface"
    if "frame" in columns and has(r"AU\d+_[cr]"):
        return "openface"
    if "number" in columns and has(_AU):
        return "plain"
    if "frame" in columns and has(_AU) and columns & {"FaceScore", "FaceRectX", "input"}:
        return "pyfeat"
    some = ", ".join(map(str, list(table.columns)[:6]))
    raise UserError(
        f"{file}: no format fits its columns ({some}, ...); "
        "a plain table has sequence, number, AU1, AU2, ..."
    )


def _au_columns(table: pd.DataFrame, format_name: str, kind: str, file: Path) -> dict[int, str]:
    """Column by AU, in increasing order."""
    form = FORMATS[format_name]
    if kind not in form.columns:
        raise UserError(
            f"format {format_name!r} holds no {kind}: use --kind {' or '.join(form.columns)}"
        )
    if form.number not in table.columns:
        raise UserError(f"{file} has no column {form.number!r}, which format {format_name!r} needs")
    found: dict[int, str] = {}
    for column in table.columns:
        match = re.fullmatch(form.columns[kind], column)
        if match is None:
            continue
        au = int(match[1])
        if au in found:
            raise UserError(f"{file} has two columns for AU{au}: {found[au]!r} and {column!r}")
        found[au] = column
    if not found:
        raise UserError(f"{file} has no columns of {kind} in format {format_name!r}")
    return dict(sorted(found.items()))


def _rows(
    table: pd.DataFrame, format_name: str, aus: Mapping[int, str], name: str, file: Path
) -> pd.DataFrame:
    """Columns sequence, subject, number, no_face, ``AU1``, ..."""
    import pandas as pd

    column = FORMATS[format_name].number
    numbers = pd.to_numeric(table[column], errors="coerce").to_numpy(np.float64)
    odd = ~(np.abs(numbers) < 2**53) | (numbers % 1 != 0)
    if odd.any():
        first = [str(table[column].iloc[i]) for i in np.flatnonzero(odd)[:3]]
        raise UserError(
            f"{file}: {int(odd.sum())} cells of column {column!r} are not whole frame numbers: "
            f"{', '.join(first)}"
        )
    named = "sequence"
    if named not in table.columns and format_name == "pyfeat":
        named = "input"
    if named in table.columns:
        empty = np.flatnonzero(table[named].isna())
        if len(empty):
            where = ", ".join(str(row + 1) for row in empty[:3])
            raise UserError(
                f"{file}: {len(empty)} cells of column {named!r} are empty: in rows {where}"
            )
        sequences = table[named].astype(str)
        if named == "input":
            sequences = sequences.map(_stem)
    else:
        sequences = pd.Series([name] * len(table))
    rows = {
        "sequence": sequences.to_numpy(dtype=object),
        "subject": (
            table["subject"].astype(str).to_numpy(dtype=object)
            if "subject" in table.columns
            else np.full(len(table), None, dtype=object)
        ),
        "number": numbers.astype(np.int64),
        "no_face": np.zeros(len(table), bool),
    }
    if format_name == "openface" and "success" in table.columns:
        success = pd.to_numeric(table["success"], errors="coerce").to_numpy(np.float64)
        rows["no_face"] = success != 1
    for au, au_column in aus.items():
        values = pd.to_numeric(table[au_column], errors="coerce")
        rows[f"AU{au}"] = values.to_numpy(np.float64)
    return pd.DataFrame(rows)


def _stem(path: str) -> str:
    return PurePosixPath(path.replace("\\", "/")).stem


def _listed(aus: Mapping[int, str]) -> str:
    return ", ".join(map(str, aus))
