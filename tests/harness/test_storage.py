"""Object storage by address, against servers of both protocols; and what addresses may be."""

import pickle
import time

import pytest
from gcs_server import gcs_server
from s3_server import s3_server

from harness.errors import UserError
from harness.storage import RemoteFolder, StorageError, is_remote, last_name, plain_address


@pytest.fixture(scope="module")
def bucket():
    with s3_server() as found:
        yield found


@pytest.fixture(scope="module")
def google():
    with gcs_server() as found:
        yield found


@pytest.fixture(params=["bucket", "google"])
def folder(request):
    bucket = request.getfixturevalue(request.param)
    return RemoteFolder(bucket.address(f"storage/{request.node.originalname}"))


def test_an_address_has_one_spelling(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert plain_address("a/b") == str(tmp_path / "a/b")
    assert plain_address("a", base=tmp_path / "x") == str(tmp_path / "x/a")
    assert plain_address(f"file://{tmp_path}/with%20space") == f"{tmp_path}/with space"
    assert plain_address("s3://lab/runs/x/?region=eu") == "s3://lab/runs/x?region=eu"
    assert is_remote("gs://lab/x")
    assert not is_remote("/data/s3:/x")
    assert not is_remote(tmp_path)
    assert last_name("s3://lab/runs/x?region=eu") == "x"
    assert last_name(tmp_path / "y") == "y"


@pytest.mark.parametrize(
    ("address", "complaint"),
    [
        ("ftp://host/x", "unknown kind of storage 'ftp'"),
        ("s3://lab", "give a bucket and a folder in it"),
        ("s3:///x", "give a bucket and a folder in it"),
        ("s3://key:hidden@lab/x", "must hold no keys"),
        ("s3://anonymous@lab/x", "must hold no keys"),
        ("gs://hidden@lab/x", "must hold no keys"),
    ],
)
def test_a_bad_address_is_refused_without_its_secrets(address, complaint):
    with pytest.raises(UserError, match=complaint) as caught:
        plain_address(address)
    assert "hidden" not in str(caught.value)


def test_objects_are_written_read_listed_and_deleted(folder):
    assert folder.read("a") is None
    assert folder.listing() == {}
    before = time.time()
    folder.write("a", b"one")
    folder.write("in/b", b"two")
    folder.write("a", b"three")
    assert folder.read("a") == b"three"
    assert folder.exists("in/b")
    assert not folder.exists("in")
    assert {name: found.size for name, found in folder.listing().items()} == {"a": 5}
    assert set(folder.listing(deep=True)) == {"a", "in/b"}
    assert set(folder.listing("in")) == {"b"}
    assert folder.folders() == {"in"}
    assert abs(folder.listing()["a"].written - before) < 5
    folder.delete(["a", "in/b", "never"])
    assert folder.listing(deep=True) == {}


def test_files_go_there_and_come_back_whole(folder, tmp_path):
    files = {f"deep/{i}.bin": tmp_path / f"{i}.bin" for i in range(20)}
    for number, file in enumerate(files.values()):
        file.write_bytes(bytes([number]) * (number * 1000 + (20_000_000 if number == 3 else 0)))
    folder.send(files)
    back = {name: tmp_path / "back" / name for name in files}
    folder.child("deep").fetch({name.removeprefix("deep/"): file for name, file in back.items()})
    for name, file in files.items():
        assert back[name].read_bytes() == file.read_bytes()
    with pytest.raises(FileNotFoundError):
        folder.fetch({"nothing": tmp_path / "nothing"})
    assert not list(tmp_path.glob("nothing*"))


def test_a_folder_is_handed_to_other_processes(folder):
    folder.write("a", b"one")
    assert pickle.loads(pickle.dumps(folder)).read("a") == b"one"


def test_the_server_may_be_named_by_the_environment(bucket, monkeypatch):
    folder = RemoteFolder(bucket.address("storage/named"))
    folder.write("a", b"one")
    monkeypatch.setenv("AWS_ENDPOINT_URL", bucket.endpoint)
    bare = folder.address.partition("?")[0]
    assert RemoteFolder(f"{bare}?region=us-east-1").read("a") == b"one"


def test_a_place_that_can_be_written_to_is_left_as_it_was(folder):
    folder.check_writable()
    assert folder.listing() == {}


@pytest.mark.parametrize("kind", ["bucket", "google"])
def test_a_bucket_that_is_not_there_is_one_line(kind, request, tmp_path):
    nobodys = request.getfixturevalue(kind).address("x", bucket="nobodys")
    (tmp_path / "file").write_bytes(b"one")
    with pytest.raises(StorageError, match=r"//\S*nobodys/x/\S+: there is no such bucket"):
        RemoteFolder(nobodys).check_writable()
    with pytest.raises(StorageError, match=r"//\S*nobodys/x/a: there is no such bucket"):
        RemoteFolder(nobodys).send({"a": tmp_path / "file"})


def test_a_file_of_this_machine_that_is_not_there_is_not_the_buckets_fault(folder, tmp_path):
    with pytest.raises(FileNotFoundError, match="never"):
        folder.send({"a": tmp_path / "never"})


@pytest.mark.parametrize("scheme", ["s3", "gs"])
def test_a_setting_that_does_not_exist_is_one_line(scheme):
    with pytest.raises(StorageError, match="Unexpected query parameter"):
        RemoteFolder(f"{scheme}://lab/x?regoin=eu").check_writable()


@pytest.mark.parametrize(
    "address",
    [
        "s3://lab/x?endpoint_override=http://127.0.0.1:9",
        "gs://anonymous@lab/x?scheme=http&endpoint_override=127.0.0.1:9",
    ],
)
def test_a_server_that_is_away_is_one_line_within_seconds(address):
    begun = time.monotonic()
    with pytest.raises(StorageError, match="the server cannot be reached") as caught:
        RemoteFolder(address).check_writable()
    assert "\n" not in str(caught.value)
    assert time.monotonic() - begun < 20


def test_what_passes_is_waited_out(bucket, tmp_path, monkeypatch):
    folder = RemoteFolder(bucket.address("storage/patient"))
    folder.write("a", b"one")
    tries = []

    def flaky(filesystem, path):
        tries.append(path)
        if len(tries) < 3:
            raise OSError("AWS Error NETWORK_CONNECTION during GetObject operation: gone")
        return filesystem.open_input_file(path).read()

    monkeypatch.setattr("harness.storage.PATIENCE", (0, 0, 0))
    assert folder._try("a", flaky) == b"one"
    hasty = RemoteFolder(folder.address, patient=False)
    tries.clear()
    with pytest.raises(StorageError):
        hasty._try("a", flaky)
    assert len(tries) == 1
