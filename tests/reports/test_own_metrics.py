"""Metrics that a user names: in the tables, with intervals, or refused with one line."""

import numpy as np
import pytest
from sklearn.metrics import matthews_corrcoef

from harness.errors import UserError
from harness.metrics import ScoredFrames, find_metric
from harness.statistics import bootstrap
from harness.store import RunStore
from reports.build import build
from reports.evaluation import evaluate_run
from reports.folds import read_fold
from reports.measure import measure_method
from reports.own_metrics import REPLICATES, measure_own, metrics_of
from reports.run_view import RunView
from reports.tables.own_metric import own_metric

MODULE = '''
import numpy as np

def matthews(labels, scores, threshold=0.0):
    """Matthews' correlation of known labels and decisions."""
    known, present, said = labels != 0, labels > 0, scores > threshold
    tp, tn = (known & present & said).sum(axis=0), (known & ~present & ~said).sum(axis=0)
    fp, fn = (known & ~present & said).sum(axis=0), (known & present & ~said).sum(axis=0)
    root = np.sqrt(1.0 * (tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))
    return np.divide(tp * tn - fp * fn, root, out=np.full(root.shape, np.nan), where=root > 0)

def one_number(labels, scores):
    return (labels > 0).mean()

def with_an_option(labels, scores, beta):
    return np.ones(labels.shape[1])

def breaks(labels, scores):
    raise RuntimeError("no\\nluck")

def breaks_on_many(labels, scores):
    if len(labels) > 50:
        raise ZeroDivisionError("many")
    return np.ones(labels.shape[1])

words = "no function"
'''


@pytest.fixture(autouse=True)
def own(tmp_path_factory, monkeypatch):
    folder = tmp_path_factory.mktemp("own")
    (folder / "planted_metrics.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(folder))


def test_an_own_metric_has_a_table_with_its_numbers_and_intervals(own_copy):
    name = "planted_metrics:matthews"
    evaluation = evaluate_run(own_copy, metrics=[name])
    comparison = evaluation.comparisons["lab 3-fold"]
    store, plan = RunStore(own_copy), RunStore(own_copy).plan()
    for method, standings in comparison.own[name].items():
        tables = [
            store.scores(c.job).query("part == 'test'") for c in plan.cells if c.method == method
        ]
        for au, standing in zip((6, 12), standings[:-1], strict=True):
            labels = np.concatenate([t[f"label_AU{au}"] for t in tables])
            decided = np.concatenate([t[f"score_AU{au}"] for t in tables]) > 0
            expected = matthews_corrcoef(labels[labels != 0] > 0, decided[labels != 0])
            assert standing.value == pytest.approx(expected)
            assert standing.low < standing.value < standing.high
        assert standings[-1].value == pytest.approx(np.mean([s.value for s in standings[:-1]]))
    table = own_metric(evaluation, "lab 3-fold", name)
    assert table.key == "lab-3-fold-metric-matthews"
    assert [row.entries[0].text for row in table.rows] == ["6", "12", "Mean"]
    assert table.has_marks
    assert any(f"{REPLICATES} resamples" in note for note in table.notes)


def test_intervals_are_those_of_the_bootstrap(own_copy):
    run = RunView(own_copy)
    (metric,), _ = metrics_of(run, ["event_f1_area"])
    cells = [cell for cell in run.plan.cells if cell.method == "svm"]
    measured = measure_method(run, cells, details=True, metrics=[metric])
    drawn = measured.own["event_f1_area"].replicates()
    low, high = np.nanpercentile(drawn, [2.5, 97.5], axis=0)
    test = ScoredFrames.concatenate([read_fold(run, c, with_validation=False).test for c in cells])
    test = test.with_thresholds(np.zeros(()), "fixed")
    expected = bootstrap(test, [find_metric("event_f1_area")], replicates=REPLICATES)
    np.testing.assert_allclose(low, expected["low"])
    np.testing.assert_allclose(high, expected["high"])
    assert measure_own(test, []) == {}


def test_a_suite_names_metrics_for_every_report(own_copy):
    suite = own_copy / "suite.yaml"
    suite.write_text("name: planted\nmetrics: ['planted_metrics:matthews', balanced_accuracy]\n")
    page = build(own_copy)
    text = (page / "report.md").read_text(encoding="utf-8").replace("\\_", "_")
    assert "matthews per AU, lab 3-fold" in text
    assert "balanced_accuracy per AU, lab 3-fold" in text
    assert (page / "tables" / "lab-3-fold-metric-matthews.csv").is_file()
    # the module is not where the run was copied to: the rest of the report is
    suite.write_text("name: planted\nmetrics: ['no_such_module:matthews', balanced_accuracy]\n")
    text = (build(own_copy) / "report.md").read_text(encoding="utf-8").replace("\\_", "_")
    assert "metric 'no_such_module:matthews' cannot be loaded" in text
    assert "balanced_accuracy per AU, lab 3-fold" in text
    suite.write_text("name: [\n")
    assert "matthews" not in (build(own_copy) / "report.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("planted_metrics:one_number", r"gave the shape \(\) in place of one number for each of"),
        ("planted_metrics:with_an_option", "TypeError"),
        ("planted_metrics:breaks", "RuntimeError: no luck; it is called with"),
        ("planted_metrics:breaks_on_many", "failed on this run's scores: ZeroDivisionError: many"),
        ("planted_metrics:words", "is no function"),
        ("planted_metrics:nothing", "cannot be loaded"),
        ("no_such_module:f", "cannot be loaded"),
        ("f1", "unknown metric 'f1'; valid are frame_f1"),
    ],
)
def test_what_was_asked_for_and_cannot_be_had_is_refused(own_copy, name, message):
    with pytest.raises(UserError, match=message) as caught:
        build(own_copy, metrics=[name])
    assert "\n" not in str(caught.value)
    assert not (own_copy / "report").exists()
