"""Progress: plain lines in a pipe, a table in a terminal, an honest estimate of what is left."""

import pytest
from bare_plan import bare_job, bare_plan
from rich.console import Console

from harness.progress import (
    LineProgress,
    LiveProgress,
    Progress,
    describe_losses,
    describe_resources,
    state_table,
)


@pytest.fixture
def plan():
    groups = {"a": "svm", "b": "svm", "c": "anet", "d": "anet"}
    return bare_plan(
        [bare_job(key, title=f"[bold]{key}", group=group) for key, group in groups.items()]
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


def test_a_lost_attempt_is_a_line_and_is_counted(plan, capsys):
    progress = LineProgress(plan, dict.fromkeys(plan.jobs, "waiting"))
    progress.changed(plan.jobs["a"], "running", "")
    progress.lost(plan.jobs["a"], "node died")
    progress.changed(plan.jobs["a"], "waiting", "")
    assert capsys.readouterr().out == "again: [bold]a  (node died)\n"
    assert progress.count("waiting") == 4
    assert progress.count("running") == 0
    progress.losses.update({"worker died": 2})
    assert describe_losses(progress.losses) == "attempts lost: 3 (1 node died, 2 worker died)"


@pytest.mark.parametrize(
    ("gpus", "memory", "said"),
    [
        (0, 0, "3 nodes, CPU 5 of 6"),
        (2, 0, "3 nodes, CPU 5 of 6, GPU 0.5 of 2"),
        (0, 2e9, "3 nodes, CPU 5 of 6, memory 2.0 of 16.0 GB"),
    ],
)
def test_resources_are_said_as_far_as_there_are_any(gpus, memory, said):
    held = {"CPU": 5.0, "GPU": gpus / 4, "memory": memory}
    assert describe_resources(held, {"CPU": 6.0, "GPU": float(gpus), "memory": 16e9}, 3) == said


def test_the_live_table_shows_states_time_left_failures_losses_and_resources(plan, monkeypatch):
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    progress = LiveProgress(plan, dict.fromkeys(plan.jobs, "waiting"))
    now[0] += 10
    progress.changed(plan.jobs["a"], "done", "")
    progress.changed(plan.jobs["b"], "failed", "E: no")
    progress.changed(plan.jobs["c"], "running", "")
    progress.lost(plan.jobs["c"], "worker died")
    progress.resources({"CPU": 1.0, "GPU": 0, "memory": 0}, {"CPU": 2.0, "GPU": 0, "memory": 0}, 1)
    console = Console(width=120, record=True)
    console.print(progress._table())
    text = console.export_text()
    for said in (
        "10 s, about 20 s left · 1 node, CPU 1 of 2",
        "running: [bold]c",
        "attempts lost: 1 (1 worker died)",
        "failed: [bold]b: E: no",
    ):
        assert said in text
