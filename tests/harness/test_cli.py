"""The front door: exit statuses, one clear line for a mistake, nothing written by it."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def aubench(*arguments, cwd):
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests" / "toys")])
    return subprocess.run(
        [sys.executable, "-m", "harness", *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": path, "COLUMNS": "120"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


MISTAKES = {
    "no command": ([], "required"),
    "unknown command": (["runn"], "invalid choice"),
    "unknown suite": (["run", "demmo"], "did you mean 'demo'"),
    "suite file that is not there": (["plan", "nowhere.yaml"], "no suite file nowhere.yaml"),
    "status of nothing": (["status", "demo"], "holds no run"),
    "report of nothing": (["report", "demo"], "holds no run"),
    "unknown preset": (["synth", "labb", "--out", "x"], "did you mean 'lab'"),
    "other size": (["synth", "lab", "--out", "x", "--size", "64"], "200 x 200"),
    "synth to nowhere": (["synth", "lab"], "--out"),
    "too many subjects": (["synth", "lab", "--subjects", "999", "--out", "x"], "999"),
    "unknown dataset": (["prepare", "bp4e", ".", "--out", "x"], "did you mean 'bp4d'"),
    "no such folder": (["prepare", "bp4d", "nowhere", "--out", "x"], "nowhere"),
    "unknown layout option": (
        ["audit", "bp4d", ".", "--set", "camera=left"],
        "unknown option 'camera'",
    ),
    "option without value": (["audit", "bp4d", ".", "--set", "aus"], "NAME=VALUE"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_line_and_status_2(mistake, tmp_path):
    arguments, hint = MISTAKES[mistake]
    done = aubench(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert hint in done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    assert not list(tmp_path.iterdir())


def test_a_suite_with_a_mistake_writes_nothing(tmp_path):
    suite = tmp_path / "mine.yaml"
    suite.write_text("name: mine\ndatasets: {}\nsettings: []\nmethods: {svm: }\n")
    done = aubench("run", suite, cwd=tmp_path)
    assert done.returncode == 2
    assert f"{suite}:2: " in done.stderr
    assert list(tmp_path.iterdir()) == [suite]


def test_a_run_folder_that_holds_something_else_is_left_alone(tmp_path, toy_dataset):
    suite = tmp_path / "mine.yaml"
    suite.write_text(
        f"name: mine\ndatasets: {{toy: {{prepared: {toy_dataset.folder}}}}}\n"
        "settings: [{within: toy, protocol: 2-fold}]\n"
        "methods: {pixel: {method: 'toy_methods:Pixel'}}\n"
    )
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "me.jpg").write_text("mine")
    done = aubench("run", suite, "--out", tmp_path / "photos", cwd=tmp_path)
    assert done.returncode == 2
    assert "not a run folder" in done.stderr
    assert [p.name for p in (tmp_path / "photos").iterdir()] == ["me.jpg"]


def test_plan_lists_jobs_and_splits(tmp_path, toy_dataset):
    suite = tmp_path / "mine.yaml"
    suite.write_text(
        f"name: mine\ndatasets: {{toy: {{prepared: {toy_dataset.folder}}}}}\n"
        "settings: [{within: toy, protocol: 2-fold}]\n"
        "methods: {pixel: {method: 'toy_methods:Pixel'}}\n"
    )
    done = aubench("plan", suite, cwd=tmp_path)
    assert done.returncode == 0
    assert "pixel · toy 2-fold · fold 2" in done.stdout
    assert "2 cells, 2 jobs, 0 cached, 2 to do" in done.stdout
    splits = aubench("plan", suite, "--splits", cwd=tmp_path).stdout
    assert "toy:S001" in splits
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    "verb",
    [
        "demo",
        "plan",
        "run",
        "status",
        "report",
        "synth",
        "prepare",
        "audit",
        "score",
        "predict",
        "doctor",
    ],
)
def test_every_command_explains_itself_with_an_example(verb, tmp_path):
    done = aubench(verb, "--help", cwd=tmp_path)
    assert done.returncode == 0
    assert f"examples:\n  aubench {verb}" in done.stdout


def test_help_starts_fast(tmp_path):
    begun = time.perf_counter()
    aubench("--help", cwd=tmp_path)
    bare = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import pydantic, yaml"], check=True)
    assert bare - begun < 3 * (time.perf_counter() - bare) + 1
