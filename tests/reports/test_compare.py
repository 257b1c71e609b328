"""Marks and intervals against the harness's own bootstrap, and against planted effects."""

import numpy as np
import pytest

from harness.metrics import ScoredFrames
from harness.statistics.bootstrap import bootstrap, bootstrap_difference
from harness.store import RunStore
from reports.compare import compare
from reports.evaluation import evaluate_run
from reports.folds import read_fold
from reports.measure import measure_setting
from reports.run_view import RunView
from reports.tables.per_au import per_au
from reports.verdicts import verdict

SETTING = "lab 3-fold"


def pooled_frames(folder, method, setting=SETTING):
    view = RunView(folder)
    cells = [c for c in view.plan.cells if (c.method, c.setting) == (method, setting)]
    folds = [read_fold(view, cell, with_validation=False) for cell in cells]
    return ScoredFrames.concatenate([fold.test for fold in folds])


def test_intervals_are_those_of_the_harness_bootstrap(finished, evaluation):
    comparison = evaluation.comparisons[SETTING]
    oracle = bootstrap(pooled_frames(finished, "anet"), ["frame_f1", "roc_auc"])
    for metric, ours in (("frame_f1", comparison.f1), ("roc_auc", comparison.auc)):
        expected = oracle[oracle["metric"] == metric]
        found = [(s.value, s.low, s.high) for s in ours["anet"]]
        np.testing.assert_allclose(found, expected[["estimate", "low", "high"]], atol=1e-9)


def test_the_lead_is_that_of_the_harness_difference(finished, evaluation):
    oracle = bootstrap_difference(
        pooled_frames(finished, "hybrid"), pooled_frames(finished, "anet"), ["frame_f1"]
    )
    entry = evaluation.comparisons[SETTING].f1["anet"][-1]
    expected = oracle.iloc[-1]
    np.testing.assert_allclose(
        (entry.behind, entry.behind_low, entry.behind_high),
        (expected["estimate"], expected["low"], expected["high"]),
        atol=1e-9,
    )


def test_the_planted_order_is_found(evaluation):
    for comparison in evaluation.comparisons.values():
        assert comparison.ranked == ("hybrid", "anet", "svm")
        assert [comparison.f1[m][-1].mark for m in comparison.ranked] == ["best", "second", ""]
        assert not any(comparison.f1[m][-1].level for m in comparison.ranked)


def test_methods_of_equal_quality_are_level(planted, tmp_path):
    plan = planted.planted_plan(methods=("a", "b"), settings=(("lab", "lab"),))
    quality = {"a": 1.3, "b": 1.302}
    run = planted.make_run(tmp_path / "run", plan=plan, quality=quality)
    measured, _ = measure_setting(RunView(run), SETTING, details=False)
    comparison = compare(SETTING, measured)
    worse = comparison.ranked[1]
    assert comparison.f1[worse][-1].level
    assert comparison.f1[comparison.ranked[0]][-1].mark == "best"


def test_equal_scores_share_the_mark(planted, tmp_path):
    plan = planted.planted_plan(methods=("a", "b", "c"), settings=(("lab", "lab"),))
    quality = {"a": 1.3, "b": 1.3, "c": 0.2}
    run = planted.make_run(tmp_path / "run", plan=plan, quality=quality)
    measured, _ = measure_setting(RunView(run), SETTING, details=False)
    comparison = compare(SETTING, measured)
    assert [comparison.f1[m][-1].mark for m in "abc"] == ["best", "best", "second"]
    assert verdict(comparison).endswith("level with b")


def test_an_unfinished_method_is_not_ranked(unfinished):
    measured, odd = measure_setting(RunView(unfinished), "group 3-fold", details=False)
    comparison = compare("group 3-fold", measured)
    assert comparison.ranked == ("anet", "svm")
    partial = comparison.f1["hybrid"][-1]
    assert partial.mark == ""
    assert np.isnan(partial.behind)
    assert partial.low < partial.value < partial.high
    assert odd == []


def test_an_au_that_is_never_present_is_undefined_and_left_out(planted, tmp_path):
    run = planted.make_run(
        tmp_path / "run", planted.planted_plan(methods=("svm", "anet"), settings=(("lab", "lab"),))
    )
    store = RunStore(run)
    for cell in store.plan().cells:
        planted.replace_scores(store, cell.job, lambda t: t.assign(label_AU4=np.int8(-1)))
    view = RunView(run)
    measured, _ = measure_setting(view, SETTING, details=True)
    assert not view.problems
    comparison = compare(SETTING, measured)
    f1 = [s.value for s in comparison.f1["svm"]]
    assert np.isnan(f1[2])
    assert f1[-1] == pytest.approx(np.nanmean(f1[:-1]))
    assert comparison.f1["anet"][2].mark == ""


def test_whoever_comes_first_with_fewer_aus_is_the_one_not_ranked(planted, tmp_path):
    plan = planted.planted_plan(methods=("partly", "whole"), settings=(("lab", "lab"),))
    run = planted.make_run(tmp_path / "run", plan=plan, quality={"partly": 1.0, "whole": 1.0})
    store = RunStore(run)
    for cell in plan.cells:
        if cell.method == "partly":
            planted.replace_scores(store, cell.job, lambda t: t.assign(label_AU4=np.int8(0)))
    measured, odd = measure_setting(RunView(run), SETTING, details=True)
    comparison = compare(SETTING, measured)
    assert comparison.ranked == ("whole",)
    assert odd == []
    support = per_au(evaluate_run(run), SETTING, "f1").rows[planted.AUS.index(4)].entries[2]
    assert support.value == comparison.measured["whole"].present_L[planted.AUS.index(4)] > 0
