"""A slip in anybody's adapter is named: where it fails, or what of its findings cannot be."""

from dataclasses import replace

import numpy as np
import pytest

from harness.errors import UserError
from harness.layouts.adapter import Adapter, AdapterOptions, CodedSequence, Discovery
from harness.layouts.discovered import discovered
from harness.prepare.audit import audit


class NoPictures:
    """Pictures of a folder in which none is named by a number."""

    def place(self, number):
        return f"{number}.jpg"

    def numbers(self):
        return np.empty(0, np.int32)

    def read(self, numbers):
        return iter(())


SEQUENCE = CodedSequence(
    subject="own:A",
    sequence="own:A/1",
    numbers=np.arange(1, 5, dtype=np.int32),
    labels=np.array([[1, -1], [-1, 0], [1, 1], [-1, -1]], np.int8),
    pictures=NoPictures(),
    picture_numbers=np.arange(1, 5, dtype=np.int32),
)


@pytest.fixture
def own(tmp_path):
    """An adapter that finds what is given."""

    class Own(Adapter):
        name = "own"
        found = Discovery(sequences=[SEQUENCE])

        def discover(self):
            if isinstance(self.found, BaseException):
                raise self.found
            return self.found

    def finds(found):
        Own.found = found
        return Own(tmp_path, AdapterOptions(aus=(6, 12)))

    return finds


def test_what_is_sound_is_passed_on(own):
    adapter = own(Discovery(sequences=[SEQUENCE]))
    assert discovered(adapter) is adapter.found


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"labels": np.full((4, 2), 9, np.int8)}, "has a label 9: absent is -1, unknown 0"),
        (
            {"labels": np.ones((3, 2), np.int8)},
            r"has labels of shape \(3, 2\) for 4 frames and 2 AUs",
        ),
        (
            {"labels": np.ones((4, 1), np.int8)},
            r"has labels of shape \(4, 1\) for 4 frames and 2 AUs",
        ),
        ({"picture_numbers": np.arange(3)}, "has 3 picture numbers for 4 frames"),
        ({"subject": "A"}, "has subject 'A': it must begin with 'own:'"),
    ],
)
def test_a_sequence_that_cannot_be_is_named(own, changes, complaint):
    adapter = own(Discovery(sequences=[SEQUENCE, replace(SEQUENCE, **changes)]))
    with pytest.raises(UserError, match=rf"^Own: sequence 'own:A/1' {complaint}"):
        discovered(adapter)


def test_a_sequence_of_another_dataset_is_named(own):
    adapter = own(Discovery(sequences=[replace(SEQUENCE, sequence="A/1")]))
    with pytest.raises(UserError, match=r"sequence 'A/1' must begin with 'own:'"):
        discovered(adapter)


def test_an_adapter_that_fails_or_gives_something_else_is_one_line(own, tmp_path):
    with pytest.raises(UserError, match=r"^Own.discover gave a list, not a Discovery$"):
        discovered(own([SEQUENCE]))
    with pytest.raises(UserError, match=r"KeyError: 'nope' \(test_discovered.py:\d+\)$"):
        discovered(own(KeyError("nope")))
    with pytest.raises(UserError, match=r"mine$"):
        discovered(own(UserError("mine")))

    class Nothing(Adapter):
        name = "nothing"

    with pytest.raises(UserError, match=r"Nothing has no discover\(\)"):
        discovered(Nothing(tmp_path))


def test_the_audit_sees_labels_without_an_absent_frame(own):
    zero_one = np.array([[1, -1], [0, 0], [1, 1], [0, -1]], np.int8)
    found = audit(own(Discovery(sequences=[replace(SEQUENCE, labels=zero_one)])))
    verdicts = {check.check: check for check in found.checks}
    six = next(check for name, check in verdicts.items() if "6" in name)
    assert six.verdict == "wrong"
    assert "none absent: absent is -1, 0 is unknown" in six.detail
    assert next(c for n, c in verdicts.items() if "12" in n).verdict == "note"
    assert verdicts["pictures decoded"].verdict == "wrong"
