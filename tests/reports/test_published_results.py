"""Published numbers: transcribed right, recomputed, and kept out of the ranking."""

import json

import pytest

from reports.build import build
from reports.published_results import all_results, plain_name, published_results


def paper_means(dataset, protocol):
    rows = [r for r in all_results() if (r.dataset, r.protocol) == (dataset, protocol)]
    return [round(r.mean, 2) for r in rows if r.where.startswith("the paper")]


def test_the_papers_averages_follow_from_its_values():
    assert paper_means("gft", "3-fold") == [24.24, 48.23, 41.75, 50.07, 53.88, 32.87]
    found = [r.mean for r in published_results("gft", "10-fold", across=False)]
    expected = [50.53, 52.49, 48.37, 63.35, 66.43, 39.7, 44.2, 50.6]
    assert found == pytest.approx(expected, abs=0.06)
    across = [r.mean for r in published_results("bp4d+", "", across=True)]
    assert across == pytest.approx([31.7, 33.2, 41.0], abs=0.06)
    across = [r.mean for r in published_results("gft", "", across=True)]
    assert across == pytest.approx([24.6, 26.2, 32.5], abs=0.06)


def test_bp4d_averages_agree_with_those_printed():
    rows = published_results("bp4d", "3-fold", across=False)
    assert len(rows) == 6 + 20
    assert [r.method for r in rows if r.misprinted] == ["EAC-Net"]
    assert max(r.mean for r in rows if r.mean) == pytest.approx(67.05)


def test_misprinted_averages_of_disfa_are_found():
    rows = published_results("DISFA", "published-3-fold", across=False)
    assert {r.method for r in rows if r.misprinted} == {"EAC-Net", "UGN-B", "GPT-4V"}


def test_doubtful_columns_carry_their_caveat():
    by_name = {r.method: r for r in published_results("gft", "3-fold", across=False)}
    assert any("copying error" in caveat for caveat in by_name["Ours"].caveats)
    copied = {r.method: r for r in published_results("gft", "10-fold", across=False)}["CPM"]
    same = [au for au, v in copied.values.items() if v == by_name["Ours"].values[au]]
    assert same == [1, 2, 6, 7, 10, 12, 14, 15, 17, 23]
    rs, ms = published_results("bp4d+", "10-fold", across=False)[:2]
    assert rs.values == ms.values
    assert "duplicate" in rs.caveats[0]


def test_names_of_datasets():
    assert plain_name("BP4D-plus") == plain_name("bp4d+") == "bp4d+"
    assert plain_name("bp4d") == "bp4d"
    assert published_results("lab", "3-fold", across=False) == []


def test_they_stand_apart_in_a_report_on_bp4d(planted, tmp_path, monkeypatch):
    monkeypatch.setitem(planted.DATASETS, "bp4d", 6)
    plan = planted.planted_plan(methods=("svm", "anet"), settings=(("bp4d", "bp4d"),), aus=(6, 12))
    out = build(planted.make_run(tmp_path / "run", plan=plan, aus=(6, 12)))
    tables = {t["key"]: t for t in json.loads((out / "report.json").read_text())["tables"]}
    table = tables["bp4d-3-fold-published"]
    assert [row["role"] for row in table["rows"]] == ["body"] * 2 + ["apart"] * 26
    assert not any(e.get("mark") for row in table["rows"] for e in row["entries"])
    assert any("EAC-Net (55.9 printed, 55.6 recomputed)" in note for note in table["notes"])
    assert "published" not in tables["overview"]["title"]
    assert "bp4d-3-fold-published" in (out / "report.html").read_text()
