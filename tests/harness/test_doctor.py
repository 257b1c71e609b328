"""The doctor sees what is planted, says what to mend, and never prints a key."""

import argparse
import subprocess
from importlib import metadata

import pytest

from harness.commands import doctor as room
from harness.commands.doctor import add_doctor, check_place, doctor, every_check

KEY = "planted0" * 5


@pytest.fixture(autouse=True)
def no_login(monkeypatch, tmp_path):
    for name in ("WANDB_API_KEY", "WANDB_MODE", "WANDB_BASE_URL", "WANDB_IDENTITY_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))


def options(*arguments):
    parser = argparse.ArgumentParser()
    add_doctor(parser)
    return parser.parse_args(arguments)


def by_name(checks):
    return {check.name: check for check in checks}


def test_this_installation_is_in_order(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.setenv("COLUMNS", "200")
    assert doctor(options("--out", str(tmp_path / "runs"))) == 0
    said = capsys.readouterr().out
    for expected in ("Python", "packages", "OpenCV", "GPU", "threads", "W&B", "online; a login"):
        assert expected in said
    assert "nothing must be mended" in said
    assert KEY not in said
    assert not (tmp_path / "runs").exists()


def test_versions_out_of_range_and_missing_packages_are_to_be_mended(monkeypatch):
    wanted = [
        f"numpy<={metadata.version('numpy')}",
        "pandas<1",
        "no-such-package>=2,<3",
        "ray[x]>=2",
    ]
    monkeypatch.setattr(room, "declared", lambda: (">=9", wanted))
    found = by_name(room.check_versions())
    assert found["Python"].verdict == "wrong"
    assert found["Python"].mend == "use Python >=9"
    assert found["pandas"].mend == "pip install 'pandas<1'"
    assert found["no-such-package"].found == "not installed"
    assert found["packages"].found.startswith("numpy ")
    assert "ray" in found["packages"].found


def test_the_declared_ranges_are_those_of_the_package():
    python, requirements = room.declared()
    assert python.startswith(">=3")
    assert any(text.startswith("opencv-python") and "<5" in text for text in requirements)


def test_opencv_without_windows_counts_as_opencv(monkeypatch):
    def version(name):
        if name != "opencv-python-headless":
            raise metadata.PackageNotFoundError(name)
        return "4.14.0"

    monkeypatch.setattr(metadata, "version", version)
    monkeypatch.setattr(room, "declared", lambda: (">=3", ["opencv-python>=4.10,<5"]))
    assert by_name(room.check_versions())["packages"].found == "opencv-python 4.14.0"


def test_an_opencv_without_its_features_is_wrong(monkeypatch):
    import cv2

    monkeypatch.delattr(cv2, "HOGDescriptor")
    (found,) = room.check_opencv()
    assert found.verdict == "wrong"
    assert "HOGDescriptor" in found.found
    assert "CascadeClassifier" not in found.found


def test_a_gpu_that_torch_does_not_see_is_wrong(monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(room.shutil, "which", lambda name: "/usr/bin/nvidia-smi")
    (found,) = room.check_gpus()
    assert found.verdict == "wrong"
    assert "CUDA build" in found.mend


def test_places_that_cannot_be_written_or_are_full_are_wrong(tmp_path, monkeypatch):
    usage = room.shutil.disk_usage(tmp_path)
    monkeypatch.setattr(room.shutil, "disk_usage", lambda _: usage._replace(free=50e9))
    assert check_place("runs", tmp_path / "a" / "b").verdict == "ok"
    assert not (tmp_path / "a").exists()
    (tmp_path / "file").write_text("")
    for folder in (room.Path("/proc/aubench"), tmp_path / "file" / "runs"):
        found = check_place("runs", folder)
        assert found.verdict == "wrong"
        assert "make" in found.mend
    for free, verdict in ((0.5e9, "wrong"), (5e9, "note"), (50e9, "ok")):
        monkeypatch.setattr(room.shutil, "disk_usage", lambda _, f=free: usage._replace(free=f))
        assert check_place("runs", tmp_path).verdict == verdict


def test_wandb_that_is_asked_for_without_a_login_is_wrong(monkeypatch):
    (found,) = room.check_tracking()
    assert (found.verdict, found.found.split(";")[0]) == ("ok", "offline")
    monkeypatch.setenv("WANDB_MODE", "online")
    (found,) = room.check_tracking()
    assert found.verdict == "wrong"
    assert "wandb login" in found.mend
    monkeypatch.setenv("WANDB_MODE", "onlin")
    (found,) = room.check_tracking()
    assert "unknown W&B mode 'onlin'" in found.mend


def test_a_check_that_breaks_is_a_verdict_and_the_exit_status(monkeypatch, tmp_path, capsys):
    def broken():
        raise subprocess.SubprocessError("planted")
        yield

    monkeypatch.setattr(room, "check_gpus", broken)
    found = by_name(every_check(str(tmp_path)))
    assert found["GPU"].verdict == "wrong"
    assert "planted" in found["GPU"].found
    assert "W&B" in found  # the others were looked at all the same
    monkeypatch.setattr(room, "every_check", lambda *_, **__: iter([found["GPU"]]))
    assert doctor(options()) == 1
    assert "1 to mend" in capsys.readouterr().out


def test_an_unreachable_cluster_is_wrong(monkeypatch):
    from contextlib import contextmanager

    from harness.engine import cluster
    from harness.errors import UserError

    @contextmanager
    def unreachable(address, **_):
        raise UserError(f"cannot reach the Ray cluster at {address!r}: no")
        yield

    monkeypatch.setattr(cluster, "ray_cluster", unreachable)
    (found,) = room.check_ray("127.0.0.1:9")
    assert found.verdict == "wrong"
    assert "127.0.0.1:9" in found.found


def test_object_storage_is_written_to_and_datasets_are_read(monkeypatch, tmp_path, toy_dataset):
    from s3_server import s3_server

    monkeypatch.setenv("AUBENCH_CACHE", str(tmp_path))
    with s3_server() as bucket:
        bucket.upload(toy_dataset.folder, "data/toy")
        monkeypatch.setenv("AUBENCH_DATASETS", bucket.address("made", bucket="nobodys"))
        found = by_name(room.check_storage(bucket.address("runs/x")))
        assert found["runs"].verdict == "ok"
        assert found["runs"].found.startswith("s3://lab/runs/x: written, read and deleted in")
        assert found["made datasets"].verdict == "wrong"
        assert "there is no such bucket" in found["made datasets"].found
        assert bucket.keys("runs") in ([], ["runs/x/"])  # pyarrow may mark a folder
        here, gone = room.check_datasets([bucket.address("data/toy"), bucket.address("data/no")])
        assert here.found == "toy: 6 subjects, 240 frames"
        assert gone.verdict == "wrong"
