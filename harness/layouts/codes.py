"""Reading a table of AU codes: a CSV with a frame column and a column for each AU.

Two header forms are in circulation, and both are read by what the header says: 100 columns headed
``0,1,...,99`` (column N is AU N), and short tables whose header names the AUs (``frame,AU1,AU2`` or
``1,1,2,4,5``: the first cell may be anything, even another AU's number, and is never looked at).

What always holds: a cell that is missing, not a number, or not a known code is label 0 and a
``Problem`` with its file and line; a table without a column for a requested AU is refused whole.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.layouts.adapter import Problem

_AU_NAME = re.compile(r"^\s*(?:au)?[\s_]*0*(\d{1,2})(?:_?[cr])?\s*$", re.IGNORECASE)
_BAD = np.int64(np.iinfo(np.int64).min)
_LAST_FRAME = 10**9


@dataclass(frozen=True, kw_only=True)
class Codes:
    """A parsed table: increasing frame numbers (T,) and their codes (T, L), ``bad`` where a cell
    could not be read (its problem has been recorded)."""

    numbers: np.ndarray
    codes: np.ndarray
    bad: np.ndarray


def read_text(file: Path, place: str, problems: list[Problem]) -> str | None:
    """The text of a code file, or None and a problem."""
    try:
        data = file.read_bytes()
    except OSError as error:
        problems.append(
            Problem(kind="code files", place=place, what=f"cannot be read ({error.strerror})")
        )
        return None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        what = f"is not UTF-8 text (byte {error.start}): save it as UTF-8"
        problems.append(Problem(kind="code files", place=place, what=what))
        return None
    if "\0" in text:
        what = "holds null bytes: it is not a text file, or not UTF-8"
        problems.append(Problem(kind="code files", place=place, what=what))
        return None
    if not text.strip():
        problems.append(Problem(kind="code files", place=place, what="is empty"))
        return None
    return text


def read_code_table(
    file: Path,
    place: str,
    aus: Sequence[int],
    problems: list[Problem],
    *,
    frame_column: str | None = None,
    other_columns: bool = False,
    blank: int | None = None,
) -> Codes | None:
    """The codes of the given AUs; None (and a problem) if the table cannot be used at all.

    Args:
        frame_column: header of the column of frame numbers; None is the first column.
        other_columns: whether the table may have columns that are no AU's.
        blank: the code that an empty cell stands for; None makes it a problem.
    """
    text = read_text(file, place, problems)
    if text is None:
        return None
    lines = text.splitlines()
    header = [cell.strip().strip('"') for cell in lines[0].split(",")]
    if frame_column is not None and frame_column not in header:
        what = f"has no column {frame_column!r}; it has {', '.join(header[:8])}"
        problems.append(Problem(kind="code files", place=place, what=what))
        return None
    at_frame = 0 if frame_column is None else header.index(frame_column)
    columns = _au_columns(header, at_frame, place, problems, other_columns=other_columns)
    if columns is None:
        return None
    missing = [au for au in aus if au not in columns]
    if missing:
        names = ", ".join(f"AU{au}" for au in missing)
        problems.append(Problem(kind="code files", place=place, what=f"has no column for {names}"))
        return None
    wanted = [at_frame, *(columns[au] for au in aus)]
    table = parse_rows(
        lines[1:], len(header), wanted, aus, place, problems, first_line=2, blank=blank
    )
    return table if len(table.numbers) else None


def _au_columns(
    header: list[str], at_frame: int, place: str, problems: list[Problem], *, other_columns: bool
) -> dict[int, int] | None:
    """Column by AU."""
    columns: dict[int, int] = {}
    for column, cell in enumerate(header):
        if column == at_frame:
            continue
        match = _AU_NAME.match(cell)
        if match is None and other_columns:
            continue
        what = None
        if match is None:
            what = f"line 1, column {column + 1}: {cell!r} is not an AU number"
        elif int(match[1]) in columns:
            au = int(match[1])
            what = f"line 1: AU{au} heads columns {columns[au] + 1} and {column + 1}"
        if match is None or what is not None:
            problems.append(Problem(kind="code files", place=place, what=what or ""))
            return None
        columns[int(match[1])] = column
    if len(header) > 50 and not other_columns and columns != {au: au for au in range(1, 100)}:
        what = (
            f"has {len(header)} columns, not the 100 headed 0 to 99: a column is missing, extra "
            "or out of place"
        )
        problems.append(Problem(kind="code files", place=place, what=what))
        return None
    return columns


def parse_rows(
    lines: Sequence[str],
    width: int | None,
    wanted: Sequence[int],
    aus: Sequence[int],
    place: str,
    problems: list[Problem],
    *,
    first_line: int = 1,
    blank: int | None = None,
) -> Codes:
    """Frame number and codes from data lines.

    Args:
        width: cells that each line must have; None accepts what ``wanted`` needs.
        wanted: columns to keep, the frame number's first.
        first_line: number of the first of ``lines`` in its file, for messages.
        blank: the code that an empty cell stands for; None makes it a problem.
    """
    kept = [(first_line + i, line) for i, line in enumerate(lines) if line.strip()]
    if not kept:
        problems.append(Problem(kind="code files", place=place, what="holds no coded frame"))
    try:
        table = np.array([line.split(",") for _, line in kept], dtype=np.int64)
        good = table.ndim == 2 and (width is None or table.shape[1] == width)
        numbers = table[:, wanted[0]] if good else table
        good = good and bool(((numbers >= 0) & (numbers <= _LAST_FRAME)).all())
        cells = table[:, wanted] if good else None
    except (ValueError, OverflowError, IndexError):
        cells = None
    if cells is None:
        cells = _careful(kept, width, wanted, aus, place, problems, blank)
    return _keyed(cells, [n for n, _ in kept], place, problems)


def _careful(
    kept: list[tuple[int, str]],
    width: int | None,
    wanted: Sequence[int],
    aus: Sequence[int],
    place: str,
    problems: list[Problem],
    blank: int | None,
) -> np.ndarray:
    """Cell by cell, for tables in which something is wrong: bad cells are ``_BAD``."""
    cells = np.full((len(kept), len(wanted)), _BAD, np.int64)
    for row, (line_number, line) in enumerate(kept):
        parts = [part.strip().strip('"') for part in line.split(",")]
        at = f"{place}, line {line_number}"
        try:
            number = _whole(parts[wanted[0]])
            if not 0 <= number <= _LAST_FRAME:
                raise ValueError
        except (ValueError, OverflowError, IndexError):
            shown = parts[wanted[0]] if wanted[0] < len(parts) else ""
            what = f"the frame number {shown!r} is not a whole number from 0 to {_LAST_FRAME}"
            problems.append(Problem(kind="code cells", place=at, what=what))
            continue
        cells[row, 0] = number
        if len(parts) != (width or len(parts)) or len(parts) <= max(wanted):
            what = f"has {len(parts)} cells, not {width or max(wanted) + 1}"
            problems.append(Problem(kind="code cells", place=at, what=what, frames=1))
            continue
        for column, au in enumerate(aus, start=1):
            if blank is not None and not parts[wanted[column]]:
                cells[row, column] = blank
                continue
            try:
                cells[row, column] = _whole(parts[wanted[column]])
            except (ValueError, OverflowError):
                what = f"AU{au}: {parts[wanted[column]]!r} is not a code"
                problems.append(Problem(kind="code cells", place=at, what=what, frames=1))
    return cells


def _whole(text: str) -> int:
    value = float(text)
    if value != int(value):
        raise ValueError
    return int(value)


def _keyed(
    cells: np.ndarray, line_numbers: list[int], place: str, problems: list[Problem]
) -> Codes:
    """Sorted by frame number; a number that comes twice is a problem, and unknown if its rows
    differ."""
    present = cells[:, 0] != _BAD
    cells, lines = cells[present], np.asarray(line_numbers)[present]
    order = np.argsort(cells[:, 0], kind="stable")
    cells, lines = cells[order], lines[order]
    first = np.r_[True, cells[1:, 0] != cells[:-1, 0]] if len(cells) else np.zeros(0, bool)
    for row in np.flatnonzero(~first):
        start = row - 1
        while not first[start]:
            start -= 1
        same = bool(np.array_equal(cells[row], cells[start]))
        what = f"frame {cells[row, 0]} was already on line {lines[start]}" + (
            ", with the same codes" if same else ", with other codes"
        )
        at = f"{place}, line {lines[row]}"
        problems.append(Problem(kind="duplicate rows", place=at, what=what, frames=int(not same)))
        if not same:
            cells[start, 1:] = _BAD
    cells = cells[first]
    return Codes(numbers=cells[:, 0].astype(np.int64), codes=cells[:, 1:], bad=cells[:, 1:] == _BAD)


def occurrence_labels(
    table: Codes,
    aus: Sequence[int],
    missing_codes: Collection[int],
    place: str,
    problems: list[Problem],
) -> np.ndarray:
    """int8 (T, L): code 1 is +1, 0 is -1, a missing code 0; any other code is 0 and a problem."""
    return _labels(table, aus, missing_codes, {0: -1, 1: 1}, place, problems)


def intensity_labels(
    table: Codes,
    aus: Sequence[int],
    missing_codes: Collection[int],
    binarise_at: int,
    place: str,
    problems: list[Problem],
) -> np.ndarray:
    """int8 (T, L): intensities from ``binarise_at`` to 5 are +1, those below -1, a missing code 0;
    any other code is 0 and a problem."""
    meaning = {code: 1 if code >= binarise_at else -1 for code in range(6)}
    return _labels(table, aus, missing_codes, meaning, place, problems)


def _labels(
    table: Codes,
    aus: Sequence[int],
    missing_codes: Collection[int],
    meaning: dict[int, int],
    place: str,
    problems: list[Problem],
) -> np.ndarray:
    labels = np.zeros(table.codes.shape, np.int8)
    explained = table.bad | np.isin(table.codes, list(missing_codes))
    for code, label in meaning.items():
        if code not in missing_codes:
            labels[(table.codes == code) & ~table.bad] = label
            explained |= table.codes == code
    for row, column in np.argwhere(~explained):
        what = (
            f"frame {table.numbers[row]}, AU{aus[column]}: code {table.codes[row, column]} is "
            f"neither one of {sorted(set(meaning) - set(missing_codes))} nor a missing code "
            f"({', '.join(map(str, missing_codes))})"
        )
        problems.append(Problem(kind="code cells", place=place, what=what, frames=1))
    return labels


@dataclass(frozen=True, kw_only=True)
class AuColumn:
    """One AU's labels int8 (T,) of its frames (T,), and the file that they come from."""

    numbers: np.ndarray
    labels: np.ndarray
    place: str


def join_columns(
    columns: Mapping[int, AuColumn], aus: Sequence[int], problems: list[Problem]
) -> tuple[np.ndarray, np.ndarray] | None:
    """Frame numbers (T,) and labels (T, L) from a file for each AU; None if no file has a row.

    Where an AU has no row for a frame that others have, it is unknown, and a problem.
    """
    if not columns:
        return None
    numbers = np.unique(np.concatenate([column.numbers for column in columns.values()]))
    if not len(numbers):
        return None
    labels = np.zeros((len(numbers), len(aus)), np.int8)
    for au, column in columns.items():
        labels[np.searchsorted(numbers, column.numbers), list(aus).index(au)] = column.labels
        absent = len(numbers) - len(column.numbers)
        if absent:
            what = f"has no row for {absent} frames that other AUs have"
            problems.append(
                Problem(kind="code cells", place=column.place, what=what, frames=absent)
            )
    return numbers, labels
