"""A dataset on object storage: copied once a node, file by file, whole, and checked."""

import json
import shutil
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from s3_server import s3_server
from toy_dataset import build_toy_dataset

from harness.data.copied import share_dataset
from harness.data.features import extract_feature
from harness.data.places import dataset_stands, feature_stands, open_dataset
from harness.errors import UserError
from harness.storage import RemoteFolder


@pytest.fixture(scope="module")
def bucket():
    with s3_server() as found:
        yield found


@pytest.fixture
def address(bucket, toy_dataset, request):
    bucket.upload(toy_dataset.folder, f"data/{request.node.name}")
    return bucket.address(f"data/{request.node.name}")


@pytest.fixture
def on_node(tmp_path, monkeypatch):
    def move_to(name):
        monkeypatch.setenv("AUBENCH_CACHE", str(tmp_path / name))
        return tmp_path / name / "copies"

    move_to("first")
    return move_to


def copied(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.glob("*/*") if p.is_file())


def test_it_reads_as_the_dataset_itself(address, on_node, toy_dataset):
    assert dataset_stands(address)
    copy, original = open_dataset(address).frames(), toy_dataset.frames()
    assert copy.labels.tolist() == original.labels.tolist()
    assert copy.sequences.tolist() == original.sequences.tolist()
    assert copy.faces.shape == original.faces.shape
    assert copy.faces.dtype == np.uint8
    rows = np.asarray([3, 1, 77])
    np.testing.assert_array_equal(copy.faces[rows], original.faces[rows])
    np.testing.assert_array_equal(copy.landmarks[5:9], original.landmarks[5:9])
    part = copy.of_subjects(["toy:S002"])
    np.testing.assert_array_equal(
        np.asarray(part.landmarks), np.asarray(original.of_subjects(["toy:S002"]).landmarks)
    )


def test_what_is_only_planned_copies_no_faces(address, on_node):
    folder = on_node("planner")
    dataset = open_dataset(address)
    assert copied(folder)[0].endswith("/dataset.json")
    assert len(dataset.table.subjects) == 240
    frames = dataset.frames()
    assert frames.labels.shape == (240, 3)
    names = {name.partition("/")[2] for name in copied(folder)}
    assert names == {"dataset.json", "frames.parquet", "labels.npy", ".copying.lock"}


def test_processes_of_a_node_copy_once(address, on_node, monkeypatch):
    fetched = []
    fetch = RemoteFolder.fetch

    def counted(self, files):
        fetched.extend(files)
        fetch(self, files)

    monkeypatch.setattr(RemoteFolder, "fetch", counted)

    def read(_):
        return int(open_dataset(address).frames().faces[10].sum())

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(read, range(8)))) == 1
    assert fetched.count("faces.npy") == 1


def test_a_feature_is_extracted_on_one_node_and_read_on_another(address, on_node):
    first = open_dataset(address)
    assert not feature_stands(address, "mean")
    extract_feature(first, "mean", "toy_studies:MeanFace", {})
    first.share_feature("mean")
    assert feature_stands(address, "mean")
    folder = on_node("second")
    second = open_dataset(address).frames({"bright": "mean"})
    np.testing.assert_array_equal(
        second.feature("bright")[:], first.frames({"bright": "mean"}).feature("bright")[:]
    )
    assert not [name for name in copied(folder) if name.endswith("/faces.npy")]
    on_node("third")
    third = open_dataset(address)
    extract_feature(third, "mean", "toy_studies:NoSuchExtractor", {})  # it is there: not made again


def test_faces_of_another_dataset_are_refused(bucket, address, on_node, tmp_path):
    other = build_toy_dataset(tmp_path / "other", seed=9)
    name = address.partition("?")[0].partition("lab/")[2]
    bucket.client.upload_file(str(other.folder / "faces.npy"), bucket.name, f"{name}/faces.npy")
    folder = on_node("careful")
    with pytest.raises(UserError, match=r"does not hold what its dataset.json says"):
        open_dataset(address).frames().faces[0]
    left = {name.partition("/")[2] for name in copied(folder)}
    assert left == {"dataset.json", ".copying.lock"}


def test_a_replaced_dataset_is_another_copy(bucket, address, on_node, tmp_path):
    folder = on_node("patient")
    before = open_dataset(address)
    assert before.frames().faces[0].shape == (200, 200, 3)
    other = build_toy_dataset(tmp_path / "other", seed=9)
    bucket.upload(other.folder, address.partition("?")[0].partition("lab/")[2])
    after = open_dataset(address)
    assert after.fingerprint != before.fingerprint
    assert after.folder != before.folder
    np.testing.assert_array_equal(after.frames().faces[:5], other.frames().faces[:5])
    assert len(list(folder.iterdir())) == 2


def test_a_dataset_that_was_made_here_is_shared_and_not_copied_back(
    bucket, on_node, toy_dataset, tmp_path, monkeypatch
):
    address = bucket.address("made/toy")
    made = tmp_path / "made"
    shutil.copytree(toy_dataset.folder, made)
    assert not dataset_stands(address)
    share_dataset(made, address)
    assert not made.exists()
    monkeypatch.setattr(RemoteFolder, "fetch", lambda self, files: pytest.fail(f"fetched {files}"))
    assert open_dataset(address).frames().faces[0].shape == (200, 200, 3)


def test_what_is_no_dataset_is_said(bucket, on_node):
    with pytest.raises(UserError, match="data/none is not a prepared dataset"):
        open_dataset(bucket.address("data/none"))
    bucket.client.put_object(
        Bucket=bucket.name, Key="data/odd/dataset.json", Body=json.dumps({"name": "x"}).encode()
    )
    with pytest.raises(UserError, match=r"dataset.json is damaged"):
        open_dataset(bucket.address("data/odd"))
