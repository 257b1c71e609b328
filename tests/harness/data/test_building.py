"""Building a dataset: whole or not there, resumable, the same bytes whatever wrote them."""

from dataclasses import replace

import pytest
from toy_build import builder, bytes_of, fill, frames_of
from toy_dataset import build_toy_dataset

from harness.errors import UserError


def test_the_order_of_writing_does_not_show(tmp_path):
    one = fill(builder(tmp_path / "one"), [0, 1, 2])
    other = fill(builder(tmp_path / "other"), [2, 0, 1])
    assert bytes_of(one.folder) == bytes_of(other.folder)


def test_an_interrupted_build_goes_on(tmp_path):
    first = builder(tmp_path / "d")
    first.write(2, frames_of(2, 5))
    again = builder(tmp_path / "d")
    assert again.pending() == [0, 1]
    assert not (tmp_path / "d").exists()
    done = fill(again, again.pending())
    assert bytes_of(done.folder) == bytes_of(fill(builder(tmp_path / "e"), [0, 1, 2]).folder)


def test_an_unfinished_build_of_another_recipe_is_not_mixed_in(tmp_path):
    builder(tmp_path / "d").write(0, frames_of(0))
    with pytest.raises(UserError, match="other options"):
        builder(tmp_path / "d", source={"offset": 0})


def test_a_folder_that_holds_something_is_refused(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(UserError, match="not empty"):
        builder(tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "mine"


@pytest.mark.parametrize("field", ["labels", "landmarks", "faces", "tracked"])
def test_the_fingerprint_follows_the_content(tmp_path, field):
    before = fill(builder(tmp_path / "before"), [0, 1, 2]).fingerprint
    changed = builder(tmp_path / "after")
    part = frames_of(0)
    value = getattr(part, field).copy()
    value.flat[0] = 0 if value.flat[0] else 1
    changed.write(0, replace(part, **{field: value}))
    after = fill(changed, [1, 2]).fingerprint
    assert before != after


def test_the_shared_toy_is_deterministic(tmp_path, toy_dataset):
    assert build_toy_dataset(tmp_path / "toy").fingerprint == toy_dataset.fingerprint
