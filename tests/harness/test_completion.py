"""`aubench completion`, asked by the shells themselves."""

import json
import os
import pty
import select
import shutil
import subprocess
import sys
import time
from argparse import Namespace
from pathlib import Path

import pytest

from harness.cli import _parser
from harness.commands.completion import COMPLETERS, of_run, runs, suites, verbs_of

ROOT = Path(__file__).parents[2]

ASKED = {
    "aubench pl": {"plan"},
    "aubench plan dem": {"demo"},
    "aubench report demo --metr": {"--metric"},
    "aubench report demo --metric roc": {"roc_auc"},
    "aubench synth lab": {"lab", "lab-plus"},
    "aubench audit disfa": {"disfa", "disfaplus"},
    "aubench score p.csv --kind pr": {"presence", "probability"},
}


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """An environment in which `aubench` is this checkout, in a folder without files."""
    folder = tmp_path_factory.mktemp("shell")
    command = folder / "bin" / "aubench"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m harness "$@"\n')
    command.chmod(0o755)
    (folder / "home").mkdir()
    return {
        **os.environ,
        "HOME": str(folder / "home"),
        "TERM": "dumb",
        "PATH": f"{command.parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
    }


def said_by(command, environment):
    done = subprocess.run(
        command, env=environment, cwd=environment["HOME"], capture_output=True, text=True,
        timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_bash_completes_commands_options_and_names(environment):
    script = ['eval "$(aubench completion bash)"']
    for line in ASKED:
        script += [
            f"COMP_LINE='{line}' COMP_POINT={len(line)} COMP_TYPE=9 COMPREPLY=()",
            "_python_argcomplete aubench",
            'echo "${COMPREPLY[@]}"',
        ]
    said = said_by(["bash", "-c", "\n".join(script)], environment).splitlines()
    assert [set(line.split()) for line in said] == list(ASKED.values())


@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not installed")
def test_fish_completes_commands_options_and_names(environment):
    script = ["aubench completion fish | source"]
    for line in ASKED:
        script += [f"complete -C '{line}'", "echo ---"]
    said = said_by(["fish", "--no-config", "-c", "\n".join(script)], environment)
    offered = [
        {row.split("\t")[0] for row in block.split("\n") if row} for block in said.split("---\n")
    ]
    assert offered[: len(ASKED)] == list(ASKED.values())


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed")
def test_zsh_completes_in_a_terminal(environment):
    pid, terminal = pty.fork()
    if pid == 0:  # what follows is zsh
        os.chdir(environment["HOME"])
        os.execvpe("zsh", ["zsh", "-f", "-i"], environment)

    def typed(text, awaited):
        os.write(terminal, text.encode())
        seen, until = "", time.monotonic() + 30
        while awaited not in seen and time.monotonic() < until:
            if select.select([terminal], [], [], 0.2)[0]:
                seen += os.read(terminal, 65536).decode(errors="replace")
        assert awaited in seen, seen

    try:
        typed("autoload -Uz compinit; compinit -u -D; echo read''y\n", "ready")
        typed("eval \"$(aubench completion zsh)\"; echo lo''aded\n", "loaded")
        typed("aubench pl\t", "plan")
        typed("\x15aubench report demo --metric roc\t", "roc_auc")
    finally:
        os.close(terminal)
        os.waitpid(pid, 0)


def test_what_is_completed_exists():
    verbs = verbs_of(_parser())
    for verb, argument in COMPLETERS:
        assert argument in {action.dest for action in verbs[verb]._actions}, (verb, argument)


def test_the_rows_of_the_run_that_was_typed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = tmp_path / "runs" / "mine"
    run.mkdir(parents=True)
    cells = [
        {"method": "svm", "setting": "lab 3-fold", "fold": "1"},
        {"method": "ours", "setting": "lab 3-fold", "fold": "1"},
    ]
    (run / "plan.json").write_text(json.dumps({"cells": cells}))
    (tmp_path / "mine.yaml").write_text("")
    (tmp_path / "notes.txt").write_text("")
    assert of_run("method")(Namespace(model="runs/mine", out=None)) == ["svm", "ours"]
    assert of_run("setting")(Namespace(model=None, out="runs/mine")) == ["lab 3-fold"]
    for nothing in (Namespace(model=None, out=None), Namespace(model="notes.txt", out=None)):
        assert of_run("fold")(nothing) == []
    offered = set(suites(""))
    assert {"demo", "mine.yaml"} <= offered
    assert "notes.txt" not in offered
    assert "runs/mine" in set(runs(""))
