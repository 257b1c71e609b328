"""Protocols: from a dataset's subjects to the splits that an evaluation runs on.

The paper (section 4.1) splits by subject into 3 folds (two to train, one to test) and 10 folds
(nine to train), with about 20 % of the training subjects for validation, and says nothing of who
they are; folds here are balanced on how often each subject shows each AU. Papers after it share
fixed lists for BP4D and DISFA (``published-3-fold``).

What always holds: the parts of a split share no subject; every subject is tested exactly once over
the folds of a protocol (list files and cross-dataset splits apart); the splits depend on the
protocol, the subjects with their counts, the seed and the groups, never on the order of rows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from harness.data.frames import FrameTable
from harness.errors import UserError
from harness.protocol.balance import balanced_parts
from harness.protocol.guard import check_disjoint, people_in_both
from harness.protocol.lists import read_list
from harness.protocol.published import published_test_parts
from harness.protocol.split import Split
from harness.protocol.subjects import SubjectCounts, count_subjects

PROTOCOLS = (
    "3-fold",
    "10-fold",
    "N-fold",
    "published-3-fold",
    "leave-one-subject-out",
    "cross-dataset",
    "list",
)

GroupOf = Callable[[str], str]
TestParts = list[tuple[str, Sequence[str]]]  # (fold, its test subjects)


def check_protocol(protocol: str) -> None:
    """Refuses a name that is no protocol; ``"5-fold"`` is one, ``"N-fold"`` is not."""
    if protocol in PROTOCOLS and protocol != "N-fold":
        return
    if _num_folds(protocol) is None:
        raise UserError(
            f"unknown protocol {protocol!r}; valid are {', '.join(PROTOCOLS)} (N a number from 2)"
        )


def make_splits(
    protocol: str,
    table: FrameTable,
    *,
    seed: int,
    validation_share: float = 0.2,
    group_of: GroupOf | None = None,
    lists: Path | None = None,
) -> list[Split]:
    """The splits of a protocol within one dataset.

    Args:
        protocol: one of ``PROTOCOLS`` but ``"cross-dataset"``; ``"5-fold"`` for any N from 2.
        seed: from 0; another seed gives other folds and other validation subjects.
        validation_share: of the training subjects that validate, above 0 and below 1; at least one
            subject validates and at least one trains.
        group_of: names the group of a subject; groups stay together. Leave-one-subject-out then
            leaves out one group at a time.
        lists: the list file of protocol ``"list"``.
    """
    check_protocol(protocol)
    if protocol == "cross-dataset":
        raise UserError(
            "protocol 'cross-dataset' takes two datasets: name one to train and one to test"
        )
    if (protocol == "list") != (lists is not None):
        raise UserError(
            "protocol 'list' needs a list file"
            if lists is None
            else f"protocol {protocol!r} reads no list file: use protocol 'list' with {lists}"
        )
    _check_numbers(seed, validation_share)
    counts = count_subjects(table)
    if lists is not None:
        named = read_list(lists, counts.subjects)
        tests: TestParts = [(fold, parts["test"]) for fold, parts in named.items()]
    else:
        named = {}
        tests = _test_parts(protocol, counts, seed, group_of)
    splits = []
    for position, (fold, test) in enumerate(tests):
        parts = named.get(fold, {"train": [], "validation": []})
        taken = {*test, *parts["validation"]}
        train = parts["train"] or [s for s in counts.subjects if s not in taken]
        validation = parts["validation"] or _validation(
            counts,
            train,
            validation_share,
            np.random.default_rng([seed, 1, position]),
            group_of,
            where=f"{protocol}, fold {fold}",
        )
        splits.append(_split(protocol, fold, set(train) - set(validation), validation, test))
    return splits


def cross_dataset_split(
    train: FrameTable,
    test: FrameTable,
    *,
    seed: int,
    validation_share: float = 0.2,
    group_of: GroupOf | None = None,
    linked: Mapping[str, str] | None = None,
) -> Split:
    """Trains (and validates) on one dataset, tests on all subjects of another.

    Whoever of the training dataset is also in the test dataset (by ``guard.linked_subjects``, or by
    ``linked``, from a subject to the same person's id there) is left out of training.
    """
    _check_numbers(seed, validation_share)
    shared_aus(train, test)
    counts = count_subjects(train)
    tested = count_subjects(test).subjects
    same = {subject for subject, _ in people_in_both(counts.subjects, tested, linked)}
    kept = [s for s in counts.subjects if s not in same]
    if not kept:
        raise UserError(
            f"cross-dataset: every training subject ({min(same)!r}, ...) is also a test subject"
        )
    validation = _validation(
        counts,
        kept,
        validation_share,
        np.random.default_rng([seed, 1, 0]),
        group_of,
        where="cross-dataset",
    )
    split = _split("cross-dataset", "1", set(kept) - set(validation), validation, tested)
    check_disjoint(split, linked)
    return split


def other_dataset_split(
    train: FrameTable,
    apart_from: Sequence[FrameTable],
    *,
    seed: int,
    validation_share: float = 0.2,
    group_of: GroupOf | None = None,
) -> Split:
    """Trains and validates on all subjects of a dataset but those who are also in one of
    ``apart_from`` (by ``guard.linked_subjects``); its test part is empty."""
    _check_numbers(seed, validation_share)
    counts = count_subjects(train)
    shunned = [s for table in apart_from for s in count_subjects(table).subjects]
    same = {subject for subject, _ in people_in_both(counts.subjects, shunned)}
    kept = [s for s in counts.subjects if s not in same]
    if not kept:
        raise UserError(
            f"everybody in it ({min(same)!r}, ...) is also in the dataset that is tested"
        )
    rng = np.random.default_rng([seed, 1, 0])
    validation = _validation(counts, kept, validation_share, rng, group_of, where="other-dataset")
    return _split("other-dataset", "1", set(kept) - set(validation), validation, ())


def shared_aus(train: FrameTable, test: FrameTable) -> tuple[int, ...]:
    """The AUs that both datasets have, in the training dataset's order."""
    shared = tuple(au for au in train.aus if au in test.aus)
    if not shared:
        raise UserError(
            f"the two datasets share no AU: {list(train.aus)} to train, {list(test.aus)} to test"
        )
    return shared


def _test_parts(
    protocol: str, counts: SubjectCounts, seed: int, group_of: GroupOf | None
) -> TestParts:
    """(fold, its test subjects) of every fold."""
    if protocol == "published-3-fold":
        return published_test_parts(counts.subjects)
    units = _units(counts.subjects, group_of)
    what = "subjects" if group_of is None else "groups"
    if protocol == "leave-one-subject-out":
        if len(units) < 2:
            raise UserError(f"leave-one-subject-out needs at least 2 {what}; the dataset has 1")
        return list(units.items())
    num_folds = _num_folds(protocol)
    assert num_folds is not None
    if num_folds > len(units):
        raise UserError(
            f"{protocol} needs at least {num_folds} {what}; the dataset has {len(units)}"
        )
    fold_of = _deal(
        counts, units, np.full(num_folds, 1 / num_folds), np.random.default_rng([seed, 0])
    )
    return [(str(k + 1), [s for s in counts.subjects if fold_of[s] == k]) for k in range(num_folds)]


def _validation(
    counts: SubjectCounts,
    train: Sequence[str],
    share: float,
    rng: np.random.Generator,
    group_of: GroupOf | None,
    *,
    where: str,
) -> list[str]:
    """About ``share`` of the training subjects, balanced on the AUs like the folds."""
    units = _units(sorted(train), group_of)
    if len(units) < 2:
        what = "subject" if group_of is None else "group"
        raise UserError(
            f"{where} leaves {len(units)} {what} to train on; two are needed, one to validate"
        )
    num_train = len(train)
    wanted = min(max(1, round(share * num_train)), num_train - 1) / num_train
    part_of = _deal(counts, units, np.array([1 - wanted, wanted]), rng)
    return [s for s in train if part_of[s] == 1]


def _deal(
    counts: SubjectCounts,
    units: Mapping[str, Sequence[str]],
    shares_K: np.ndarray,
    rng: np.random.Generator,
) -> dict[str, int]:
    """subject -> part, units kept whole."""
    row_of = {subject: row for row, subject in enumerate(counts.subjects)}
    quantities_SL = counts.to_balance()
    counts_GL = np.stack(
        [quantities_SL[[row_of[s] for s in members]].sum(axis=0) for members in units.values()]
    )
    sizes_G = np.array([len(members) for members in units.values()])
    part_of_G = balanced_parts(counts_GL, sizes_G, shares_K, rng)
    return {
        subject: int(part)
        for members, part in zip(units.values(), part_of_G, strict=True)
        for subject in members
    }


def _units(subjects: Sequence[str], group_of: GroupOf | None) -> dict[str, list[str]]:
    """unit -> its subjects: each subject on its own, or each group, in sorted order."""
    units: dict[str, list[str]] = {}
    for subject in subjects:
        units.setdefault(subject if group_of is None else group_of(subject), []).append(subject)
    return dict(sorted(units.items()))


def _split(
    protocol: str, fold: str, train: set[str], validation: Sequence[str], test: Sequence[str]
) -> Split:
    split = Split(
        protocol=protocol,
        fold=fold,
        train=tuple(sorted(train)),
        validation=tuple(sorted(validation)),
        test=tuple(sorted(test)),
    )
    check_disjoint(split)
    return split


def _num_folds(protocol: str) -> int | None:
    match = re.fullmatch(r"([1-9]\d*)-fold", protocol)
    return int(match[1]) if match and int(match[1]) >= 2 else None


def _check_numbers(seed: int, validation_share: float) -> None:
    if seed < 0:
        raise UserError(f"seed {seed} of the splits is negative: use a number from 0")
    if not 0 < validation_share < 1:
        raise UserError(f"validation share {validation_share} must lie above 0 and below 1")
