"""The table of the paper's form: rows of AUs, a column a method, chance apart."""

import numpy as np
import pytest

from harness.store import RunStore
from reports.evaluation import evaluate_run
from reports.tables.cross_dataset import cross_dataset
from reports.tables.per_au import per_au


def column(table, key):
    place = [c.key for c in table.columns].index(key)
    return [row.entries[place] for row in table.rows]


def test_rows_are_aus_and_their_mean(evaluation, planted):
    table = per_au(evaluation, "lab 3-fold", "f1")
    assert [e.text for e in column(table, "au")] == [*map(str, planted.AUS), "Mean"]
    measured = evaluation.comparisons["lab 3-fold"].measured["hybrid"]
    shown = [e.value for e in column(table, "hybrid")]
    np.testing.assert_allclose(shown, 100 * np.append(measured.f1_L, measured.f1_L.mean()))
    assert [e.value for e in column(table, "support")][:-1] == list(measured.present_L)
    assert table.rows[-1].role == "mean"


def test_chance_stands_apart_and_is_twice_the_rate_over_one_plus_the_rate(evaluation):
    table = per_au(evaluation, "lab 3-fold", "f1")
    rates = np.array([e.value for e in column(table, "base_rate")][:-1]) / 100
    always = [e.value for e in column(table, "always")][:-1]
    np.testing.assert_allclose(always, 100 * 2 * rates / (1 + rates))
    assert next(c for c in table.columns if c.key == "always").apart
    assert not any(e.mark for e in column(table, "always"))


def test_chance_is_not_shown_twice(planted, tmp_path):
    plan = planted.planted_plan(methods=("svm", "chance"), settings=(("lab", "lab"),))
    run = planted.make_run(tmp_path / "run", plan=plan, quality={"svm": 1.0, "chance": 1.0})
    store = RunStore(run)
    for cell in plan.cells:
        if cell.method == "chance":
            ones = {f"score_AU{au}": np.float32(1) for au in planted.AUS}
            planted.replace_scores(store, cell.job, lambda table, ones=ones: table.assign(**ones))
    table = per_au(evaluate_run(run), "lab 3-fold", "f1")
    assert [c.key for c in table.columns][3:] == ["svm", "chance"]
    assert [e.text for e in column(per_au(evaluate_run(run), "lab 3-fold", "auc"), "chance")] == [
        "50.0"
    ] * 7


def test_a_method_without_a_number_says_why(unfinished):
    evaluation = evaluate_run(unfinished)
    entries = column(per_au(evaluation, "lab → group", "f1"), "anet")
    assert {(e.text, e.state, e.note) for e in entries} == {
        ("failed", "failed", "ValueError: no faces <here>")
    }
    partial = column(per_au(evaluation, "group 3-fold", "f1"), "hybrid")
    assert {e.state for e in partial} == {"partial"}
    assert {e.note for e in partial} == {"2 of 3 cells done, 1 waiting"}
    notes = per_au(evaluation, "group 3-fold", "f1").notes
    assert notes[0].startswith("hybrid: 2 of 3 cells, 960 frames of 4 subjects, frame set ")


def test_the_matrix_holds_every_pair_of_datasets(evaluation):
    table = cross_dataset(evaluation, "f1")
    rows = {(r.entries[0].text, r.entries[1].text): r.entries[2:] for r in table.rows}
    assert len(rows) == 6
    expected = {"lab": "lab 3-fold", "group": "group → lab"}
    for train, setting in expected.items():
        value = 100 * evaluation.comparisons[setting].measured["svm"].mean_f1
        assert rows["svm", train][0].value == pytest.approx(value)


def test_there_is_no_matrix_within_one_dataset(small):
    assert cross_dataset(evaluate_run(small, details=False), "f1") is None
