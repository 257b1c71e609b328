"""One driver at a time: on a file system, and on object storage that has no locks."""

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from gcs_server import gcs_server
from s3_server import s3_server

from harness.errors import UserError
from harness.lease import Lease, file_lock, file_lock_held
from harness.storage import RemoteFolder, StorageError


@pytest.fixture(scope="module", params=[s3_server, gcs_server])
def bucket(request):
    with request.param() as found:
        yield found


@pytest.fixture
def folder(bucket, request):
    return RemoteFolder(bucket.address(f"runs/{request.node.originalname}/drivers"))


def claim(folder, name, **said):
    record = {"holder": "process 7 on elsewhere", "state": "holds", "pid": 7, "began": "1"}
    folder.write(name, json.dumps({**record, "machine": "another", **said}).encode())


def test_a_file_lock_refuses_a_second_holder_and_names_the_first(tmp_path):
    file = tmp_path / "run" / "driver.lock"
    assert not file_lock_held(file)
    with file_lock(file):
        assert file_lock_held(file)
        with pytest.raises(UserError, match=f"being run by process {os.getpid()}"), file_lock(file):
            pass
    assert not file_lock_held(file)


def test_a_lease_refuses_a_second_holder_and_names_the_first(folder):
    assert Lease(folder).holder() is None
    with Lease(folder).held():
        assert Lease(folder).holder().startswith(f"process {os.getpid()} on ")
        with (
            pytest.raises(UserError, match=rf"{folder.where()[:-8]} is being run by process"),
            Lease(folder).held(),
        ):
            pass
        assert len(folder.listing()) == 1
    assert Lease(folder).holder() is None
    assert folder.listing() == {}


def test_a_holder_of_another_machine_is_believed_until_it_is_silent_for_too_long(folder):
    claim(folder, "theirs.json")
    with (
        pytest.raises(UserError, match="run by process 7 on elsewhere"),
        Lease(folder, expiry=60).held(),
    ):
        pass
    time.sleep(2.2)  # the storage tells times to the second
    with (
        pytest.raises(UserError, match=r"last heard of \d+ s ago and counts as dead in 5\d s"),
        Lease(folder, beat=0.5, expiry=60).held(),
    ):
        pass
    with Lease(folder, expiry=1).held():
        assert "theirs.json" not in folder.listing()


def test_a_holder_that_was_killed_on_this_machine_is_succeeded_at_once(folder):
    code = (
        "import sys, time; sys.path.insert(0, sys.argv[2])\n"
        "from harness.lease import Lease\n"
        "from harness.storage import RemoteFolder\n"
        "with Lease(RemoteFolder(sys.argv[1])).held():\n"
        "    print('holds', flush=True); time.sleep(60)\n"
    )
    root = os.fspath(__file__).rpartition("/tests/")[0]
    process = subprocess.Popen(
        [sys.executable, "-c", code, folder.address, root], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "holds\n"
    with pytest.raises(UserError, match=f"process {process.pid} on"), Lease(folder).held():
        pass
    process.kill()
    process.communicate()
    with Lease(folder).held():
        assert len(folder.listing()) == 1


def test_who_was_held_up_while_asking_asks_again(folder, monkeypatch):
    monkeypatch.setattr("harness.lease.random.uniform", lambda low, high: 0.01)
    slow, other = Lease(folder, expiry=2), Lease(folder, expiry=2)
    write, delays = slow._write, [3.0]  # long enough to be taken for dead

    def held_up(*, holds):
        if holds and delays:
            time.sleep(delays.pop())
            other._acquire()
        write(holds=holds)

    monkeypatch.setattr(slow, "_write", held_up)
    with pytest.raises(UserError, match="is being run by"):
        slow._acquire()
    assert set(folder.listing()) == {other._name}


def test_looking_whether_a_lock_is_held_refuses_nobody(tmp_path):
    file, stop = tmp_path / "driver.lock", threading.Event()
    with file_lock(file):
        pass
    looker = threading.Thread(
        target=lambda: [file_lock_held(file) for _ in iter(stop.is_set, True)]
    )
    looker.start()
    try:
        for _ in range(200):
            with file_lock(file):
                pass
    finally:
        stop.set()
        looker.join()


def test_a_lock_in_a_folder_that_cannot_be_written_can_be_looked_at(tmp_path):
    file = tmp_path / "driver.lock"
    file.write_text("process 1 on elsewhere")
    file.chmod(0o444)
    opened = []
    real = Path.open
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            Path,
            "open",
            lambda self, mode="r", **more: opened.append(mode) or real(self, mode, **more),
        )
        assert not file_lock_held(file)
    assert opened == ["rb"]


def test_of_many_who_ask_at_once_one_holds_at_a_time(folder, monkeypatch):
    monkeypatch.setattr("harness.lease.ROUNDS", 12)
    monkeypatch.setattr("harness.lease.random.uniform", lambda low, high: 0.05)
    inside, most, held, refused = [], [], [], []
    start = threading.Barrier(4)

    def ask(number):
        start.wait()
        time.sleep(0.01 * number)
        try:
            with Lease(folder).held():
                inside.append(number)
                most.append(len(inside))
                time.sleep(0.3)
                inside.remove(number)
                held.append(number)
        except UserError:
            refused.append(number)

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(held) + len(refused) == 4
    assert held
    assert max(most) == 1


def test_an_object_that_cannot_be_read_just_now_is_somebody(folder, monkeypatch):
    """Some servers show an object that is being written again as empty."""
    monkeypatch.setattr("harness.lease.random.uniform", lambda low, high: 0.01)
    folder.write("theirs.json", b"")
    with pytest.raises(UserError, match="run by another process"), Lease(folder).held():
        pass
    time.sleep(2.2)
    with Lease(folder, expiry=1).held():
        assert len(folder.listing()) == 1


def test_a_holder_that_was_cut_off_stops_when_somebody_else_is_in_its_place(folder):
    lease = Lease(folder, beat=0.1, expiry=2)
    write, begun = lease._write, time.monotonic()

    def cut_off(*, holds):
        raise StorageError("gone")

    def drive():
        with lease.held():
            lease._write = cut_off
            time.sleep(2.3)
            claim(folder, "theirs.json")
            lease._write = write
            while time.monotonic() - begun < 20:
                time.sleep(0.05)

    with pytest.raises(UserError, match="process 7 on elsewhere has taken the run over"):
        drive()
    assert time.monotonic() - begun < 15
    assert set(folder.listing()) == {"theirs.json"}


def test_a_holder_that_was_cut_off_goes_on_if_nobody_is_there(folder):
    lease = Lease(folder, beat=0.1, expiry=0.5)
    write = lease._write

    def cut_off(*, holds):
        raise StorageError("gone")

    with lease.held():
        lease._write = cut_off
        time.sleep(0.8)
        lease._write = write
        time.sleep(0.4)
        assert Lease(folder).holder() is not None
