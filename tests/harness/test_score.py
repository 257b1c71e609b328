"""`aubench score`, from predictions in a file to a row in a report."""

import argparse
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from harness.commands.score import add_score
from harness.engine.work import do_job
from harness.errors import UserError
from harness.metrics import frame_f1
from harness.plan.build import build_plan
from harness.store import RunStore
from harness.suite.load import load_suite
from harness.sweep import frozen_suite
from reports.build import build
from reports.evaluation import evaluate_run
from tests.harness.predictions.written import plain, values_of

SUITE = """\
name: mine
datasets: {{t: {{prepared: {folder}}}}}
settings: [{{within: t, protocol: 3-fold}}, {{within: t, protocol: 2-fold}}]
methods:
  pixel: {{method: 'toy_methods:Pixel'}}
  ours:
    method: "harness.predictions.method:Predicted"
    options: {{file: {predictions}, kind: probability}}
"""


@pytest.fixture
def predictions(toy_dataset, tmp_path):
    file = tmp_path / "p.csv"
    plain(toy_dataset.table).to_csv(file, index=False)
    return file


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def score(*arguments):
    parser = argparse.ArgumentParser()
    add_score(parser)
    options = parser.parse_args([str(a) for a in arguments])
    return options.run(options)


def run_of(suite, folder):
    """Every job of a suite, done in this process."""
    loaded = load_suite(str(suite))
    plan = build_plan(loaded)
    store = RunStore(folder)
    store.begin(plan, frozen_suite(loaded))
    for job in plan.jobs.values():
        do_job(job, plan.splits.get(job.split), folder)
    return store


@pytest.fixture
def old_run(toy_dataset, tmp_path, predictions):
    suite = tmp_path / "mine.yaml"
    suite.write_text(SUITE.format(folder=toy_dataset.folder, predictions=predictions))
    return run_of(suite, tmp_path / "old")


def test_a_row_of_its_own_with_the_numbers_of_the_file(toy_dataset, predictions, capsys):
    settings = ("--dataset", toy_dataset.folder, "--protocol", "3-fold", "--kind", "probability")
    assert score(predictions, *settings, "--as", "ours") == 0
    assert "read 240 rows in 1 file, format plain, as probability: present from 0.5" in (
        capsys.readouterr().out
    )
    folder = RunStore("runs/toy-3-fold").folder
    evaluation = evaluate_run(folder)
    found = evaluation.comparisons["toy 3-fold"].measured["ours"]
    table = toy_dataset.table
    np.testing.assert_allclose(found.f1_L, frame_f1(table.labels, values_of(table) - 0.5))
    assert found.complete
    assert found.num_frames == 240
    assert found.details.validation_f1_L is not None
    assert "ours" in (build(folder) / "report.md").read_text(encoding="utf-8")
    # scoring a better system into the same run makes a comparison; again replaces its row
    better = plain(table, np.where(table.labels > 0, 0.9, 0.1))
    better.to_csv("better.csv", index=False)
    for file in (predictions, "better.csv"):
        assert score(file, *settings, "--as", "other system") == 0
    evaluation = evaluate_run(folder)
    assert evaluation.plan.methods == ("ours", "other system")
    assert len(evaluation.plan.cells) == 6
    assert evaluation.comparisons["toy 3-fold"].ranked == ("other system", "ours")
    assert evaluation.count("done") == 6


def test_a_row_joins_a_run_on_its_very_folds(old_run, toy_dataset, predictions):
    before = old_run.plan()
    assert score(predictions, "--dataset", "t", "--protocol", "3-fold", "--as", "late", "--kind",
                 "probability", "--out", old_run.folder) == 0  # fmt: skip
    # the same dataset, named by its folder
    score(predictions, "--dataset", toy_dataset.folder, "--protocol", "2-fold", "--as", "late",
          "--kind", "probability", "--out", old_run.folder)  # fmt: skip
    after = old_run.plan()
    assert set(before.jobs) <= set(after.jobs)
    assert after.splits == before.splits
    assert after.methods == ("pixel", "ours", "late")
    evaluation = evaluate_run(old_run.folder)
    for setting in ("t 3-fold", "t 2-fold"):
        measured = evaluation.comparisons[setting].measured
        # a suite may name predictions as a method: the same numbers
        np.testing.assert_array_equal(measured["late"].f1_L, measured["ours"].f1_L)
        assert measured["late"].frame_set == measured["pixel"].frame_set
    assert "# predictions late: " in (old_run.folder / "suite.yaml").read_text(encoding="utf-8")
    assert load_suite(str(old_run.folder / "suite.yaml")).spec.name == "mine"


def test_a_row_across_datasets_of_its_own(toy_dataset, other_dataset, capsys):
    plain(other_dataset.table).to_csv("other.csv", index=False)
    arguments = ("other.csv", "--dataset", other_dataset.folder, "--train", toy_dataset.folder,
                 "--as", "ours", "--kind", "probability")  # fmt: skip
    assert score(*arguments) == 0
    said = capsys.readouterr().out
    assert "row 'ours' of 'toy → other' in" in said
    assert "runs/toy-to-other" in said
    evaluation = evaluate_run("runs/toy-to-other")
    found = evaluation.comparisons["toy → other"].measured["ours"]
    table = other_dataset.table
    assert found.aus == (1, 12)
    np.testing.assert_allclose(found.f1_L, frame_f1(table.labels, values_of(table) - 0.5))
    assert found.num_frames == len(table.numbers)
    assert found.details.validation_f1_L is None  # of the training dataset nothing was predicted
    build("runs/toy-to-other")


def test_a_row_joins_the_cross_dataset_setting_of_a_run(toy_dataset, other_dataset, tmp_path):
    suite = tmp_path / "across.yaml"
    suite.write_text(
        f"name: across\ndatasets: {{t: {{prepared: {toy_dataset.folder}}}, "
        f"o: {{prepared: {other_dataset.folder}}}}}\n"
        "settings: [{within: o, protocol: 2-fold}, {train: t, test: o}, {train: o, test: t}]\n"
        "methods: {pixel: {method: 'toy_methods:Pixel'}}\n"
    )
    store = run_of(suite, tmp_path / "old")
    plain(other_dataset.table).to_csv("other.csv", index=False)
    rest = ("--as", "late", "--kind", "probability", "--out", store.folder)
    score("other.csv", "--dataset", "o", "--train", "t", *rest)
    score("other.csv", "--dataset", other_dataset.folder, "--protocol", "2-fold", *rest)
    evaluation = evaluate_run(store.folder)
    across = evaluation.comparisons["t → o"].measured
    assert across["late"].frame_set == across["pixel"].frame_set
    assert set(evaluation.comparisons["o 2-fold"].measured) == {"pixel", "late"}
    assert set(evaluation.comparisons["o → t"].measured) == {"pixel"}
    matrix = pd.read_csv(build(store.folder) / "tables" / "cross-dataset-f1.csv", comment="#")
    late = matrix[(matrix["method"] == "late") & (matrix["train"] == "t")].iloc[0]
    assert late["test o"] == pytest.approx(100 * across["late"].mean_f1)
    with pytest.raises(UserError, match="no setting 'o → o'"):
        score("other.csv", "--dataset", "o", "--train", "o", *rest)


def test_aus_that_are_not_predicted_are_undefined_not_zero(toy_dataset, predictions):
    pd.read_csv(predictions).drop(columns="AU2").to_csv("few.csv", index=False)
    score("few.csv", "--dataset", toy_dataset.folder, "--protocol", "3-fold", "--as", "few",
          "--kind", "probability", "--out", "r")  # fmt: skip
    found = evaluate_run("r").comparisons["toy 3-fold"].measured["few"]
    assert np.isnan(found.f1_L).tolist() == [False, True, False]
    cell = RunStore("r").plan().cells[0]
    notes = RunStore("r").result(cell.job)["notes"]
    assert any("no predictions of AU2" in note for note in notes)
    build("r")


def test_other_content_is_another_job(toy_dataset, predictions):
    keys = set()
    for value in (0.2, 0.3):
        data = pd.read_csv(predictions)
        data.loc[0, "AU1"] = value
        data.to_csv(predictions, index=False)
        score(predictions, "--dataset", toy_dataset.folder, "--protocol", "2-fold", "--as", "ours",
              "--kind", "probability", "--out", "r")  # fmt: skip
        keys |= {cell.job for cell in RunStore("r").plan().cells}
    assert len(keys) == 4


MISTAKES = {
    "unknown protocol": ({"--protocol": "3fold"}, "unknown protocol '3fold'"),
    "no dataset": ({"--dataset": "nowhere"}, "nowhere is not a prepared dataset"),
    "no threshold": ({"--kind": "intensity"}, "--threshold"),
    "wrong kind": ({"--kind": "presence"}, "predictions are no presence, which is 0 or 1"),
    "an AU that is not there": ({"--aus": "1,5"}, "no labels for AU5"),
    "AUs that are no numbers": ({"--aus": "AU1"}, "write AU numbers"),
    "no name": ({"--as": " "}, "--as"),
    "an AU twice": ({"--aus": "1,1"}, "--aus 1,1: write AU numbers, each once"),
    "list without a file": ({"--protocol": "list"}, "--lists FILE"),
    "across by protocol": ({"--protocol": "cross-dataset"}, "give --train"),
    "within and across": ({"--train": "elsewhere"}, "--protocol P .* or --train DATASET"),
    "neither within nor across": ({"--protocol": None}, "--protocol P .* or --train DATASET"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_writes_nothing(mistake, toy_dataset, predictions, tmp_path):
    changed, message = MISTAKES[mistake]
    options = {"--dataset": toy_dataset.folder, "--protocol": "3-fold", "--as": "ours",
               "--kind": "probability", **changed}  # fmt: skip
    given = [part for pair in options.items() if pair[1] is not None for part in pair]
    with pytest.raises(UserError, match=message) as caught:
        score(predictions, *given)
    assert "\n" not in str(caught.value)
    assert [p.name for p in tmp_path.iterdir()] == ["p.csv"]


def test_predictions_that_are_not_there_are_one_line(toy_dataset, tmp_path):
    with pytest.raises(UserError, match=r"/nowhere.csv: there is no such file or folder$"):
        score("nowhere.csv", "--dataset", toy_dataset.folder, "--protocol", "3-fold", "--as", "ours",
              "--kind", "probability")  # fmt: skip
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("kind: probabilty", "unknown kind 'probabilty'; did you mean 'probability'"),
        ("kind: intensity", "needs --threshold"),
        ("kind: score, format: openfac", "unknown format 'openfac'; did you mean 'openface'"),
        ("kind: probability, threshold: 2", "up to 1"),
    ],
)
def test_a_suites_row_is_refused_before_anything_runs(options, message, toy_dataset, predictions):
    text = SUITE.format(folder=toy_dataset.folder, predictions=predictions)
    Path("mine.yaml").write_text(text.replace("kind: probability", options))
    with pytest.raises(UserError, match=message) as caught:
        build_plan(load_suite("mine.yaml"))
    assert str(caught.value).startswith("mine.yaml:")


def test_a_run_takes_only_what_fits_it(old_run, other_dataset, predictions):
    def refused(*arguments, message):
        before = json.dumps(old_run.plan().to_json())
        with pytest.raises(UserError, match=message):
            score(predictions, *arguments, "--kind", "probability", "--out", old_run.folder)
        assert json.dumps(old_run.plan().to_json()) == before

    late = ("--as", "late")
    refused("--dataset", "t", "--protocol", "3-fold", "--as", "pixel", message="computed a method")
    refused("--dataset", "t", "--protocol", "10-fold", *late, message="no setting 't 10-fold'")
    refused("--dataset", "u", "--protocol", "3-fold", *late, message="no dataset 'u'")
    refused("--dataset", other_dataset.folder, "--protocol", "3-fold", *late, message="not made on")
    refused("--dataset", "t", "--protocol", "3-fold", *late, "--aus", "1", message="--aus")
    with old_run.driver_lock():
        refused("--dataset", "t", "--protocol", "3-fold", *late, message="is being run by")


def test_predictions_that_changed_after_planning_are_refused(old_run, predictions, tmp_path):
    plan = old_run.plan()
    job = next(plan.jobs[c.job] for c in plan.cells if c.method == "ours")
    again = RunStore(tmp_path / "again")
    again.begin(plan, (old_run.folder / "suite.yaml").read_text(encoding="utf-8"))
    predictions.write_text(predictions.read_text().replace("0.5", "0.6"))
    with pytest.raises(UserError, match="has changed since it was planned"):
        do_job(job, plan.splits[job.split], again.folder)
