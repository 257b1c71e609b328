"""List files: the splits of a protocol as a table that people can read, write and send around.

    fold,part,subject
    1,test,bp4d:F001
    1,validation,bp4d:F002

One subject a line; blank lines and lines that begin with # are skipped; the dataset's prefix may be
left out. A fold that names no train subjects trains on everyone whom it does not name; a fold that
names no validation subjects gets them chosen inside its train part, as for any other protocol.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path

from harness.errors import UserError
from harness.protocol.split import PARTS, Split

HEADER = ["fold", "part", "subject"]


def read_list(file: Path, subjects: Iterable[str]) -> dict[str, dict[str, list[str]]]:
    """fold -> part -> subjects, as the file names them, all known to the dataset."""
    known = {name: s for s in subjects for name in (s, s.split(":", 1)[-1])}
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{file} cannot be read as a list of splits: {error}") from error
    folds: dict[str, dict[str, list[str]]] = {}
    part_of: dict[tuple[str, str], str] = {}
    header_seen = False
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        cells = [cell.strip() for cell in next(csv.reader([line]))]
        if not header_seen:
            if cells != HEADER:
                raise UserError(f"{file}, line {number}: the header must be {','.join(HEADER)}")
            header_seen = True
            continue
        if len(cells) != len(HEADER):
            raise UserError(
                f"{file}, line {number}: {len(cells)} cells in place of fold,part,subject"
            )
        fold, part, name = cells
        if part not in PARTS:
            raise UserError(f"{file}, line {number}: part {part!r} is none of {', '.join(PARTS)}")
        if name not in known:
            raise UserError(f"{file}, line {number}: the dataset has no subject {name!r}")
        subject = known[name]
        if (fold, subject) in part_of:
            raise UserError(
                f"{file}, line {number}: subject {name!r} is in {part_of[fold, subject]} of fold "
                f"{fold} already"
            )
        part_of[fold, subject] = part
        folds.setdefault(fold, {p: [] for p in PARTS})[part].append(subject)
    if not folds:
        raise UserError(f"{file} names no fold")
    for fold, parts in folds.items():
        if not parts["test"]:
            raise UserError(f"{file}: fold {fold} names no test subject")
    return folds


def write_list(splits: Iterable[Split], file: Path) -> None:
    """Writes splits in the form that ``read_list`` takes, whole or not at all."""
    aside = file.with_name(file.name + ".part")
    with aside.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(HEADER)
        for split in splits:
            for part in PARTS:
                writer.writerows((split.fold, part, subject) for subject in split.part(part))
    aside.replace(file)
