"""Subject lists that publications use, as data, and who is the same person in two datasets.

The 3-fold lists of BP4D and DISFA are those that most AU papers since 2016 share (the same sets
stand in the released lists of JAA-Net, ME-GraphAU and AU-Nets); part k is the test part of fold k.
Papers number the folds differently, so compare sets and not numbers.

The nine subjects of DISFA+ were recorded for DISFA too. BP4D and BP4D+ both count F001, F002, ...
but for different people, so they are not linked.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from harness.errors import UserError


def _ids(line: str) -> tuple[str, ...]:
    return tuple(line.split())


PUBLISHED_3_FOLD: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "bp4d": (
        _ids("F001 F002 F008 F009 F010 F016 F018 F023 M001 M004 M007 M008 M012 M014"),
        _ids("F003 F005 F011 F013 F020 F022 M002 M005 M010 M011 M013 M016 M017 M018"),
        _ids("F004 F006 F007 F012 F014 F015 F017 F019 F021 M003 M006 M009 M015"),
    ),
    "disfa": (
        _ids("SN001 SN002 SN009 SN010 SN016 SN026 SN027 SN030 SN032"),
        _ids("SN006 SN011 SN012 SN013 SN018 SN021 SN024 SN028 SN031"),
        _ids("SN003 SN004 SN005 SN007 SN008 SN017 SN023 SN025 SN029"),
    ),
}

SAME_PEOPLE: Mapping[frozenset[str], tuple[str, ...]] = {
    frozenset({"disfa", "disfa+"}): _ids("SN001 SN003 SN004 SN007 SN009 SN010 SN013 SN025 SN027"),
}

_FAMILY = re.compile(r"(bp4d|disfa|gft)[\s_-]*(\+|plus)?(?![a-z0-9])", re.IGNORECASE)


def family(dataset: str) -> str | None:
    """The dataset that a prepared dataset's name stands for: ``"disfa"`` for ``"disfa-left"``,
    ``"disfa+"`` for ``"DISFAplus"``; None where the name says nothing."""
    match = _FAMILY.match(dataset)
    if match is None:
        return None
    return match[1].lower() + ("+" if match[2] else "")


def published_test_parts(subjects: Sequence[str]) -> list[tuple[str, Sequence[str]]]:
    """(fold, its test subjects) of the list that belongs to a dataset with these subjects.

    The list is found by the dataset's prefix, or, where that says nothing, by the ids; the dataset
    must have exactly the subjects of the list.
    """
    full_id = {subject.split(":", 1)[-1]: subject for subject in subjects}
    dataset = subjects[0].split(":", 1)[0] if ":" in subjects[0] else "this dataset"
    name = family(dataset) or _closest(set(full_id))
    if name not in PUBLISHED_3_FOLD:
        raise UserError(
            f"published-3-fold: there is no published list for {dataset}, only for "
            f"{', '.join(PUBLISHED_3_FOLD)}; use 3-fold, or a list file"
        )
    parts = PUBLISHED_3_FOLD[name]
    listed = {subject for part in parts for subject in part}
    missing = sorted(listed - full_id.keys())
    if missing:
        raise UserError(
            f"published-3-fold: {dataset} has no subject {missing[0]!r}, which the list of {name} "
            f"names ({len(listed) - len(missing)} of its {len(listed)} are here); use 3-fold"
        )
    unlisted = sorted(full_id.keys() - listed)
    if unlisted:
        raise UserError(
            f"published-3-fold: the list of {name} does not name subject {full_id[unlisted[0]]!r}; "
            "use 3-fold, or a list file"
        )
    return [(str(k), [full_id[s] for s in part]) for k, part in enumerate(parts, start=1)]


def _closest(ids: set[str]) -> str:
    """The published dataset that has most of the ids; "" where none has any."""
    overlap = {
        name: len(ids & {s for part in parts for s in part})
        for name, parts in PUBLISHED_3_FOLD.items()
    }
    best = max(overlap, key=lambda name: overlap[name])
    return best if overlap[best] else ""
