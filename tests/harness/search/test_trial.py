"""One trial in this process: what it measures, reports and leaves, and how it goes on."""

import json
from pathlib import Path

import pytest

from harness.context import LocalContext
from harness.data.places import open_dataset
from harness.errors import UserError
from harness.registry import load_method
from harness.search.planning import plan_search
from harness.search.records import SearchStore
from harness.search.trial import TrialEnded, TrialFrames, run_trial
from harness.store import RunStore
from harness.suite.load import load_suite

CHOSEN = {"inner.depth": 3, "inner.margin": 0.7}


@pytest.fixture
def trial(suite, tmp_path):
    """Runs a trial of a suite; gives its record, what was heard, and its store."""

    def run(more="trials: 6", chosen=CHOSEN, stop_after=None, number=0, **given):
        store = RunStore(tmp_path / "run")
        plan = plan_search(load_suite(suite(more, **given)), store)
        task = plan.tasks[0]
        heard = []

        def listen(row):
            heard.append(row)
            if stop_after is not None and len(heard) >= stop_after:
                raise TrialEnded(stopped=True)

        record = run_trial(task, chosen, number, TrialFrames(task), listen)
        return record, heard, SearchStore(task.run_folder), plan

    return run


def test_a_trial_s_value_is_the_f1_of_its_model_on_validation(trial):
    record, heard, store, plan = trial()
    assert record["state"] == "finished"
    # depth is 1 of 4 away: quality .75, so 12.5 % of the labels are said wrong
    assert record["value"] == pytest.approx(0.875, abs=0.06)
    assert record["value"] == record["final"]["validation_mean_f1"]
    assert [row["validation_mean_f1"] for row in heard] == pytest.approx([0.1875, 0.375, 0.5625])
    assert [row["step"] for row in record["rows"]] == [1, 2, 3]
    assert record["cost"]["seconds"] > 0
    (kept,) = store.trials(plan.key)
    assert {**record, "searches": {plan.key: 0}, "number": 0} == kept
    assert not (store.folder / "work" / record["key"]).exists()


def test_a_finished_trial_is_not_run_again_but_reports_again(trial, tmp_path):
    options = f"log: {tmp_path / 'log'}"
    first, heard, *_ = trial(options=options)
    again, heard_again, store, plan = trial("trials: 7", number=4, options=options)
    assert len((tmp_path / "log").read_text().splitlines()) == 1
    assert heard_again == heard
    assert again["value"] == first["value"]
    assert [record["number"] for record in store.trials(plan.key)] == [4]  # its own numbering


def test_a_stopped_trial_goes_on_from_its_checkpoint(trial):
    record, _, store, plan = trial(stop_after=2)
    assert (record["state"], len(record["rows"])) == ("stopped", 2)
    assert record["value"] == pytest.approx(0.375)
    work = store.work_folder(record["key"]) / "trial"
    assert json.loads((work / "checkpoint" / "epoch.json").read_text()) == 2
    whole, heard, store, plan = trial()
    assert whole["state"] == "finished"
    assert [row["step"] for row in heard] == [1, 2, 3]  # heard again, not trained again
    assert heard[0]["validation_mean_f1"] == record["rows"][0]["validation_mean_f1"]
    assert len(store.trials(plan.key)) == 1


def test_a_trial_ends_after_so_many_epochs_or_so_much_time(trial):
    record, heard, *_ = trial("epochs: 2")
    assert (record["state"], len(heard)) == ("finished", 2)
    assert record["value"] == pytest.approx(0.375)
    record, heard, *_ = trial("seconds: 0.05", options="sleep: 0.06")
    assert (record["state"], len(heard)) == ("finished", 1)


def test_a_metric_of_the_training_s_own_is_taken_from_its_reports(trial):
    record, *_ = trial("metric: likeness", options="metric: likeness")
    assert record["value"] == pytest.approx(0.5625)
    assert record["final"]["validation_mean_f1"] == pytest.approx(0.875, abs=0.06)


def test_a_metric_that_is_never_reported_is_named(trial):
    with pytest.raises(UserError) as error:
        trial("metric: accuracy")
    said = str(error.value)
    assert said.startswith("the metric 'accuracy' is never reported by 'planted'; reported are ")
    assert "step" in said
    assert "validation_mean_f1" in said


def test_a_trial_that_raises_leaves_its_cause_in_one_line(trial, tmp_path, suite):
    with pytest.raises(ArithmeticError):
        trial(options="fail_when_deeper: 2")
    store = SearchStore(tmp_path / "run")
    plan = plan_search(load_suite(suite(options="fail_when_deeper: 2")), RunStore(tmp_path / "run"))
    (record,) = store.trials(plan.key)
    assert (record["state"], record["value"]) == ("failed", None)
    assert record["error"] == "ArithmeticError: planted fault"
    assert "at depth 3" in record["traceback"]
    assert not list((store.folder / "work").iterdir())


def test_a_trial_trains_the_stages_that_its_options_reach(trial, tmp_path, suite):
    store = RunStore(tmp_path / "run")
    task = plan_search(load_suite(suite(method="OnShared")), store).tasks[0]
    (folder,) = task.stages.values()
    frames = open_dataset(task.dataset).frames()
    shared = load_method("toy_methods:Pixel")()
    Path(folder).mkdir(parents=True)
    shared.fit(frames, frames, LocalContext(tmp_path / "context")).save(folder)
    record, *_ = trial(method="OnShared")
    assert record["state"] == "finished"
