import sys
from types import SimpleNamespace

import numpy as np
import pytest

from harness.errors import UserError
from harness.metrics import METRICS, ScoredFrames, event_f1, find_metric, skew_normalised_f1


@pytest.fixture
def scored():
    rng = np.random.default_rng(0)
    labels = rng.choice([-1, 1], size=(40, 2))
    return ScoredFrames(
        aus=(1, 2),
        subjects=np.array(["x:A"] * 40, dtype=object),
        sequences=np.array(["x:A/1"] * 40, dtype=object),
        numbers=np.arange(40),
        folds=np.array(["1"] * 40, dtype=object),
        labels=labels,
        scores=labels + rng.normal(size=labels.shape),
    )


@pytest.fixture
def mine(monkeypatch):
    def share_decided(labels, scores, threshold, subjects, power=1):
        assert len(subjects) == len(labels)
        return (scores > threshold).mean(axis=0) ** power

    module = SimpleNamespace(share=share_decided, wrong=lambda labels, scores: 0.5, number=3)
    monkeypatch.setitem(sys.modules, "my_own_metrics", module)


def test_each_metric_says_what_it_needs():
    needs = {name: set(find_metric(name).needs) for name in METRICS}
    assert needs["roc_auc"] == needs["average_precision"] == set()
    assert needs["event_f1_area"] == {"sequences", "numbers", "threshold"}
    assert needs["frame_f1"] == {"threshold"}


def test_options_reach_the_function(scored):
    metric = find_metric("skew_normalised_f1", variant="l2ior")
    assert np.array_equal(
        metric(scored), skew_normalised_f1(scored.labels, scored.scores, variant="l2ior")
    )
    area = find_metric("event_f1_area", event_integrator="left", event_theta0="gt_at_zero")
    half = find_metric("event_f1_at_half")
    expected = event_f1(
        scored.labels,
        scored.scores,
        scored.sequences,
        event_integrator="left",
        event_theta0="gt_at_zero",
    )
    assert np.array_equal(area(scored), expected.area)
    assert np.array_equal(half(scored), expected.at_half)


def test_a_user_adds_a_metric_by_its_dotted_path(scored, mine):
    metric = find_metric("my_own_metrics:share", power=2)
    assert metric(scored) == pytest.approx((scored.scores > 0).mean(axis=0) ** 2)
    assert metric(scored.with_thresholds(np.array([9.0, -9.0]), "fixed")).tolist() == [0, 1]
    with pytest.raises(
        UserError, match=r"gave the shape \(\) in place of one number for each of 2"
    ):
        find_metric("my_own_metrics:wrong")(scored)


def test_mistakes(mine):
    with pytest.raises(UserError, match="unknown metric 'f1'; valid are frame_f1, precision"):
        find_metric("f1")
    with pytest.raises(
        UserError, match="has no option 'varient'; it has target_skew, undefined, v"
    ):
        find_metric("skew_normalised_f1", varient="jeni")
    with pytest.raises(UserError, match="has no option 'threshold'"):
        find_metric("frame_f1", threshold=1)
    with pytest.raises(UserError, match="cannot be loaded"):
        find_metric("no_such_module:f")
    with pytest.raises(UserError, match="cannot be loaded"):
        find_metric("my_own_metrics:f")
    with pytest.raises(UserError, match="is no function"):
        find_metric("my_own_metrics:number")
