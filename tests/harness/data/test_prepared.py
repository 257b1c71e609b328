"""Reading a prepared dataset: what was written, or what is wrong with it."""

import json

import numpy as np
import pandas as pd
import pytest
from toy_build import builder, fill, frames_of

from harness.data.prepared import PreparedDataset
from harness.errors import UserError


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


def test_a_feature_that_nobody_extracted_is_named(tmp_path):
    frames = fill(builder(tmp_path / "d"), [0, 1, 2]).frames()
    with pytest.raises(UserError, match=r"no feature 'hog': a method declares it in features\(\)"):
        frames.feature("hog")


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
