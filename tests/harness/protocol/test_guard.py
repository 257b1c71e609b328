import pytest

from harness.errors import UserError
from harness.protocol import Split, check_disjoint, check_unseen, linked_subjects
from harness.protocol.published import family


def split(**parts):
    return Split(
        **{
            "protocol": "3-fold",
            "fold": "2",
            "train": ("d:a",),
            "validation": ("d:b",),
            "test": ("d:c",),
            **parts,
        }
    )


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"train": ("d:a", "d:c")}, "3-fold, fold 2: subject 'd:c' both in train and in test"),
        ({"train": ("d:a", "d:b")}, "subject 'd:b' both in train and in validation"),
        ({"validation": ("d:c",)}, "subject 'd:c' both in validation and in test"),
    ],
)
def test_a_subject_in_two_parts_is_named(parts, message):
    with pytest.raises(UserError, match=message):
        check_disjoint(split(**parts))


def test_disjoint_splits_pass():
    check_disjoint(split())
    # The same id in two datasets is two people, unless a link says otherwise.
    check_disjoint(split(train=("bp4d:F001",), test=("bp4d+:F001",)))
    check_disjoint(split(train=("a:S1",), test=("b:S1",)))


def test_disfa_plus_is_inside_disfa():
    links = linked_subjects("disfa", "disfa+")
    assert len(links) == 9
    assert links["disfa:SN001"] == "disfa+:SN001"
    assert "disfa:SN002" not in links
    assert linked_subjects("disfa+", "disfa") == {b: a for a, b in links.items()}
    assert linked_subjects("DISFA-left", "disfaplus")["DISFA-left:SN027"] == "disfaplus:SN027"
    assert linked_subjects("bp4d", "bp4d+") == {}
    assert linked_subjects("mine", "disfa") == {}


def test_linked_people_are_one_person_in_either_direction():
    for train, test in (("disfa:SN001", "disfa+:SN001"), ("disfa+:SN001", "disfa:SN001")):
        with pytest.raises(UserError, match="the same person as"):
            check_disjoint(split(train=(train,), test=(test,)))
        with pytest.raises(UserError, match="the same person as"):
            check_unseen([train], [test])
        with pytest.raises(UserError, match="the same person as"):
            check_unseen([train], [test], linked={"a:1": "b:9"})
    check_unseen(["disfa:SN002"], ["disfa+:SN001"])
    for seen, tested in (("a:1", "b:9"), ("b:9", "a:1")):
        with pytest.raises(UserError, match="the same person"):
            check_unseen([seen], [tested], linked={"a:1": "b:9"})


def test_two_preparations_of_a_dataset_hold_the_same_people():
    with pytest.raises(UserError, match="the same person"):
        check_unseen(["bp4d:F001"], ["bp4d-offset1:F001"])
    check_unseen(["bp4d:F001"], ["bp4d-offset1:F002"])


def test_seen_subjects_are_counted():
    with pytest.raises(UserError, match="seen test subject 'd:a' and 1 more"):
        check_unseen(["d:a", "d:b", "d:c"], ["d:b", "d:a", "d:z"])
    check_unseen([], ["d:a"])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("bp4d", "bp4d"),
        ("BP4D+", "bp4d+"),
        ("bp4d_plus", "bp4d+"),
        ("bp4dplus-small", "bp4d+"),
        ("disfa-right", "disfa"),
        ("gft", "gft"),
        ("bp4dx", None),
        ("synthetic", None),
    ],
)
def test_what_a_name_stands_for(name, expected):
    assert family(name) == expected
