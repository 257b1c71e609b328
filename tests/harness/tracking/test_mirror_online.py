"""Online mirroring against a server that records what the real client sends: live curves, resumed
runs, and a W&B that does not answer."""

import contextlib
import subprocess
import sys
import time
from pathlib import Path

from harness.tracking import mirror
from harness.tracking.mirror import mirror_sweep

ROOT = Path(__file__).parents[3]


def wait_for(condition, seconds=30):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.05)


def losses(server, key):
    return [row["loss"] for _, row in sorted(server.runs[key]["rows"].items())]


def test_curves_are_live_and_a_resumed_sweep_resumes_its_runs(
    hand_made, wandb_server, login, monkeypatch, tmp_path, capfd
):
    monkeypatch.setattr(mirror, "STOPPED_SECONDS", 30.0)
    hand_made.finish("stage1")
    hand_made.begin("cell1")
    hand_made.report("cell1", 1)
    with (
        contextlib.suppress(KeyboardInterrupt),
        mirror_sweep(hand_made.store, None, "bench"),
    ):
        wait_for(lambda: "cell1" in wandb_server.runs)  # while it trains
        hand_made.report("cell1", 2)
        raise KeyboardInterrupt
    assert losses(wandb_server, "cell1") == [1.0, 0.5]
    assert wandb_server.runs["cell1"]["exit"] == 1
    assert wandb_server.runs["cell1"]["summary"]["state"] == "stopped"
    assert wandb_server.runs["stage1"]["exit"] == 0

    with mirror_sweep(hand_made.store, "online", "bench"):
        hand_made.report("cell1", 3, 4)
        hand_made.finish("cell1", frame_f1=0.5)
    assert losses(wandb_server, "cell1") == [1.0, 0.5, 1 / 3, 0.25]
    assert set(wandb_server.runs) == {"stage1", "cell1"}
    assert wandb_server.runs["stage1"]["begun"] == 1  # it was done before: nobody asked again
    cell = wandb_server.runs["cell1"]
    assert cell["exit"] == 0
    assert cell["summary"]["frame_f1"] == 0.5
    assert cell["summary"]["state"] == "done"
    assert cell["about"]["jobType"] == "anet"
    assert cell["about"]["groupName"] == wandb_server.runs["stage1"]["about"]["groupName"]
    assert cell["config"]["split"]["test"] == ["lab:D"]
    assert cell["config"]["environment"]["host"] == "node-1"
    # No key is in a body, a log, the run folder, or on the terminal.
    assert not [body for body in wandb_server.bodies if login.encode() in body]
    written = [file for file in tmp_path.rglob("*") if file.is_file()]  # the client's own logs too
    assert not [file for file in written if login.encode() in file.read_bytes()]
    said = capfd.readouterr()
    assert login not in said.out + said.err


def test_a_refusing_server_is_a_line_in_the_log_and_at_the_end(
    hand_made, wandb_server, login, capfd
):
    hand_made.finish("cell2", frame_f1=0.5)
    wandb_server.behaviour = "refusing"
    with mirror_sweep(hand_made.store, "online", "bench"):
        pass
    log = (hand_made.folder / "tracking.log").read_text()
    assert "svm · lab 3-fold · fold 1: " in log
    said = capfd.readouterr().err
    assert said.count("\n") == 1
    assert "--once --mode online --project bench" in said
    assert login not in log + said
    wandb_server.behaviour = "well"
    command = said[said.index("-m harness") :].split()  # what the line says to do
    subprocess.run([sys.executable, *command], check=True, cwd=ROOT, timeout=60)
    assert wandb_server.runs["cell2"]["summary"]["frame_f1"] == 0.5


def test_a_silent_server_holds_up_nobody(hand_made, wandb_server, capfd):
    hand_made.finish("cell2", frame_f1=0.5)
    wandb_server.behaviour = "silent"
    begun = time.monotonic()
    with mirror_sweep(hand_made.store, "online", "bench", closing_seconds=1):
        assert time.monotonic() - begun < 1
        wait_for(lambda: wandb_server.bodies)
        begun = time.monotonic()
    assert time.monotonic() - begun < 3
    said = capfd.readouterr().err
    assert "not everything was sent within 1 s" in said
    assert said.count("\n") == 1
