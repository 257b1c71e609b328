"""The guard against leaks: nobody may be on both sides, under either of two names.

It stands twice: where splits are made (``check_disjoint``), and where a trained model, which
remembers whom it has seen, is about to be evaluated (``check_unseen``). Two subjects are the same
person if their ids are equal, or if they are linked: the nine subjects of DISFA+ are all in DISFA,
and two preparations of one dataset (``bp4d``, ``bp4d-offset1``) hold the same people. Links given
by hand (``linked``, from a subject to the same person's other id) are added to the known ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import combinations

from harness.errors import UserError
from harness.protocol.published import SAME_PEOPLE, family
from harness.protocol.split import Split


def linked_subjects(dataset_a: str, dataset_b: str, subjects: Iterable[str] = ()) -> dict[str, str]:
    """The same people in two datasets: ``{"disfa:SN001": "disfa+:SN001", ...}``.

    ``subjects`` are consulted where the datasets are two preparations of one: whoever of them
    belongs to ``dataset_a`` is linked to the same id in ``dataset_b``.
    """
    family_a, family_b = family(dataset_a), family(dataset_b)
    if dataset_a == dataset_b or family_a is None or family_b is None:
        return {}
    if family_a == family_b:
        ids = [_bare(s) for s in subjects if _dataset(s) == dataset_a]
    else:
        ids = list(SAME_PEOPLE.get(frozenset({family_a, family_b}), ()))
    return {f"{dataset_a}:{i}": f"{dataset_b}:{i}" for i in ids}


def shared_person(
    one: Iterable[str], other: Iterable[str], linked: Mapping[str, str] | None = None
) -> tuple[str, str] | None:
    """The first pair (of ``one``, of ``other``) that is one person, or None."""
    pairs = people_in_both(one, other, linked)
    return pairs[0] if pairs else None


def people_in_both(
    one: Iterable[str], other: Iterable[str], linked: Mapping[str, str] | None = None
) -> list[tuple[str, str]]:
    """Every pair (of ``one``, of ``other``) that is one person, sorted."""
    ones, others = set(one), set(other)
    links = set((linked or {}).items())
    for a in {_dataset(s) for s in ones}:
        for b in {_dataset(s) for s in others}:
            links |= set(linked_subjects(a, b, ones).items())
    pairs = {(s, s) for s in ones & others}
    for x, y in links:
        pairs |= {(p, q) for p, q in ((x, y), (y, x)) if p in ones and q in others}
    return sorted(pairs)


def check_disjoint(split: Split, linked: Mapping[str, str] | None = None) -> None:
    """Refuses a split that has one person in two of its parts."""
    for one, other in combinations(("train", "validation", "test"), 2):
        pair = shared_person(split.part(one), split.part(other), linked)
        if pair is not None:
            raise UserError(
                f"{split.protocol}, fold {split.fold}: {_named(pair)} both in {one} and in "
                f"{other}; a person may be in one part only"
            )


def check_unseen(
    seen_subjects: Iterable[str],
    test_subjects: Iterable[str],
    linked: Mapping[str, str] | None = None,
) -> None:
    """Refuses an evaluation on people that the model has seen in training or in validation."""
    pairs = people_in_both(seen_subjects, test_subjects, linked)
    if pairs:
        more = f" and {len(pairs) - 1} more" if len(pairs) > 1 else ""
        raise UserError(
            f"the model has seen test {_named(pairs[0])}{more}: evaluate it on subjects that were "
            "neither in its train nor in its validation part"
        )


def _named(pair: tuple[str, str]) -> str:
    if pair[0] == pair[1]:
        return f"subject {pair[0]!r}"
    return f"subject {pair[1]!r} (the same person as {pair[0]!r})"


def _dataset(subject: str) -> str:
    return subject.split(":", 1)[0] if ":" in subject else ""


def _bare(subject: str) -> str:
    return subject.split(":", 1)[-1]
