"""Progress: plain lines in a pipe, a table in a terminal, an honest estimate of what is left."""

import pytest
from rich.console import Console

from harness.method import Needs
from harness.plan.jobs import Job, Plan
from harness.progress import LineProgress, Progress, state_table


@pytest.fixture
def plan():
    jobs = {
        key: Job(
            key=key,
            kind="cell",
            title=f"[bold]{key}",
            group="svm" if key < "c" else "anet",
            needs=(),
            resources=Needs(),
            split="",
            num_frames=1,
            spec={},
        )
        for key in "abcd"
    }
    return Plan(
        suite="demo",
        description="",
        methods=(),
        settings=(),
        jobs=jobs,
        cells=(),
        splits={},
        datasets={},
    )


def test_a_line_for_every_job_that_ends(plan, capsys):
    progress = LineProgress(plan, dict.fromkeys(plan.jobs, "waiting"))
    progress.changed(plan.jobs["a"], "running", "")
    progress.changed(plan.jobs["a"], "done", "F1 0.5")
    progress.changed(plan.jobs["b"], "failed", "E: no")
    lines = capsys.readouterr().out.splitlines()
    assert lines == ["[  1/4] done    [bold]a  (F1 0.5)", "[  2/4] failed  [bold]b  (E: no)"]


def test_time_left_counts_this_run_only(plan, monkeypatch):
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    progress = Progress(plan, {"a": "done", "b": "waiting", "c": "waiting", "d": "waiting"})
    assert progress.eta_seconds() is None
    now[0] += 10
    progress.changed(plan.jobs["b"], "done", "")
    assert progress.eta_seconds() == pytest.approx(20)


def test_the_table_counts_by_group_and_state(plan):
    states = {"a": "done", "b": "failed", "c": "running", "d": "running"}
    console = Console(width=100, record=True)
    console.print(state_table(plan, states, "1 s"))
    text = console.export_text()
    rows = {row.split()[1]: row.split()[3::2] for row in text.splitlines() if row.startswith("│")}
    assert rows["svm"] == ["·", "·", "1", "1", "·"]
    assert rows["anet"] == ["·", "2", "·", "·", "·"]
