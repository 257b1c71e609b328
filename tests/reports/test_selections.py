"""Tables about some of the methods: features × linear SVM, and ways to draw mini-batches."""

from dataclasses import replace

import pytest

from harness.registry import METHODS
from reports.compare import compare
from reports.evaluation import evaluate_run
from reports.tables.linear_svm import linear_svm
from reports.tables.strategies import strategies

AUS = (6, 12)
SPECS = {
    "hog": {"method": METHODS["svm"], "features": {"hog": "hog-1"}},
    "fc7": {"method": METHODS["svm-fc7"], "stages": {"anet": "x"}},
    "rs": {"method": METHODS["anet"], "options": {"sampler": "random"}},
    "momu": {"method": METHODS["anet"], "options": {"sampler": "momu"}},
}
QUALITY = {"hog": 0.9, "fc7": 1.6, "rs": 2.5, "momu": 2.2}


@pytest.fixture(scope="module")
def run(planted, tmp_path_factory):
    plan = planted.planted_plan(
        methods=tuple(SPECS), settings=(("lab", "lab"), ("group", "lab")), aus=AUS
    )
    jobs = {
        key: replace(job, spec={**job.spec, **SPECS[job.group]}) for key, job in plan.jobs.items()
    }
    plan = replace(plan, jobs=jobs)
    folder = tmp_path_factory.mktemp("selections") / "run"
    return evaluate_run(planted.make_run(folder, plan=plan, quality=QUALITY, aus=AUS))


def shown(table):
    return [[entry.text for entry in row.entries] for row in table.rows]


def test_linear_svms_are_named_by_feature_and_ranked_among_themselves(run):
    table = linear_svm(run, "lab 3-fold")
    assert [row[:2] for row in shown(table)] == [["hog", "hog"], ["fc7", "fc7"]]
    measured = run.comparisons["lab 3-fold"].measured
    own = compare("lab 3-fold", [measured["hog"], measured["fc7"]])
    means = [row.entries[2] for row in table.rows]
    assert [e.value for e in means] == [100 * own.f1[m][-1].value for m in ("hog", "fc7")]
    assert [e.mark for e in means] == ["second", "best"]
    assert run.comparisons["lab 3-fold"].f1["fc7"][-1].mark == ""


def test_one_feature_is_no_comparison(run):
    alone = replace(run, comparisons={**run.comparisons})
    alone.comparisons["lab 3-fold"] = compare(
        "lab 3-fold",
        [run.comparisons["lab 3-fold"].measured[m] for m in ("hog", "rs", "momu")],
    )
    assert linear_svm(alone, "lab 3-fold") is None


def test_strategies_stand_within_and_between(run):
    (table,) = strategies(run)
    assert table.groups() == [("", 2), ("within lab", 2), ("from group", 2)]
    assert [column.method for column in table.columns[2:]] == ["rs", "momu"] * 2
    mean = table.rows[-1]
    assert mean.role == "mean"
    for place, setting in ((2, "lab 3-fold"), (4, "group → lab")):
        values = run.comparisons[setting].measured
        assert mean.entries[place].value == pytest.approx(100 * values["rs"].mean_f1)
        assert {mean.entries[place].mark, mean.entries[place + 1].mark} == {"best", "second"}


def test_within_alone_is_no_table(run):
    cells = tuple(cell for cell in run.plan.cells if cell.setting == "lab 3-fold")
    view = run.run
    plan, view.plan = view.plan, replace(view.plan, cells=cells)
    try:
        assert strategies(run) == []
    finally:
        view.plan = plan
