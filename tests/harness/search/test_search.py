"""Searches on a real local Ray: the planted best is found, seeds repeat, a kill loses nothing.

Each search starts processes, some seconds on a busy machine; so there are few.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from harness.errors import UserError
from harness.search.drive import run_search
from harness.search.records import SearchStore

ROOT = Path(__file__).parents[3]
TOYS = ROOT / "tests" / "toys"


def suggestions(result, fold):
    return [trial["options"] for trial in result.trials if trial["fold"] == fold]


@pytest.fixture(scope="module")
def long_search(shared_ray, tmp_path_factory, toy_dataset):
    """24 trials a fold, one at a time, none stopped early; and the suite that it was."""
    folder = tmp_path_factory.mktemp("long")
    file = folder / "suite.yaml"
    file.write_text(
        f"""\
name: planted
datasets:
  toy: {{prepared: {toy_dataset.folder}}}
settings:
  - {{within: toy, protocol: 2-fold}}
methods:
  planted: {{method: "toy_search:OnShared"}}
search:
  method: planted
  space:
    inner.depth: {{int: [1, 6]}}
    inner.margin: {{uniform: [0.1, 1.0]}}
  reference: {{inner.depth: 2}}
  trials: 24
  parallel: 1
  stop_early: false
"""
    )
    return run_search(str(file), str(folder / "run")), file


def test_the_planted_best_is_found_in_every_fold(long_search):
    result, _ = long_search
    assert len(result.trials) == 48
    assert {trial["state"] for trial in result.trials} == {"finished"}
    for best in result.search["best"].values():
        assert best["options"]["inner.depth"] == 4
        assert best["options"]["inner.margin"] == pytest.approx(0.7, abs=0.1)
    assert result.search["agreed"]["inner.depth"] == 4
    overlay = yaml.safe_load(result.best_file.read_text())["methods"]["planted"]
    assert overlay["options"]["inner"]["depth"] == 4
    assert set(overlay["folds"]["toy 2-fold"]) == {"1", "2"}
    table = result.best_file.with_name("trials.jsonl").read_text()
    rows = [json.loads(line) for line in table.splitlines()]
    assert rows == result.trials
    assert {"fold", "options", "rows", "state", "value", "cost", "number"} <= set(rows[0])
    assert [row["step"] for row in rows[0]["rows"]] == [1, 2, 3]


def test_the_reference_is_tried_first_and_processes_stay_warm(long_search):
    result, _ = long_search
    for fold in ("1", "2"):
        assert suggestions(result, fold)[0] == {"inner.depth": 2, "inner.margin": 0.5}
        processes = {trial["pid"] for trial in result.trials if trial["fold"] == fold}
        assert len(processes) == 1


def test_the_stage_was_trained_once_a_fold(long_search):
    result, _ = long_search
    jobs = [path for path in (result.store.folder / "jobs").iterdir() if "." not in path.name]
    cards = [json.loads((path / "model" / "card.json").read_text()) for path in jobs]
    assert [card["method"] for card in cards] == ["toy_methods:Pixel"] * 2
    tasks = result.search["folds"]
    assert sorted(card["fold"] for card in cards) == tasks


def test_the_same_seed_suggests_the_same_and_nothing_is_done_twice(long_search):
    result, file = long_search
    shorter = file.parent / "shorter.yaml"
    shorter.write_text(file.read_text().replace("trials: 24", "trials: 14"))
    elsewhere = run_search(str(shorter), str(file.parent / "elsewhere"))
    for fold in ("1", "2"):
        assert len(suggestions(elsewhere, fold)) == 14
        assert suggestions(elsewhere, fold) == suggestions(result, fold)[:14]
        drawn = [tuple(options.values()) for options in suggestions(result, fold)]
        assert len(set(drawn)) > 20
    known = run_search(str(file), str(result.store.folder))
    assert not known.worked
    assert known.trials == result.trials


def test_early_stopping_a_grid_and_failures(shared_ray, suite, tmp_path, capsys):
    stopped = run_search(str(suite("trials: 9", options="epochs: 9")), str(tmp_path / "stopped"))
    states = [trial["state"] for trial in stopped.trials]
    assert states.count("stopped") >= 4
    assert all(trial["rows"] for trial in stopped.trials)
    text = suite("algorithm: grid", options="fail_when_deeper: 5").read_text()
    text = text.replace("{uniform: [0.1, 1.0]}", "[0.3, 0.7]")
    (tmp_path / "grid.yaml").write_text(text)
    grid = run_search(str(tmp_path / "grid.yaml"), str(tmp_path / "grid"))
    points = sorted(tuple(trial["options"].values()) for trial in grid.trials)
    assert points == sorted([(d, m) for d in range(1, 7) for m in (0.3, 0.7)] * 2)
    failed = [trial for trial in grid.trials if trial["state"] == "failed"]
    assert {trial["options"]["inner.depth"] for trial in failed} == {6}
    assert failed[0]["error"] == "ArithmeticError: planted fault"
    assert grid.search["agreed"] == {"inner.depth": 4, "inner.margin": 0.7}
    said = capsys.readouterr().out
    assert "[fold 2   1/12] finished depth 1, margin 0.3  (validation_mean_f1 0." in said
    assert "failed   depth 6, margin 0.3  (ArithmeticError: planted fault)" in said


def test_a_trial_whose_process_dies_is_made_again(shared_ray, suite, tmp_path, capsys):
    file = suite("algorithm: grid", method="DyingOnce", options=f"mark: {tmp_path / 'mark'}")
    text = file.read_text().replace("{uniform: [0.1, 1.0]}", "[0.3, 0.7]")
    file.write_text(text.replace("{int: [1, 6]}", "[3, 4]"))
    result = run_search(str(file), str(tmp_path / "run"))
    assert {trial["state"] for trial in result.trials} == {"finished"}
    assert [len(trial["rows"]) for trial in result.trials] == [3] * 8
    assert [trial["number"] for trial in result.trials] == [0, 1, 2, 3] * 2
    assert result.search["agreed"] == {"inner.depth": 4, "inner.margin": 0.7}
    assert capsys.readouterr().out.count("] lost ") == 1


def test_a_place_that_cannot_be_written_to_is_said_first(suite):
    with pytest.raises(UserError, match="cannot write to the run folder /dev/null/run"):
        run_search(str(suite()), "/dev/null/run")


def test_all_trials_failing_is_one_line_with_the_first_cause(shared_ray, suite, tmp_path):
    file = suite("trials: 2", options="fail_when_deeper: 0")
    with pytest.raises(UserError) as error:
        run_search(str(file), str(tmp_path / "run"))
    assert str(error.value) == (
        "all 2 trials of fold 1 failed; first: ArithmeticError: planted fault"
    )
    with pytest.raises(
        UserError, match=r"needs 64 CPU, no node has that much \(there are: 2 CPU\)"
    ):
        run_search(str(suite("cpus: 64", name="greedy")), str(tmp_path / "greedy"))
    never = suite("trials: 2\n  metric: accuracy", name="never")
    with pytest.raises(UserError, match="first: the metric 'accuracy' is never reported by"):
        run_search(str(never), str(tmp_path / "never"))


def test_a_search_that_is_killed_half_way_loses_no_finished_trial(suite, tmp_path):
    """A real process, killed by its id with everything that it started, and begun again."""
    log, run = tmp_path / "log", tmp_path / "run"
    file = suite(
        "trials: 8\n  stop_early: false", options=f"epochs: 3, sleep: 0.1, log: {log}", folds=2
    )
    command = [sys.executable, "-m", "harness", "tune", str(file), "--out", str(run), "--cpus", "2"]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{TOYS}"}
    trials = SearchStore(run).trials_folder
    with (tmp_path / "said").open("w") as said:
        first = subprocess.Popen(
            command, env=environment, stdout=said, stderr=said, start_new_session=True, cwd=tmp_path
        )
        deadline = time.monotonic() + 120
        while len(list(trials.glob("*.json"))) < 10 and time.monotonic() < deadline:
            assert first.poll() is None, (tmp_path / "said").read_text()
            time.sleep(0.05)
        os.killpg(first.pid, signal.SIGKILL)
        first.wait()
    finished = {
        path.stem: json.loads(path.read_text())
        for path in trials.glob("*.json")
        if json.loads(path.read_text())["state"] == "finished"
    }
    assert 8 <= len(finished) < 16
    trained_before = len(log.read_text().splitlines())
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=240, cwd=tmp_path
    )
    assert done.returncode == 0, done.stdout + done.stderr
    store = SearchStore(run)
    rows = {row["key"]: row for row in store.table()}
    for key, record in finished.items():
        assert rows[key]["cost"] == record["cost"]  # the very one, not made again
    assert 16 <= len(rows) <= 16 + 2  # one a process may have been forgotten by Tune, not by us
    trained_after = len(log.read_text().splitlines()) - trained_before
    assert trained_after <= len(rows) - len(finished)
    assert "report:" in done.stdout
    assert (run / "report" / "figures" / "search-map.svg").is_file()
