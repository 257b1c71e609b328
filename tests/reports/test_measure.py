"""What is measured, against scikit-learn on the stored scores."""

import numpy as np
import pytest
from sklearn.metrics import f1_score, roc_auc_score

from harness.metrics import ScoredFrames, find_metric, frame_f1
from harness.metrics.pooling import pool, units_of
from harness.store import RunStore
from reports.evaluation import evaluate_run
from reports.folds import ScoreColumns
from reports.run_view import RunView


def stored(folder, method, setting):
    store = RunStore(folder)
    tables = [
        store.scores(cell.job)
        for cell in store.plan().cells
        if (cell.method, cell.setting) == (method, setting)
    ]
    return [table[table["part"] == "test"] for table in tables]


def reference(tables, au, score):
    labels = np.concatenate([t[f"label_AU{au}"] for t in tables])
    scores = np.concatenate([t[f"score_AU{au}"] for t in tables])
    known = labels != 0
    return score(labels[known] > 0, scores[known])


def sk_f1(present, scores):
    return f1_score(present, scores > 0)


def test_pooled_numbers_agree_with_scikit_learn(finished, evaluation, planted):
    measured = evaluation.comparisons["lab 3-fold"].measured["anet"]
    tables = stored(finished, "anet", "lab 3-fold")
    assert measured.num_frames == sum(len(t) for t in tables)
    f1 = [reference(tables, au, sk_f1) for au in planted.AUS]
    auc = [reference(tables, au, roc_auc_score) for au in planted.AUS]
    np.testing.assert_allclose(measured.f1_L, f1, atol=1e-12)
    np.testing.assert_allclose(measured.auc_L, auc, atol=1e-9)


def test_fold_means_agree_with_scikit_learn(finished, evaluation, planted):
    details = evaluation.comparisons["lab 3-fold"].measured["svm"].details
    tables = stored(finished, "svm", "lab 3-fold")
    expected = [np.mean([reference([t], au, sk_f1) for au in planted.AUS]) for t in tables]
    np.testing.assert_allclose(details.fold_f1, expected, atol=1e-12)
    assert details.folds == ("1", "2", "3")


def test_an_oracle_threshold_never_claims_less(evaluation):
    for comparison in evaluation.comparisons.values():
        for measured in comparison.measured.values():
            # Per fold, an oracle beats the fixed threshold; pooled, it may lose a hair.
            assert measured.details.oracle_f1_L.mean() >= measured.mean_f1 - 0.005


def test_seeds_are_averaged(planted, tmp_path):
    settings = (("group", "group"),)
    runs = {}
    for name, seeds in (("both", (0, 1)), ("zero", (0,)), ("one", (1,))):
        plan = planted.planted_plan(methods=("svm",), settings=settings, seeds=seeds)
        runs[name] = evaluate_run(planted.make_run(tmp_path / name, plan=plan))
    f1 = {n: e.comparisons["group 3-fold"].measured["svm"].f1_L for n, e in runs.items()}
    assert not np.allclose(f1["zero"], f1["one"])
    np.testing.assert_allclose(f1["both"], (f1["zero"] + f1["one"]) / 2)
    counts = runs["both"].comparisons["group 3-fold"].measured["svm"]
    assert (counts.planned, counts.done, len(counts.confusion)) == (6, 6, 2)


def test_without_details_the_numbers_are_the_same(finished, evaluation):
    quick = evaluate_run(finished, details=False)
    for setting, comparison in evaluation.comparisons.items():
        for method, measured in comparison.measured.items():
            other = quick.comparisons[setting].measured[method]
            np.testing.assert_array_equal(measured.f1_L, other.f1_L)
            np.testing.assert_allclose(measured.auc_L, other.auc_L)
            detailed, quickly = comparison.f1[method], quick.comparisons[setting].f1[method]
            assert repr(detailed) == repr(quickly)


@pytest.mark.parametrize("damage", ["parquet", "result", "record", "columns", "history"])
def test_a_damaged_job_is_said_and_the_rest_measured(planted, own_copy, damage):
    key = RunStore(own_copy).plan().cells[1].job  # anet, fold 1: it has a history
    planted.damage_job(own_copy, key, damage)
    evaluation = evaluate_run(own_copy)
    view = evaluation.cells[1]
    if damage == "history":
        assert view.state == "done"
        assert evaluation.run.history(key) == []
    else:
        assert view.state == "damaged"
        assert view.message
        assert "\n" not in view.message
        assert str(own_copy) not in view.message
        measured = evaluation.comparisons[view.cell.setting].measured[view.cell.method]
        assert (measured.done, measured.planned) == (2, 3)
    assert evaluation.count("done") == len(evaluation.cells) - (damage != "history")


def test_reading_states_needs_no_scores(unfinished):
    states = [view.state for view in RunView(unfinished).cells()]
    assert (states.count("failed"), states.count("waiting")) == (1, 1)


def test_other_measures_are_the_harness_metrics(finished, evaluation):
    tables = stored(finished, "hybrid", "group 3-fold")
    parts = [ScoreColumns(table).frames("test", str(i)) for i, table in enumerate(tables)]
    test = ScoredFrames.concatenate(parts)
    details = evaluation.comparisons["group 3-fold"].measured["hybrid"].details
    assert len(details.values) == 9
    for name, values in details.values.items():
        np.testing.assert_allclose(values, find_metric(name)(test), atol=1e-12, err_msg=name)
    by_subject = pool(test, "frame_f1", pooling="subject_mean")
    means = [np.nanmean(find_metric("frame_f1")(u)) for u in units_of(test, "subject_mean")]
    assert details.subject_f1 == pytest.approx(np.mean(means))
    assert details.subject_sd == pytest.approx(by_subject.mean_sd)
    always = frame_f1(test.labels, np.ones_like(test.scores))
    np.testing.assert_allclose(details.always_f1_L, always)
