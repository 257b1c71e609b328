import numpy as np
import pytest

from harness.errors import UserError
from harness.metrics import METRICS, ScoredFrames, find_metric
from harness.metrics.pooling import POOLINGS, pool
from harness.statistics import bootstrap, bootstrap_difference
from harness.statistics.bootstrap import subject_weights
from harness.statistics.resamples import Resamples


def scored_frames(seed=0, subjects=6, frames=30, noise=1.0, aus=(1, 2, 12)):
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(subjects):
        level = np.cumsum(rng.normal(size=(frames, len(aus))), axis=0) / 2 + rng.normal()
        rows.append(level)
    level = np.concatenate(rows)
    labels = np.where(level > 0, 1, -1)
    labels[rng.random(labels.shape) < 0.1] = 0
    names = np.repeat(np.array([f"x:S{s}" for s in range(subjects)], dtype=object), frames)
    half = np.tile(np.repeat(["/T1", "/T2"], [frames // 2, frames - frames // 2]), subjects)
    scores = np.round(level + noise * np.random.default_rng(seed + 1).normal(size=level.shape), 1)
    return ScoredFrames(
        aus=aus,
        subjects=names,
        sequences=names + half.astype(object),
        numbers=np.tile(np.arange(frames) + 5 * (np.arange(frames) > frames // 3), subjects),
        folds=np.array([str(int(n[-1]) % 3) for n in names], dtype=object),
        labels=labels,
        scores=scores,
        thresholds=np.array([0.0, 0.3, -0.2]),
    )


def resampled(scored, weights_S, subjects):
    """The frames of a resample, written out; each copy of a subject is a person of its own."""
    parts = []
    for subject, times in zip(subjects, weights_S, strict=True):
        for time in range(times):
            part = scored.select(scored.subjects == subject)
            parts.append((part, f"#{time}"))
    return ScoredFrames(
        aus=scored.aus,
        subjects=np.concatenate([p.subjects + t for p, t in parts]),
        sequences=np.concatenate([p.sequences + t for p, t in parts]),
        numbers=np.concatenate([p.numbers for p, _ in parts]),
        folds=np.concatenate([p.folds for p, _ in parts]),
        labels=np.concatenate([p.labels for p, _ in parts]),
        scores=np.concatenate([p.scores for p, _ in parts]),
        thresholds=scored.thresholds,
    )


WITH_OPTIONS = [
    *[(name, {}) for name in METRICS],
    ("skew_normalised_f1", {"variant": "l2ior"}),
    ("frame_f1", {"undefined": "zero"}),
    ("event_f1_area", {"event_videos": "macro", "event_integrator": "left"}),
    ("event_f1_at_half", {"event_missing": "concat"}),
    ("event_f1_area", {"event_theta0": "gt_at_zero"}),
]


@pytest.mark.parametrize(("name", "options"), WITH_OPTIONS)
def test_every_resample_is_exactly_that_of_the_frames(name, options):
    scored = scored_frames()
    resamples = Resamples(scored)
    weights = subject_weights(resamples.subjects, 8, seed=3)
    assert weights.max() > 1
    assert weights.min() == 0
    metric = find_metric(name, **options)
    for pooling in POOLINGS:
        values = resamples.values(metric, weights, pooling=pooling)
        for row, weights_S in zip(values, weights, strict=True):
            frames = resampled(scored, weights_S, resamples.subjects)
            expected = pool(frames, metric, pooling=pooling).values_L
            assert row == pytest.approx(expected, abs=1e-9, nan_ok=True)


def test_undefined_numbers_of_resamples():
    scored = scored_frames()
    scored.labels[scored.subjects != "x:S0", 0] = -1  # only subject 0 shows AU1
    scored.labels[scored.subjects == "x:S0", 0] = np.tile([1, -1], 15)
    scored.labels[:, 1] = np.tile([1, -1], 90)
    resamples = Resamples(scored)
    weights = np.array([[1, 1, 1, 1, 1, 1], [0, 2, 1, 1, 1, 1]])
    for name in ("frame_f1", "roc_auc", "average_precision"):
        values = resamples.values(find_metric(name), weights)
        assert np.isnan(values[:, 0]).tolist() == [False, True]
        filled = resamples.values(find_metric(name), weights, undefined="zero")
        assert filled[1, 0] == 0
    table = bootstrap(scored, ["frame_f1"], replicates=200).set_index("au")
    assert 0.2 < table.loc["AU1", "undefined"] < 0.5  # (5/6)^6 = .335
    assert table.loc["AU2", "undefined"] == 0


def my_metric(labels, scores, sequences):
    return np.array([len(set(sequences)), (labels > 0).mean(), scores.mean()])


def test_a_metric_of_the_users_is_computed_on_frames(monkeypatch):
    import sys

    module = type(sys)("planted_metric")
    module.mine = my_metric
    monkeypatch.setitem(sys.modules, "planted_metric", module)
    scored = scored_frames()
    table = bootstrap(scored, ["planted_metric:mine"], replicates=50).set_index("au")
    # A subject that is drawn twice brings its sequences twice.
    assert table.loc["AU1", ["estimate", "low", "high"]].tolist() == [12, 12, 12]
    assert table.loc["AU2", "low"] < table.loc["AU2", "estimate"] < table.loc["AU2", "high"]


def test_table_of_intervals():
    scored = scored_frames(subjects=8)
    table = bootstrap(scored, ["frame_f1", "roc_auc"], replicates=400, seed=1)
    assert list(table.columns) == ["metric", "au", "estimate", "low", "high", "undefined"]
    assert table.au.tolist() == ["AU1", "AU2", "AU12", "mean"] * 2
    assert (table.low <= table.estimate).all()
    assert (table.estimate <= table.high).all()
    mean = table[(table.metric == "frame_f1") & (table.au == "mean")].iloc[0]
    assert mean.estimate == pytest.approx(pool(scored, "frame_f1").mean)
    assert table.equals(bootstrap(scored, ["frame_f1", "roc_auc"], replicates=400, seed=1))
    assert not table.equals(bootstrap(scored, ["frame_f1", "roc_auc"], replicates=400, seed=2))
    narrow = bootstrap(scored, ["frame_f1"], replicates=400, seed=1, level=0.5)
    wide = table[table.metric == "frame_f1"]
    assert (narrow.high - narrow.low < (wide.high - wide.low).to_numpy()).all()


def test_intervals_of_subjects_are_wider_than_those_of_frames():
    scored = scored_frames(subjects=9, frames=200)
    alone = ScoredFrames(
        aus=scored.aus,
        subjects=scored.subjects + np.array([f"/{n}" for n in scored.numbers], dtype=object),
        sequences=scored.sequences,
        numbers=scored.numbers,
        folds=np.array(["1"] * len(scored), dtype=object),
        labels=scored.labels,
        scores=scored.scores,
    )
    by_subject = bootstrap(scored, ["frame_f1"], replicates=300)
    by_frame = bootstrap(alone, ["frame_f1"], replicates=300)
    ratio = (by_subject.high - by_subject.low) / (by_frame.high - by_frame.low)
    assert ratio.iloc[-1] > 1.5


def test_intervals_cover_about_as_often_as_they_say():
    # 30 subjects, each with a recall of its own drawn around .6: how often is .6 in the interval?
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(150):
        recall = np.clip(rng.normal(0.6, 0.2, 30), 0, 1)
        found = rng.random((30, 40)) < recall[:, None]
        names = np.repeat(np.array([f"x:{s}" for s in range(30)], dtype=object), 40)
        scored = ScoredFrames(
            aus=(1,),
            subjects=names,
            sequences=names,
            numbers=np.tile(np.arange(40), 30),
            folds=names,
            labels=np.ones((1200, 1), np.int8),
            scores=np.where(found.ravel(), 1.0, -1.0)[:, None],
        )
        row = bootstrap(scored, ["recall"], replicates=200).iloc[0]
        hits += row.low <= 0.6 <= row.high
    assert 0.86 <= hits / 150 <= 0.99


def test_differences_are_paired():
    good, poor = scored_frames(noise=1.0), scored_frames(noise=1.2)
    table = bootstrap_difference(good, poor, ["frame_f1"], replicates=500)
    assert list(table.columns)[-1] == "above"
    alone = bootstrap(good, ["frame_f1"], replicates=500)
    other = bootstrap(poor, ["frame_f1"], replicates=500)
    assert table.estimate.to_numpy() == pytest.approx((alone.estimate - other.estimate).to_numpy())
    unpaired = (alone.high - alone.low) + (other.high - other.low)
    assert (table.high - table.low).iloc[-1] < unpaired.iloc[-1] / 2
    itself = bootstrap_difference(good, good, ["frame_f1", "roc_auc"], replicates=100)
    assert (itself[["estimate", "low", "high", "above"]] == 0).all(axis=None)
    order = np.random.default_rng(0).permutation(len(poor))
    shuffled = poor.select(order)
    assert bootstrap_difference(good, shuffled, ["frame_f1"], replicates=500).equals(table)


def test_only_like_is_compared_with_like():
    scored = scored_frames()
    with pytest.raises(
        UserError, match=r"scored on different frames \(frame sets [0-9a-f]{12} and"
    ):
        bootstrap_difference(scored, scored.select(np.arange(100)), ["frame_f1"])
    other = scored_frames(aus=(1, 2, 4))
    with pytest.raises(UserError, match="cannot be compared"):
        bootstrap_difference(scored, other, ["frame_f1"])
    relabelled = scored_frames()
    relabelled.labels[5, 0] *= -1
    relabelled.labels[6, 0] = 0
    with pytest.raises(UserError, match="different labels"):
        bootstrap_difference(scored, relabelled, ["frame_f1"])


def test_draws():
    subjects = [f"x:{g}{seat}" for g in range(4) for seat in "AB"]
    weights = subject_weights(subjects, 500, seed=0)
    assert (weights.sum(axis=1) == 8).all()
    assert weights.mean() == pytest.approx(1)
    grouped = subject_weights(subjects, 500, seed=0, group_of=lambda s: s[2])
    assert (grouped[:, ::2] == grouped[:, 1::2]).all()
    assert (grouped.sum(axis=1) == 8).all()
    with pytest.raises(UserError, match="at least 2 of them"):
        subject_weights(["x:A"], 10, seed=0)
    with pytest.raises(UserError, match="replicates=0"):
        subject_weights(subjects, 0, seed=0)
    with pytest.raises(UserError, match="negative"):
        subject_weights(subjects, 10, seed=-1)
    with pytest.raises(UserError, match="level=95"):
        bootstrap(scored_frames(), ["frame_f1"], replicates=5, level=95)
