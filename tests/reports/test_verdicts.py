"""The sentence that a reader takes away."""

import pytest

from reports.compare import compare
from reports.evaluation import evaluate_run
from reports.verdicts import verdict, verdicts


def said_of(planted, folder, quality, **options):
    plan = planted.planted_plan(methods=tuple(quality), settings=(("lab", "lab"),), aus=(6, 12))
    run = planted.make_run(folder / "run", plan=plan, quality=quality, aus=(6, 12), **options)
    return verdicts(evaluate_run(run, details=False))[0]


def test_a_clear_lead(evaluation):
    comparison = evaluation.comparisons["lab 3-fold"]
    second = comparison.f1["anet"][-1]
    assert verdict(comparison) == (
        f"hybrid {100 * comparison.f1['hybrid'][-1].value:.1f} is best, "
        f"{100 * second.behind:.1f} points ahead of anet (95 % interval "
        f"{100 * second.behind_low:.1f} to {100 * second.behind_high:.1f}): beyond chance"
    )


def test_a_lead_within_chance(planted, tmp_path):
    said = said_of(planted, tmp_path, {"a": 1.5, "b": 1.501, "c": 0.1})
    assert "not significantly better than" in said
    assert "beyond chance" not in said


def test_who_is_not_ranked_is_named(planted, tmp_path):
    said = said_of(
        planted, tmp_path, {"a": 1.5, "b": 1.0, "c": 2.0}, skip={("c", "lab 3-fold", "3")}
    )
    assert said.startswith("lab 3-fold: a ")
    assert said.endswith("beyond chance (not ranked: c)")


def test_one_method_alone(planted, tmp_path):
    assert said_of(planted, tmp_path, {"a": 1.5}).endswith("no finished method to compare it with")


@pytest.mark.parametrize("measured", [[]])
def test_nothing_yet(measured):
    assert verdict(compare("x", measured)) == "nothing is scored yet"
