"""A planted search in a report: its map, its tables, and what they must not claim."""

import json
import re

import pytest

from harness.search.records import SearchStore
from harness.search.space import parse_dimension
from reports.build import build
from reports.evaluation import evaluate_run
from reports.figures.search_importance import search_importance
from reports.figures.search_map import search_map
from reports.figures.search_parallel import search_parallel
from reports.figures.search_timeline import search_timeline
from reports.search import axis_of, search_of, search_problems
from reports.tables.search import search_tables

SPACE = {
    "sequence.layers": {"int": [1, 4]},
    "sequence.margin": {"uniform": [0.1, 1.0]},
    "sequence.hidden": [64, 128],
}
EASY = {"1": 0.0, "2": 0.2, "3": 0.1}  # how much easier a fold's validation subjects are


def trial(fold, number, layers, margin, state="finished", hidden=64):
    value = 0.5 + EASY[fold] - 0.05 * abs(layers - 2)
    return {
        "key": f"{fold}{number}",
        "row": "lstm",
        "setting": "lab 3-fold",
        "fold": fold,
        "fold_position": int(fold) - 1,
        "options": {
            "sequence.layers": layers,
            "sequence.margin": margin,
            "sequence.hidden": hidden,
        },
        "state": state,
        "value": None if state == "failed" else value,
        "error": "ValueError: <planted>" if state == "failed" else "",
        "rows": [],
        "final": {},
        "host": "node-1",
        "pid": int(fold),
        "cost": {"started": 100.0 + number, "seconds": 1.0, "cpu_seconds": 0.5, "gpu_seconds": 0},
    }


@pytest.fixture
def searched(own_copy):
    """A run whose search tried two layers in every fold, and three only in the easiest."""
    store = SearchStore(own_copy)
    trials = [trial(fold, 0, 3, 0.5) for fold in EASY]
    trials += [trial(fold, 1, 2, 0.95) for fold in EASY]
    trials += [trial("2", 2, 1, 0.2), trial("2", 3, 4, 0.9, "stopped")]
    trials += [trial("3", 2, 4, 0.9, "failed")]
    search = {
        "key": "now",
        "method": "lstm",
        "setting": "lab 3-fold",
        "folds": list(EASY),
        "algorithm": "tpe",
        "metric": "validation_mean_f1",
        "mode": "max",
        "seed": 0,
        "complete": True,
        "dimensions": [parse_dimension(name, given).to_json() for name, given in SPACE.items()],
        "reference": {"sequence.layers": 3, "sequence.margin": 0.5},
        "validation_subjects": [2, 2, 2],
        "best": {
            fold: {"options": trial(fold, 1, 2, 0.95)["options"], "value": 0.5 + EASY[fold]}
            for fold in EASY
        },
        "agreed": trial("1", 1, 2, 0.95)["options"],
        "importance": {"1": {}, "2": dict.fromkeys(SPACE, 1 / 3), "3": {}},
    }
    store.begin(search)
    for one in trials:
        store.write_trial(one, "now", one["cost"]["started"] - 100)
    store.write_table("now")
    return own_copy


def texts(figure):
    return re.findall(r"<text[^>]*>([^<]*)</text>", figure.svg)


def test_an_easy_fold_favours_nothing(searched):
    search = search_of(evaluate_run(searched))
    layers = axis_of(search, search.dimensions[0])
    values = search.levelled(lambda t: layers.place(t.options["sequence.layers"]))
    means = {cell: sum(found.values()) / len(found) for cell, found in values.items()}
    assert means[1] == pytest.approx(60.0)  # .5, .7, .6
    assert means[2] == pytest.approx(55.0)
    assert means[0] == pytest.approx(55.0)  # tried in the easiest fold alone, where it gave 65
    for found in values.values():
        assert max(found.values()) - min(found.values()) == pytest.approx(0)


def test_the_map_shows_means_ranges_stopped_trials_and_the_paper_s_choice(searched):
    figure = search_map(evaluate_run(searched))
    said = texts(figure)
    assert {"60.0", "55.0", "55.0–55.0", "60.0–60.0", "1 stopped", "layers", "margin"} <= set(said)
    assert "0.46–0.64" in said
    assert "Outlined: the paper's choice, layers 3, margin 0.5." in figure.caption
    assert "also over 1 other option." in figure.caption
    assert "#d55e00" in figure.svg
    assert search_map(evaluate_run(searched)).svg == figure.svg  # the same bytes


def test_the_tables_say_what_was_found_and_that_it_is_optimistic(searched):
    best, cost, trials = search_tables(evaluate_run(searched))
    rows = [[entry.text for entry in row.entries] for row in best.rows]
    assert rows[0] == ["fold 1", "2", "0.95", "64", "50.0", "45.0"]
    assert rows[3] == ["agreed", "2", "0.95", "64", "", ""]
    assert best.columns[-1].title == "The paper's choice"
    assert "optimistic" in best.notes[0]
    assert [entry.text for entry in cost.rows[-1].entries[1:4]] == ["7", "1", "1"]
    failed = next(row for row in trials.rows if row.entries[6].state == "failed")
    assert failed.entries[6].note == "ValueError: <planted>"


def test_every_figure_is_in_the_report_and_no_name_is_code(searched, tmp_path):
    report = build(searched, tmp_path / "report")
    page = (report / "report.html").read_text()
    for name in ("map", "parallel", "importance", "timeline"):
        assert (report / "figures" / f"search-{name}.svg").is_file()
        assert f'id="search-{name}"' in page
    assert "<planted>" not in page
    assert "Best options of lstm, lab 3-fold" in (report / "report.md").read_text()


@pytest.mark.parametrize(
    "damage", [{"complete": None, "folds": 3}, {"dimensions": [{"name": 1}]}, "not json", {}]
)
def test_a_search_that_cannot_be_read_is_left_out(searched, damage):
    file = searched / "search" / "search.json"
    if isinstance(damage, dict):
        found = json.loads(file.read_text())
        damage = json.dumps({**found, **damage} if damage else {})
    file.write_text(damage)
    evaluation = evaluate_run(searched)
    assert search_of(evaluation) is None
    assert search_tables(evaluation) == []
    for draw in (search_map, search_parallel, search_importance, search_timeline):
        assert draw(evaluation) is None


def test_damage_to_a_search_is_said(searched, tmp_path):
    assert search_problems(evaluate_run(searched)) == []
    folder = searched / "search"
    (folder / "trials.jsonl").write_text("{")
    assert search_of(evaluate_run(searched)).trials  # each trial's own record is there still
    for file in (folder / "trials").iterdir():
        file.unlink()
    page = (build(searched, tmp_path / "a") / "report.html").read_text()
    assert "search/trials.jsonl is missing or damaged" in page
    (folder / "search.json").write_text("{")
    page = (build(searched, tmp_path / "b") / "report.html").read_text()
    assert "search/search.json is damaged" in page


def test_an_unfinished_search_shows_what_there_is(searched):
    file = searched / "search" / "search.json"
    found = json.loads(file.read_text())
    for name in ("best", "agreed", "importance"):
        del found[name]
    file.write_text(json.dumps({**found, "complete": False}))
    (searched / "search" / "trials.jsonl").unlink()
    evaluation = evaluate_run(searched)
    assert [table.key for table in search_tables(evaluation)] == ["search-cost", "search-trials"]
    assert "60.0" in texts(search_map(evaluation))
    assert search_importance(evaluation) is None


def test_one_searched_option_is_a_column_of_its_own(searched):
    file = searched / "search" / "search.json"
    found = json.loads(file.read_text())
    file.write_text(json.dumps({**found, "dimensions": found["dimensions"][:1]}))
    evaluation = evaluate_run(searched)
    assert "60.0" in texts(search_map(evaluation))
    assert search_importance(evaluation) is None
    assert search_parallel(evaluation) is not None
