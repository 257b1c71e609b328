"""Offline mirroring: what the real client wrote, read back; nothing is written twice."""

import shutil
import subprocess
import sys

import pytest
from offline_files import read_runs

from harness.tracking.mirror import mirror_sweep


@pytest.fixture
def mirrored(hand_made, login, tmp_path_factory, capfd):
    """A run with a finished stage, a finished cell and a failed one, mirrored once; each test has
    its own copy."""
    hand_made.report("stage1", 1, 2, 3)
    hand_made.finish("stage1")
    hand_made.finish("cell1", frame_f1=0.5, frames=10)
    hand_made.fail("cell2", f"ValueError: no faces, {login}")
    hand_made.write_report()
    kept = tmp_path_factory.getbasetemp() / "mirrored-once"
    if not kept.exists():
        with mirror_sweep(hand_made.store, "offline", "bench", "team"):
            pass
        said = capfd.readouterr()
        shutil.copytree(hand_made.folder, kept / "run", symlinks=True)
        (kept / "said").write_text(said.out + said.err)
    shutil.rmtree(hand_made.folder)
    shutil.copytree(kept / "run", hand_made.folder, symlinks=True)
    hand_made.said = (kept / "said").read_text()
    return hand_made


def test_what_the_client_wrote_is_the_run(mirrored):
    runs = read_runs(mirrored.folder)
    group = runs["cell1-1"]["group"]
    assert group.startswith("small-")
    assert set(runs) == {"stage1-1", "cell1-1", "cell2-1", f"{group}-report-1"}
    assert {run["group"] for run in runs.values()} == {group}
    assert {(run["project"], run["entity"]) for run in runs.values()} == {("bench", "team")}

    stage = runs["stage1-1"]
    assert stage["job_type"] == "Cnn"
    assert [row["loss"] for row in stage["history"]] == [1.0, 0.5, 1 / 3]
    assert [row["step"] for row in stage["history"]] == [50.0, 100.0, 150.0]
    assert {"stage", "3-fold", "fold 1", "lab"} <= stage["tags"]

    cell = runs["cell1-1"]
    assert cell["name"] == "anet · lab 3-fold · fold 1"
    assert cell["job_type"] == "anet"
    assert {"cell", "lab", "3-fold", "fold 1"} <= cell["tags"]
    assert cell["config"]["key"] == "cell1"
    assert cell["config"]["options"] == {"lr": 0.1, "sampler": "momu"}
    assert cell["config"]["split"]["test"] == ["lab:D"]
    assert cell["config"]["environment"]["revision"] == "0123abcd"
    assert cell["summary"]["frame_f1"] == 0.5
    assert cell["summary"]["cost/seconds"] == 2.5
    assert cell["exit"] == 0

    failed = runs["cell2-1"]
    assert failed["exit"] == 1
    assert failed["summary"]["error"] == "ValueError: no faces, [key]"

    report = runs[f"{group}-report-1"]
    assert {"report.html", "report.json", "tables/f1.csv"} in report["artifacts"].values()
    assert report["summary"]["tables/f1/_type"] == "table-file"
    assert report["summary"]["tables/f1/nrows"] == 2
    assert report["summary"]["report/_type"] == "html-file"


def test_a_run_is_not_written_twice_and_a_new_attempt_is_a_new_run(mirrored):
    before = read_runs(mirrored.folder)
    mirrored.store.forget_failures()
    mirrored.finish("cell2", frame_f1=0.7)
    half = mirrored.folder / "wandb" / "offline-run-20200101_000000-cell2-2"  # of a killed mirror
    half.mkdir()
    (half / "run-cell2-2.wandb").write_bytes(b"half")
    with mirror_sweep(mirrored.store, "offline", "bench", "team"):
        pass
    after = read_runs(mirrored.folder)
    assert {key: after[key] for key in before} == before
    assert set(after) - set(before) == {"cell2-2"}
    assert after["cell2-2"]["summary"]["frame_f1"] == 0.7
    assert after["cell2-2"]["group"] == before["cell2-1"]["group"]


def test_no_key_is_left_anywhere(mirrored, login):
    assert len(mirrored.texts()) > 20
    holders = [file for file, content in mirrored.texts().items() if login.encode() in content]
    # The failure that a test planted holds it; the mirror must not spread it.
    assert [file.relative_to(mirrored.folder).parts[0] for file in holders] == ["failed"]
    assert login not in mirrored.said
    assert "wandb sync" in mirrored.said


def test_wandb_sync_sends_what_was_written_offline(mirrored, wandb_server):
    folder = next(mirrored.folder.glob("wandb/offline-run-*-stage1-1"))
    subprocess.run([sys.executable, "-m", "wandb", "sync", str(folder)], check=True, timeout=60)
    sent = wandb_server.runs["stage1-1"]
    assert [row["loss"] for _, row in sorted(sent["rows"].items())] == [1.0, 0.5, 1 / 3]
    assert sent["about"]["groupName"].startswith("small-")
    assert sent["exit"] == 0
