"""A prepared dataset: whole or not there, resumable, the same bytes whatever wrote them."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from toy_dataset import build_toy_dataset

from harness.data.prepared import PreparedBuilder, PreparedDataset, SequenceFrames, SequenceHeader
from harness.errors import UserError


def header(name, frames=3):
    return SequenceHeader(subject=f"d:{name}", sequence=f"d:{name}/T1", num_frames=frames)


def frames_of(seed, num_frames=3, num_aus=2):
    rng = np.random.default_rng(seed)
    return SequenceFrames(
        numbers=np.arange(1, num_frames + 1, dtype=np.int32),
        labels=rng.integers(-1, 2, (num_frames, num_aus)).astype(np.int8),
        landmarks=rng.normal(size=(num_frames, 49, 2)).astype(np.float32),
        faces=rng.integers(0, 255, (num_frames, 200, 200, 3)).astype(np.uint8),
        tracked=np.ones(num_frames, bool),
        source=["a.jpg"] * num_frames,
    )


def builder(folder, **changes):
    options = {
        "name": "d",
        "aus": (1, 2),
        "sequences": [header("A"), header("B", 0), header("C", 5)],
        "registration": {"eye_dist": 90},
        "source": {"offset": -1},
    } | changes
    return PreparedBuilder(folder, **options)


def fill(build, order):
    sizes = [s.num_frames for s in build.sequences]
    for position in order:
        build.write(position, frames_of(position, sizes[position]))
    return build.finish()


def bytes_of(folder):
    return {p.name: p.read_bytes() for p in sorted(folder.iterdir())}


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


def test_what_was_written_is_what_is_read(tmp_path):
    dataset = fill(builder(tmp_path / "d"), [0, 1, 2])
    frames = dataset.frames()
    expected = [frames_of(0), frames_of(2, 5)]
    np.testing.assert_array_equal(frames.labels, np.concatenate([e.labels for e in expected]))
    np.testing.assert_array_equal(frames.faces[:], np.concatenate([e.faces for e in expected]))
    np.testing.assert_array_equal(
        frames.landmarks[:], np.concatenate([e.landmarks for e in expected])
    )
    assert frames.subjects.tolist() == ["d:A"] * 3 + ["d:C"] * 5
    table = pd.read_parquet(dataset.folder / "frames.parquet")
    assert table.columns.tolist() == ["subject", "sequence", "number", "tracked", "source"]
    assert dataset.description["counts"]["frames"] == 8
    assert dataset.description["source"] == {"offset": -1}


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


@pytest.mark.parametrize("name", ["faces.npy", "labels.npy", "landmarks.npy"])
def test_an_array_cut_short_is_named(name, tmp_path):
    fill(builder(tmp_path / "set"), range(3))
    file = tmp_path / "set" / name
    file.write_bytes(file.read_bytes()[:-7])
    with pytest.raises(UserError, match=rf"{name} is damaged"):
        PreparedDataset(tmp_path / "set").frames()


def test_a_folder_without_a_dataset_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"no dataset\.json"):
        PreparedDataset(tmp_path)
    (tmp_path / "dataset.json").write_text("{")
    with pytest.raises(UserError, match="damaged"):
        PreparedDataset(tmp_path)
    (tmp_path / "dataset.json").write_text(json.dumps({"schema_version": 99}))
    with pytest.raises(UserError, match="version 99"):
        PreparedDataset(tmp_path)


def test_the_shared_toy_is_deterministic(tmp_path, toy_dataset):
    assert build_toy_dataset(tmp_path / "toy").fingerprint == toy_dataset.fingerprint
