"""The table that ends a sweep in the terminal."""

import resource
import subprocess
import sys

import pytest

from harness.errors import UserError
from reports.terminal import summary_table


def test_it_says_who_wins_and_what_failed(unfinished):
    shown = summary_table(unfinished, width=100)
    lines = shown.splitlines()
    assert all(len(line) <= 100 for line in lines)
    assert "failed: anet, lab → group, fold 1: ValueError: no faces <here>" in lines
    assert "22 of 24 cells done; 1 failed, 1 waiting" in lines
    hybrid = next(line for line in lines if line.lstrip().startswith("hybrid"))
    assert hybrid.count("*") == 4  # best F1 and AUC in two settings; not ranked in the third
    assert hybrid.count("†") == 2
    assert "lab 3-fold: hybrid" in shown
    assert "\x1b" not in shown


def test_colours_are_written_when_asked_for(finished):
    assert "\x1b[1;32m" in summary_table(finished, colour=True)


def test_narrow_terminals_get_settings_below_each_other(finished):
    shown = summary_table(finished, width=60)
    assert max(map(len, shown.splitlines())) <= 60
    assert shown.count("Method") == 2


def test_a_finished_run_has_no_list_of_failures(finished):
    assert "failed" not in summary_table(finished)


def test_no_run_is_a_user_error(tmp_path):
    with pytest.raises(UserError, match="holds no run"):
        summary_table(tmp_path)


def test_it_is_quick_and_loads_nothing_heavy(finished):
    code = (
        "import sys; from pathlib import Path; from reports.terminal import summary_table\n"
        "summary_table(Path(sys.argv[1]))\n"
        "heavy = {'torch', 'ray', 'matplotlib', 'jinja2', 'sklearn', 'numba', 'cv2'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-c", code, str(finished)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 4
