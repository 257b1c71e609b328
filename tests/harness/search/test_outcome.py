"""Best options of each fold, options agreed over folds, and the overlay that carries them."""

import pytest

from harness.plan.build import build_plan
from harness.search.outcome import agreed_options, find_outcome, importance, overlay_text
from harness.search.planning import plan_search
from harness.store import RunStore
from harness.suite.load import load_suite


def record(fold, depth, margin, value, state="finished"):
    options = {"inner.depth": depth, "inner.margin": margin}
    key = f"{fold}-{depth}-{margin}"
    return {"fold": fold, "options": options, "value": value, "state": state, "key": key}


@pytest.fixture
def plan(suite, tmp_path):
    return plan_search(load_suite(suite(folds=3)), RunStore(tmp_path / "run"))


def test_the_best_of_a_fold_ran_to_its_end(plan):
    trials = [
        record("1", 2, 0.3, 0.5),
        record("1", 5, 0.9, 0.9, "stopped"),
        record("1", 3, 0.4, 0.6),
        record("2", 4, 0.5, 0.7),
        record("2", 4, 0.9, 0.7),
        record("3", 6, 0.2, None, "failed"),
    ]
    outcome = find_outcome(plan, trials)
    assert outcome["best"]["1"]["options"] == {"inner.depth": 3, "inner.margin": 0.4}
    assert outcome["best"]["2"]["options"]["inner.margin"] == 0.5  # the first of equals
    assert "3" not in outcome["best"]
    assert outcome["agreed"] == {"inner.depth": 3, "inner.margin": 0.4}  # of two, the lower


def test_agreed_is_the_middle_or_in_a_grid_the_best_mean(plan, suite, tmp_path):
    best = [record("1", 2, 0.9, 0.5), record("2", 4, 0.1, 0.5), record("3", 5, 0.3, 0.5)]
    assert agreed_options(plan, best, {}) == {"inner.depth": 4, "inner.margin": 0.3}
    grid = plan_search(load_suite(suite("algorithm: grid")), RunStore(tmp_path / "grid"))
    by_fold = {
        "1": [record("1", 1, 0.1, 0.9), record("1", 2, 0.1, 0.6), record("1", 3, 0.1, 0.99)],
        "2": [record("2", 1, 0.1, 0.1), record("2", 2, 0.1, 0.6)],
    }
    assert (
        agreed_options(grid, best, by_fold)["inner.depth"] == 2
    )  # .6 on average; 3 is not in both


def test_importance_finds_the_option_that_matters(plan):
    trials = [
        record("1", depth, margin / 10, depth / 6 + margin / 1000)
        for depth in range(1, 7)
        for margin in range(1, 10, 2)
    ]
    found = importance(trials, plan.dimensions, "max")
    assert found["inner.depth"] > 0.9 > 0.1 > found["inner.margin"]
    assert importance(trials[:3], plan.dimensions, "max") == {}
    assert importance([{**t, "value": 0.5} for t in trials], plan.dimensions, "max") == {}


def test_each_fold_is_run_with_its_own_options_and_other_settings_with_the_agreed(
    plan, suite, tmp_path
):
    trials = [record("1", 2, 0.3, 0.5), record("2", 4, 0.5, 0.7), record("3", 6, 0.8, 0.7)]
    overlay = tmp_path / "best.yaml"
    overlay.write_text(overlay_text(plan, find_outcome(plan, trials), "planted"))
    file = suite(folds=3, options="epochs: 9")
    run = build_plan(load_suite(file, overlay))
    used = {cell.fold: run.jobs[cell.job].spec["options"] for cell in run.cells}
    assert {fold: options["inner"] for fold, options in used.items()} == {
        "1": {"depth": 2, "margin": 0.3},
        "2": {"depth": 4, "margin": 0.5},
        "3": {"depth": 6, "margin": 0.8},
    }
    assert all(options["epochs"] == 9 for options in used.values())
    assert run.methods == ("planted",)
    own = load_suite(file, overlay).spec.methods["planted"].options
    assert own["inner"] == {"depth": 4, "margin": 0.5}
