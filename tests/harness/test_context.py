"""LocalContext keeps the newest complete checkpoint, and a history without rows told twice."""

import json

import pytest

from harness.context import LocalContext


def note(text):
    return lambda folder: (folder / "state").write_text(text)


def rows(folder):
    return [
        json.loads(line)["step"] for line in (folder / "history.jsonl").read_text().splitlines()
    ]


def test_the_newest_checkpoint_is_restored(tmp_path):
    context = LocalContext(tmp_path)
    assert context.restore() is None
    context.report({"step": 1}, note("one"))
    context.report({"step": 2}, note("two"))
    assert (LocalContext(tmp_path).restore() / "state").read_text() == "two"


def test_a_checkpoint_that_fails_leaves_the_one_before(tmp_path):
    context = LocalContext(tmp_path)
    context.report({"step": 1}, note("one"))

    def breaks(folder):
        (folder / "state").write_text("half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        context.report({"step": 2}, breaks)
    assert (LocalContext(tmp_path).restore() / "state").read_text() == "one"


def test_a_kill_between_the_two_renames_loses_nothing(tmp_path):
    context = LocalContext(tmp_path)
    context.report({"step": 1}, note("one"))
    (tmp_path / "checkpoint").rename(tmp_path / "checkpoint.old")
    assert (LocalContext(tmp_path).restore() / "state").read_text() == "one"


def test_history_goes_back_to_the_checkpoint(tmp_path):
    context = LocalContext(tmp_path)
    context.report({"step": 1})
    context.report({"step": 2}, note("two"))
    context.report({"step": 3})
    again = LocalContext(tmp_path)
    again.restore()
    assert rows(tmp_path) == [1, 2]
    again.report({"step": 3})
    assert rows(tmp_path) == [1, 2, 3]


def test_other_ranks_write_nothing(tmp_path):
    context = LocalContext(tmp_path, rank=1, world_size=2)
    context.report({"step": 1}, note("one"))
    assert not list(tmp_path.iterdir())


def test_a_stage_that_was_not_declared_is_an_error(tmp_path):
    context = LocalContext(tmp_path, stages={"cnn": tmp_path})
    assert context.stage("cnn") == tmp_path
    with pytest.raises(KeyError, match="cnn"):
        context.stage("lstm")
