"""The report as it lies on disk: complete, the same bytes every time, whole or not at all."""

import csv
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

from harness.errors import UserError
from harness.store import RunStore
from reports.build import build


def contents(folder):
    return {p.relative_to(folder): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_everything_is_written(report):
    data = json.loads((report / "report.json").read_text())
    for table in data["tables"]:
        assert (report / "tables" / f"{table['key']}.csv").is_file()
        assert (report / "tables" / f"{table['key']}.tex").is_file()
    for figure in data["figures"]:
        assert (report / "figures" / f"{figure['key']}.svg").is_file()
    keys = {table["key"] for table in data["tables"]}
    assert {"overview", "lab-3-fold-f1", "lab-to-group-auc", "cross-dataset-f1", "cost"} <= keys
    assert "unfinished" not in keys
    assert len(keys) == len(data["tables"])


def test_the_same_store_gives_the_same_bytes(small, tmp_path):
    moved = shutil.copytree(small, tmp_path / "elsewhere" / "other-name")
    assert contents(build(moved)) == contents(build(small, tmp_path / "out"))


def test_every_table_says_what_it_rests_on(report):
    for table in json.loads((report / "report.json").read_text())["tables"]:
        if table["section"]:
            assert set(table["facts"]) >= {
                "pooling",
                "thresholds",
                "undefined",
                "frames",
                "subjects",
                "frame set",
            }, table["key"]


def test_a_report_replaces_a_report_and_nothing_else(small, report, tmp_path):
    out = Path(shutil.copytree(report, tmp_path / "out"))
    (out / "stale.txt").write_text("from an earlier report")
    build(small, out)
    assert not (out / "stale.txt").exists()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out"]
    (out / "report.json").unlink()
    with pytest.raises(UserError, match="not a report"):
        build(small, out)


def test_a_place_that_cannot_be_written_is_one_line(small, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(
        UserError, match="file/out: no report can be written there: Not a directory"
    ):
        build(small, tmp_path / "file" / "out")


def test_a_failure_while_writing_keeps_the_old_report(small, report, tmp_path, monkeypatch):
    out = Path(shutil.copytree(report, tmp_path / "out"))
    before = contents(out)
    monkeypatch.setattr("reports.build.render_page", lambda page: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        build(small, out)
    assert contents(out) == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out"]


def test_an_unfinished_run_renders_and_says_what_is_missing(unfinished_report):
    out = unfinished_report
    data = json.loads((out / "report.json").read_text())
    tables = {table["key"]: table for table in data["tables"]}
    rows = [[e["text"] for e in row["entries"]] for row in tables["unfinished"]["rows"]]
    assert rows[0] == ["anet", "failed", "lab → group", "1 (seed 0)", "ValueError: no faces <here>"]
    assert rows[1][:2] == ["hybrid", "waiting"]
    anet = next(r for r in tables["overview"]["rows"] if r["entries"][0]["text"] == "anet")
    failed = [e for e in anet["entries"] if e.get("state") == "failed"]
    assert len(failed) == 2
    assert failed[0]["note"] == "ValueError: no faces <here>"
    html = (out / "report.html").read_text()
    assert "no faces &lt;here&gt;" in html
    assert "22 of 24 cells done, 1 failed" in html


def test_a_run_that_has_only_begun_renders(planted, tmp_path):
    RunStore(tmp_path / "run").begin(planted.planted_plan(), "name: planted\n")
    html = (build(tmp_path / "run") / "report.html").read_text()
    assert "0 of 24 cells done" in html
    assert "nothing is scored yet" in html


def test_a_failed_stage_blocks_and_is_named(planted, tmp_path):
    plan = planted.planted_plan(settings=(("lab", "lab"),), aus=(6, 12))
    skipped = {("hybrid", "lab 3-fold", fold) for fold in "123"}
    run = planted.make_run(tmp_path / "run", plan=plan, skip=skipped, aus=(6, 12))
    stage = next(job for job in plan.jobs.values() if job.kind == "stage")
    RunStore(run).record_failure(stage, {"error": "OSError: disk\nfull", "seconds": 1.0})
    data = json.loads((build(run) / "report.json").read_text())
    states = {cell["state"] for cell in data["cells"] if cell["method"] == "hybrid"}
    assert states == {"blocked", "waiting"}
    message = next(c["message"] for c in data["cells"] if c["state"] == "blocked")
    assert message.endswith("OSError: disk full")
    assert stage.title in message


@pytest.mark.parametrize("damage", ["parquet", "result", "record", "columns", "history"])
def test_damage_is_said_and_the_rest_rendered(planted, own_copy, damage):
    key = RunStore(own_copy).plan().cells[1].job
    planted.damage_job(own_copy, key, damage)
    data = json.loads((build(own_copy) / "report.json").read_text())
    assert list(data["problems"]) == [key]
    assert str(own_copy) not in json.dumps(data)
    assert len(data["tables"]) >= 7


def test_what_is_no_run_is_refused_in_one_line(planted, tmp_path):
    with pytest.raises(UserError, match="holds no run"):
        build(tmp_path)
    run = tmp_path / "run"
    RunStore(run).begin(planted.planted_plan(), "")
    plan = json.loads((run / "plan.json").read_text())
    broken = {
        "version 99": {**plan, "plan_version": 99},
        "empty run": {**plan, "cells": []},
        "damaged": {name: plan[name] for name in ("plan_version", "jobs", "cells")},
    }
    for message, content in broken.items():
        (run / "plan.json").write_text(json.dumps(content))
        with pytest.raises(UserError, match=message) as raised:
            build(run)
        assert "\n" not in str(raised.value)
    assert not (run / "report").exists()


class Collector(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.links, self.ids = [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        for name, value in attrs:
            if name in ("src", "href", "xlink:href", "action"):
                self.links.append(value)
            elif name == "id":
                self.ids.append(value)
            assert not name.startswith("on"), (tag, name)


def test_the_page_is_one_file_that_asks_for_nothing(report):
    html = (report / "report.html").read_text()
    page = Collector()
    page.feed(html)
    assert all(link.startswith(("#", "data:")) for link in page.links)
    assert page.tags.count("script") == 1
    assert len(page.ids) == len(set(page.ids))
    inside = {link[1:] for link in page.links if link.startswith("#")}
    assert inside <= set(page.ids)
    assert not re.search(r"@import|url\(['\"]?http", html)


def test_names_from_a_suite_are_escaped_everywhere(planted, tmp_path):
    name = '<img src=x onerror="alert(1)">'
    plan = planted.planted_plan(
        methods=(name, "b'\"&{{ 7*7 }}$x_1$"),
        settings=(("lab", "lab"),),
        suite="</title><script>x",
        aus=(6, 12),
    )
    run = planted.make_run(
        tmp_path / "run", plan=plan, quality=dict.fromkeys(plan.methods, 1.0), aus=(6, 12)
    )
    out = build(run)
    page = Collector()
    page.feed((out / "report.html").read_text())
    assert "img" not in page.tags
    assert page.tags.count("script") == 1
    assert "{{ 7*7 }}" in (out / "report.html").read_text()
    assert "<img" not in (out / "report.md").read_text()
    for svg in (out / "figures").glob("*.svg"):
        assert "<img" not in svg.read_text()


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no TeX here")
def test_the_tables_compile(unfinished_report, tmp_path):
    out = shutil.copytree(unfinished_report, tmp_path / "out")
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "all.tex"],
        cwd=out / "tables",
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout[-2000:]


def test_the_bayesian_comparison_is_an_option(finished, tmp_path):
    """Its probabilities are those of the statistics room, and it stands only where asked for."""
    from harness.statistics.equivalence import bayesian_signed_rank
    from reports.evaluation import evaluate_run
    from reports.ranks import block_values

    plain = build(finished, tmp_path / "plain")
    assert not (plain / "tables" / "equivalence.csv").exists()
    asked = build(finished, tmp_path / "asked", rope=2.0)
    lines = (asked / "tables" / "equivalence.csv").read_text().splitlines()
    header, *rows = csv.reader(line for line in lines if not line.startswith("#"))
    methods, values = block_values(evaluate_run(finished))
    assert header[1:] == [f"better than {name}" for name in methods]
    for i, row in enumerate(rows):
        for j, cell in enumerate(row[1:]):
            if i != j:
                expected = bayesian_signed_rank(values[:, i] - values[:, j], rope=0.02)
                assert float(cell) == pytest.approx(expected.better, abs=0.005)
    assert "practical equivalence" in (asked / "report.md").read_text()
