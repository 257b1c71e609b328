"""CPM as a method: better than the SVM on shifted subjects, and blind to test labels."""

import numpy as np
import pytest

from baselines.cpm import Cpm
from baselines.cpm_options import CpmOptions
from baselines.svm import Svm
from harness.errors import UserError
from harness.metrics import frame_f1

QUICK = {"C": (0.1, 1.0), "C_t": (10.0,), "gamma": (100.0, 1000.0), "pca": None}


def mean_f1(model, test):
    return float(frame_f1(test.labels, model.scores(test.unlabelled())).mean())


def test_better_than_the_svm_on_subjects_that_are_shifted(shifted_subjects, context):
    gains, over_pair = [], []
    for seed in range(3):
        train, validation, test = shifted_subjects(seed)
        svm = Svm(Svm.Options(C=(0.1, 1.0))).fit(train, validation, context)
        model = Cpm(CpmOptions(**QUICK)).fit(train, validation, context)
        pair = Cpm(CpmOptions(**QUICK, mode="inductive")).fit(train, validation, context)
        gains.append(mean_f1(model, test) - mean_f1(svm, test))
        over_pair.append(mean_f1(model, test) - mean_f1(pair, test))
    assert np.mean(gains) > 0.03
    assert min(gains) > 0
    assert np.mean(over_pair) > 0.03


@pytest.mark.parametrize("mode", ["cpm", "icpm", "inductive"])
def test_saved_models_score_the_same_and_need_no_label(shifted_subjects, context, tmp_path, mode):
    train, validation, test = shifted_subjects(0, num_frames=60, num_subjects=12)
    model = Cpm(CpmOptions(**QUICK, mode=mode)).fit(train, validation, context)
    hidden = test.unlabelled()
    assert not hidden.has_labels
    scores = model.scores(hidden)
    assert scores.shape == (len(test), 3)
    assert scores.dtype == np.float32
    model.save(tmp_path)
    loaded = Cpm.load(tmp_path)
    np.testing.assert_array_equal(loaded.scores(hidden), scores)
    np.testing.assert_array_equal(model.scores(hidden), scores)
    assert loaded.options == model.options
    assert loaded.chosen == model.chosen
    blind = frame_f1(test.labels, np.ones((len(test), 3))).mean()
    assert mean_f1(model, test) > blind
    some = test.with_aus((12, 1)).unlabelled()
    np.testing.assert_allclose(model.scores(some), scores[:, [2, 0]], atol=1e-6)


def test_each_subject_is_scored_from_its_own_frames_alone(shifted_subjects, context):
    train, validation, test = shifted_subjects(1, num_frames=60)
    model = Cpm(CpmOptions(**QUICK)).fit(train, validation, context)
    whole = model.scores(test.unlabelled())
    subject = str(test.subjects[0])
    alone = test.of_subjects([subject])
    rows = test.subjects.astype(str) == subject
    np.testing.assert_allclose(model.scores(alone.unlabelled()), whole[rows], atol=1e-5)


@pytest.mark.parametrize(
    "change",
    [
        {"relabel": "drop"},
        {"hard_weight": 0.3},
        {"max_iter": 1},
        {"class_weight": "none"},
        {"class_weight_follows_relabel": False},
        {"graph": "band_binary"},
        {"graph": "knn_union"},
        {"graph": "knn_union", "neighbours": 2},
        {"graph": "knn_in_band", "neighbours": 2},
        {"tau": 2},
        {"qss_balance": False},
        {"w0": "mean"},
        {"pca": 0.5},
        {"kernel": "rbf", "kernel_features": 200},
        {"sample": "all"},
        {"sample": "ratio"},
        {"per_subject": (5, 5)},
        {"C": (10.0,)},
        {"C_t": (1000.0,)},
        {"gamma": (0.0,)},
        {"refit": False},
        {"mode": "icpm"},
        {"mode": "inductive"},
    ],
    ids=str,
)
def test_every_option_changes_the_scores(shifted_subjects, context, change):
    train, validation, test = shifted_subjects(2, num_frames=50, num_subjects=6)
    single = {"C": (1.0,), "C_t": (10.0,), "gamma": (100.0,), "per_subject": (10, 20), "pca": None}
    plain = Cpm(CpmOptions(**single)).fit(train, validation, context)
    other = Cpm(CpmOptions(**{**single, **change})).fit(train, validation, context)
    hidden = test.unlabelled()
    assert np.abs(plain.scores(hidden) - other.scores(hidden)).max() > 1e-3


def test_kernel_cpm_learns_what_no_line_can(frames_in_memory, context):
    generator = np.random.default_rng(0)
    features = generator.standard_normal((600, 2))
    labels = np.where(features[:, :1] * features[:, 1:] > 0, 1, -1)
    frames = frames_in_memory(features, labels, np.repeat(np.arange(6), 100), aus=(12,))
    names = [f"toy:S{i:02d}" for i in range(6)]
    parts = [frames.of_subjects(n) for n in (names[:3], names[3:4], names[4:])]
    options = {"C": (10.0,), "C_t": (100.0,), "gamma": (0.0,), "pca": None, "sample": "all"}
    linear = Cpm(CpmOptions(**options)).fit(*parts[:2], context)
    kernel = Cpm(CpmOptions(**options, kernel="rbf")).fit(*parts[:2], context)
    assert mean_f1(kernel, parts[2]) > 0.9 > 0.75 > mean_f1(linear, parts[2])


def test_an_au_of_one_class_scores_zero_and_is_noted(shifted_subjects, context):
    train, validation, test = shifted_subjects(3, num_frames=60, num_subjects=6)
    for part in (train, validation):
        part.labels.flags.writeable = True
        part.labels[:, 1] = -1
    for mode in ("cpm", "icpm"):
        model = Cpm(CpmOptions(**QUICK, mode=mode)).fit(train, validation, context)
        scores = model.scores(test.unlabelled())
        assert not scores[:, 1].any()
        assert scores[:, [0, 2]].any(axis=0).all()
        assert any("AU6: one class only" in note for note in model.notes)


def test_lost_faces_take_no_part_in_a_personal_machine(shifted_subjects, frames_in_memory, context):
    train, validation, test = shifted_subjects(4, num_frames=60)
    model = Cpm(CpmOptions(**QUICK)).fit(train, validation, context)
    features = np.asarray(test.feature("hog")).astype(np.float32)
    subjects = np.unique(test.subjects.astype(str), return_inverse=True)[1]
    tracked = np.random.default_rng(0).random(len(test)) > 0.2

    def scores(values):
        frames = frames_in_memory(
            values, np.zeros((len(test), 3)), subjects, aus=test.aus, tracked=tracked
        )
        return model.scores(frames.unlabelled())[tracked]

    spoilt = features.copy()
    spoilt[~tracked] = 100
    np.testing.assert_allclose(scores(features), scores(spoilt), atol=1e-4)


def test_too_few_subjects_to_validate_on_is_said(shifted_subjects, context):
    train, _, _ = shifted_subjects(5, num_frames=20)
    nobody = train.of_subjects([])
    with pytest.raises(UserError, match="option C lists 2 values"):
        Cpm(CpmOptions(**QUICK)).fit(train, nobody, context)
    with pytest.raises(UserError, match="option gamma lists 2 values"):
        Cpm(CpmOptions(**{**QUICK, "C": (1.0,)})).fit(train, nobody, context)
    single = {**QUICK, "C": (1.0,), "gamma": (10.0,)}
    assert Cpm(CpmOptions(**single)).fit(train, nobody, context).machines.trained_L.all()


@pytest.mark.parametrize(
    "options",
    [{"C": ()}, {"C": (0.0,)}, {"C_t": (0.0, 1.0)}, {"gamma": (float("nan"),)}, {"pca": 1.5}],
)
def test_bad_options_are_named(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        CpmOptions(**options)
