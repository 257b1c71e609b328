"""The front door: exit statuses, one clear line for a mistake, nothing written by it."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness.cli import _parser, main
from harness.commands.completion import verbs_of

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
    "unknown command": (["runn"], "did you mean 'run'"),
    "unknown suite": (["run", "demmo"], "did you mean 'demo'"),
    "suite file that is not there": (["plan", "nowhere.yaml"], "no suite file nowhere.yaml"),
    "status of nothing": (["status", "demo"], "holds no run"),
    "report of nothing": (["report", "demo"], "holds no run"),
    "report of a folder without a run": (["report", "."], ". holds no run: it has no plan.json"),
    "no time to wait": (["report", "demo", "--watch", "-1"], "seconds, more than 0"),
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
    "table to nowhere": (["audit", "bp4d", ".", "--csv", "no/x.csv"], "--csv no/x.csv: no file"),
    "two answers": (
        ["prepare", "bp4d", ".", "--out", "x", "--on-error", "skip", "--set", "on_error=refuse"],
        "say different things",
    ),
    "pattern that leaves the folder": (
        ["audit", "gft", ".", "--set", "codes_glob=/etc/*"],
        "'/etc/*' is not a pattern of files below the folder",
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


@pytest.mark.parametrize("written", ["aus=6,12", "aus=6 12", "aus=[6, 12]", "aus=6, 12"])
def test_a_list_may_be_written_in_each_of_the_usual_ways(written):
    from harness.commands.datasets import split_options
    from harness.layouts.adapter import AdapterOptions

    assert split_options([written], AdapterOptions) == [{"aus": [6, 12]}]


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
    list(verbs_of(_parser())),
)
def test_every_command_explains_itself_with_an_example(verb, capsys):
    with pytest.raises(SystemExit) as end:
        main([verb, "--help"])
    assert end.value.code == 0
    said = capsys.readouterr().out
    examples = said.partition("examples:\n")[2].partition("\n\n")[0].splitlines()
    assert examples
    assert f"aubench {verb}" in examples[0]
    for action in verbs_of(_parser())[verb]._actions:
        assert action.help, f"{verb} {action.dest}"


def test_an_option_is_written_alike_in_every_command():
    metavars = {}
    for command in verbs_of(_parser()).values():
        for action in command._actions:
            for option in action.option_strings:
                if option not in ("--out", "--method", "--help"):  # what they name differs
                    metavars.setdefault(option, set()).add(str(action.metavar))
    assert not {option: shown for option, shown in metavars.items() if len(shown) > 1}


def test_without_a_command_the_help_is_shown(capsys):
    assert main([]) == 2
    assert "examples:" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        (["plna", "demo"], "no 'plna'; did you mean 'plan'? valid: demo, plan"),
        (["score", "p.csv", "--kind", "presense"], "no 'presense'; did you mean 'presence'?"),
    ],
)
def test_what_was_nearly_right_is_named(given, meant, capsys):
    with pytest.raises(SystemExit) as end:
        main(given)
    assert end.value.code == 2
    said = capsys.readouterr().err
    assert meant in said
    assert said.count("\n") == 1


def test_the_version_is_said(capsys):
    with pytest.raises(SystemExit) as end:
        main(["--version"])
    assert end.value.code == 0
    assert capsys.readouterr().out.startswith("aubench")


def test_help_starts_fast(tmp_path):
    begun = time.perf_counter()
    aubench("--help", cwd=tmp_path)
    bare = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import pydantic, yaml"], check=True)
    assert bare - begun < 3 * (time.perf_counter() - bare) + 1
