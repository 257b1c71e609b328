import numpy as np
import pytest

from harness.errors import UserError
from harness.metrics import METRICS, ScoredFrames, find_metric, frame_f1
from harness.metrics.footnote import footnote, frame_set_hash
from harness.metrics.pooling import evaluate, pool


def scored_frames(seed=0, subjects=6, frames=30, aus=(1, 2, 12)):
    rng = np.random.default_rng(seed)
    names = np.repeat(np.array([f"x:S{i}" for i in range(subjects)], dtype=object), frames)
    labels = rng.choice([-1, 0, 1], size=(len(names), len(aus)), p=[0.5, 0.1, 0.4])
    return ScoredFrames(
        aus=aus,
        subjects=names,
        sequences=names + "/T1",
        numbers=np.tile(np.arange(frames), subjects),
        folds=np.array([str(1 + int(n[-1]) % 3) for n in names], dtype=object),
        labels=labels,
        scores=rng.normal(size=labels.shape) + labels,
    )


def test_pooled_fold_mean_and_subject_mean():
    scored = scored_frames()
    pooled = pool(scored, "frame_f1")
    assert pooled.values_L == pytest.approx(frame_f1(scored.labels, scored.scores))
    assert pooled.num_units == 1
    assert np.isnan(pooled.sd_L).all()
    for pooling, column, units in (("fold_mean", "folds", 3), ("subject_mean", "subjects", 6)):
        ids = getattr(scored, column)
        each = np.stack(
            [frame_f1(scored.labels[ids == i], scored.scores[ids == i]) for i in np.unique(ids)]
        )
        result = pool(scored, "frame_f1", pooling=pooling)
        assert result.num_units == units
        assert result.values_L == pytest.approx(each.mean(axis=0))
        assert result.sd_L == pytest.approx(each.std(axis=0, ddof=1))
        assert result.mean == pytest.approx(each.mean())
        assert result.mean_sd == pytest.approx(each.mean(axis=1).std(ddof=1))


def test_undefined_numbers_are_counted_under_both_options():
    scored = scored_frames()
    scored.labels[scored.subjects == "x:S0", 0] = -1  # AU1 is absent in subject 0
    scored.labels[:, 2] = -1  # AU12 in everyone
    nan = pool(scored, "frame_f1", pooling="subject_mean")
    zero = pool(scored, "frame_f1", pooling="subject_mean", undefined="zero")
    for result in (nan, zero):
        assert result.undefined_L.tolist() == [1, 0, 6]
        assert result.undefined_everywhere_L.tolist() == [False, False, True]
    assert np.isnan(nan.values_L[2])
    assert zero.values_L[2] == 0
    assert zero.values_L[0] == pytest.approx(nan.values_L[0] * 5 / 6)
    assert nan.mean == pytest.approx(nan.values_L[:2].mean())
    assert zero.mean == pytest.approx(zero.values_L.mean())
    assert "1 of 3 AUs undefined (AU12), left out of the mean" in str(footnote(scored, nan))
    assert "1 of 3 AUs undefined (AU12), counted as 0" in str(footnote(scored, zero))


def test_every_metric_by_name_and_a_table_of_them():
    scored = scored_frames()
    table = evaluate(scored, list(METRICS), pooling="fold_mean")
    assert list(table.columns) == ["metric", "au", "value", "sd", "undefined", "units"]
    assert len(table) == len(METRICS) * 4
    assert table.value.notna().all()
    mean = table[(table.metric == "frame_f1") & (table.au == "mean")].iloc[0]
    assert mean.value == pytest.approx(pool(scored, "frame_f1", pooling="fold_mean").mean)
    assert mean.undefined == 0
    assert mean.units == 3


def test_thresholds_reach_decisions_and_stay_with_their_fold():
    scored = scored_frames()
    raised = scored.with_thresholds(np.array([9.0, 0.0, 0.0]), "validation")
    assert pool(raised, "recall").values_L[0] == 0
    assert pool(raised, "roc_auc").values_L == pytest.approx(pool(scored, "roc_auc").values_L)
    parts = [scored.select(scored.folds == f) for f in ("1", "2", "3")]
    parts = [
        p.with_thresholds(np.full(3, t), "validation")
        for p, t in zip(parts, (9, 0, -9), strict=True)
    ]
    joined = ScoredFrames.concatenate(parts)
    by_fold = [pool(joined.select(joined.folds == f), "recall").values_L for f in "123"]
    assert by_fold[0].tolist() == [0, 0, 0]
    assert by_fold[2].tolist() == [1, 1, 1]
    assert str(footnote(joined, pool(joined, "recall"))).startswith(
        "pooled over 3 folds · thresholds chosen per AU on validation subjects · no AU undefined · "
        "180 frames of 6 subjects · frame set "
    )


def test_folds_may_not_test_a_frame_twice():
    scored = scored_frames()
    with pytest.raises(UserError, match="frame 0 of x:S0/T1 stands there twice"):
        ScoredFrames.concatenate([scored, scored.select(np.arange(3))])
    other = scored_frames(aus=(1, 2, 4))
    with pytest.raises(UserError, match=r"AUs \[1, 2, 4\] do not fit"):
        ScoredFrames.concatenate([scored, other])
    with pytest.raises(UserError, match="policies differ"):
        ScoredFrames.concatenate([scored, scored.with_thresholds(np.zeros(3), "oracle")])
    with pytest.raises(UserError, match="no scored frames"):
        ScoredFrames.concatenate([])


def test_scored_frames_must_fit_together():
    scored = scored_frames()
    with pytest.raises(UserError, match="3 label columns do not fit AUs"):
        scored_frames_with(scored, aus=(1, 2))
    with pytest.raises(UserError, match="179 folds do not fit 180 frames"):
        scored_frames_with(scored, folds=scored.folds[1:])
    with pytest.raises(UserError, match="thresholds"):
        scored_frames_with(scored, thresholds=np.zeros(5))


def scored_frames_with(scored, **changes):
    names = ("aus", "subjects", "sequences", "numbers", "folds", "labels", "scores")
    return ScoredFrames(**{**{n: getattr(scored, n) for n in names}, **changes})


def test_the_hash_is_of_the_set_of_frames():
    scored = scored_frames()
    shuffled = scored.select(np.random.default_rng(0).permutation(len(scored)))
    assert frame_set_hash(scored) == frame_set_hash(shuffled)
    assert frame_set_hash(scored) != frame_set_hash(scored.select(np.arange(179)))
    moved = scored_frames_with(scored, numbers=np.where(np.arange(180) == 5, 99, scored.numbers))
    assert frame_set_hash(scored) != frame_set_hash(moved)
    renamed = scored_frames_with(scored, sequences=scored.subjects + "/T2")
    assert frame_set_hash(scored) != frame_set_hash(renamed)
    assert len(frame_set_hash(scored)) == 12
    twice = scored_frames_with(scored, numbers=np.where(scored.numbers == 5, 4, scored.numbers))
    with pytest.raises(UserError, match="frame 4 of x:S0/T1 stands there twice"):
        frame_set_hash(twice)


def test_the_footnote_says_what_an_oracle_is():
    scored = scored_frames().with_thresholds(np.zeros(3), "oracle")
    line = str(footnote(scored, pool(scored, "frame_f1", pooling="fold_mean")))
    assert line.startswith("mean of 3 folds · ORACLE thresholds, chosen per AU on the test part")
    assert "\n" not in line
    line = str(footnote(scored, pool(scored, "frame_f1", pooling="subject_mean")))
    assert line.startswith("mean of 6 subjects")


def test_bad_choices():
    scored = scored_frames()
    with pytest.raises(UserError, match="pooling='mean' is none of pooled, fold_mean"):
        pool(scored, "frame_f1", pooling="mean")
    with pytest.raises(UserError, match="undefined='drop'"):
        pool(scored, find_metric("frame_f1"), undefined="drop")
