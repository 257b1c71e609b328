"""The SVM rows: what they choose, what they keep out, and what they say of bad input."""

import json

import numpy as np
import pytest

from baselines.feature_rows import free_memory
from baselines.linear import fit_linear_svm
from baselines.svm import Svm, SvmFaceHog, SvmGabor, SvmNetwork, SvmShape
from harness.data.frames import UnlabelledError
from harness.errors import UserError
from harness.method import Feature
from harness.metrics import frame_f1
from harness.registry import load_object

QUICK = (0.01, 1.0, 10.0)


def test_it_learns_and_its_saved_model_scores_the_same(planted, context, tmp_path):
    train, validation, test = planted
    model = Svm(Svm.Options(C=QUICK)).fit(train, validation, context)
    scores = model.scores(test.unlabelled())
    assert scores.shape == (len(test), 3)
    assert scores.dtype == np.float32
    assert np.all(frame_f1(test.labels, scores) > 0.8)
    folder = tmp_path / "saved"
    folder.mkdir()
    model.save(folder)
    np.testing.assert_array_equal(Svm.load(folder).scores(test.unlabelled()), scores)
    assert Svm.load(folder).chosen["C"] == model.chosen["C"]


def test_no_test_label_is_read(planted, context):
    train, validation, test = planted
    model = Svm(Svm.Options(C=(1.0,))).fit(train, validation, context)
    hidden = test.unlabelled()
    model.scores(hidden)
    with pytest.raises(UnlabelledError):
        _ = hidden.labels


def test_refit_is_a_fit_on_training_and_validation_together(planted, context):
    train, validation, _ = planted
    options = Svm.Options(C=(1.0,), imbalance="none", tolerance=1e-7)
    both = Svm(options).fit(train, validation, context)
    alone = Svm(options.model_copy(update={"refit": False})).fit(train, validation, context)

    def expected(parts):
        rows = np.concatenate([np.asarray(p.feature("hog")) for p in parts]).astype(np.float32)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        labels = np.concatenate([p.labels for p in parts])
        return fit_linear_svm(rows, labels, 1.0, tolerance=1e-7)

    np.testing.assert_allclose(both.weights, expected([train, validation]).weights, atol=1e-3)
    np.testing.assert_allclose(alone.weights, expected([train]).weights, atol=1e-3)
    assert np.abs(both.weights - alone.weights).max() > 0.01


def test_the_chosen_cost_is_the_best_on_validation(planted, context):
    train, validation, _ = planted
    options = Svm.Options(C=(1e-6, 1.0), refit=False, imbalance="none")
    chosen = np.array(Svm(options).fit(train, validation, context).chosen["C"])
    f1 = np.stack(
        [
            frame_f1(
                validation.labels,
                Svm(options.model_copy(update={"C": (C,)}))
                .fit(train, validation, context)
                .scores(validation.unlabelled()),
            )
            for C in options.C
        ]
    )
    assert chosen.tolist() == [options.C[i] for i in f1.argmax(axis=0)]
    assert set(chosen) == {1.0}


@pytest.mark.parametrize("imbalance", ["none", "balanced", "subsample"])
@pytest.mark.parametrize("sampler", ["none", "momu"])
def test_every_imbalance_and_sampler_changes_the_machines(planted, context, imbalance, sampler):
    train, validation, _ = planted
    plain = Svm(Svm.Options(C=(1.0,), imbalance="none")).fit(train, validation, context)
    options = Svm.Options(C=(1.0,), imbalance=imbalance, sampler=sampler)
    other = Svm(options).fit(train, validation, context)
    same = np.allclose(plain.weights, other.weights, atol=1e-3)
    assert same == (imbalance == "none" and sampler == "none")


def test_an_au_of_one_class_in_training_is_scored_zero_and_noted(planted, context, tmp_path):
    train, validation, test = planted
    train.labels.flags.writeable = True
    train.labels[:, 1] = -1
    validation.labels.flags.writeable = True
    validation.labels[:, 1] = -1
    model = Svm(Svm.Options(C=QUICK)).fit(train, validation, context)
    assert np.all(model.scores(test.unlabelled())[:, 1] == 0)
    assert any("AU6: one class only" in note for note in model.notes)
    assert any("AU6: no positive frame in validation" in note for note in model.notes)
    (tmp_path / "saved").mkdir()
    model.save(tmp_path / "saved")
    assert json.loads((tmp_path / "saved" / "model.json").read_text())["notes"] == model.notes


def test_too_few_subjects_to_validate_on_is_said(planted, context):
    train, _, _ = planted
    nobody = train.of_subjects([])
    with pytest.raises(UserError, match="no validation subjects"):
        Svm(Svm.Options(C=QUICK)).fit(train, nobody, context)
    assert Svm(Svm.Options(C=(1.0,))).fit(train, nobody, context).weights.any()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_feature_that_is_not_finite_is_refused_with_its_frame(
    build_toy, save_feature, context, bad
):
    frames = build_toy()
    values = np.random.default_rng(0).standard_normal((len(frames), 8))
    values[57, 3] = bad
    save_feature("hog", values)
    train = frames.of_subjects(["toy:S00", "toy:S01"])
    with pytest.raises(UserError, match=r"frame 17 of sequence toy:S01/T0"):
        Svm(Svm.Options(C=(1.0,))).fit(train, frames.of_subjects(["toy:S02"]), context)


def test_too_little_memory_is_said_before_anything_is_read(planted, context, monkeypatch):
    train, validation, _ = planted
    monkeypatch.setattr("baselines.feature_rows.free_memory", lambda: 1000)
    monkeypatch.setattr("baselines.svm.read_feature", None)
    with pytest.raises(UserError, match="GiB of memory"):
        Svm(Svm.Options(C=QUICK)).fit(train, validation, context)


def test_scores_follow_the_aus_of_the_frames(planted, context):
    train, validation, test = planted
    model = Svm(Svm.Options(C=(1.0,))).fit(train, validation, context)
    whole = model.scores(test.unlabelled())
    some = model.scores(test.with_aus((12, 1)).unlabelled())
    np.testing.assert_array_equal(some, whole[:, [2, 0]])
    fewer = Svm(Svm.Options(C=(1.0,))).fit(train.with_aus((1,)), validation.with_aus((1,)), context)
    with pytest.raises(UserError, match="AU6"):
        fewer.scores(test.unlabelled())


@pytest.mark.parametrize("method", [Svm, SvmFaceHog, SvmGabor, SvmShape])
def test_each_row_names_an_extractor_that_exists(method):
    (feature,) = method().features()
    assert isinstance(feature, Feature)
    extractor = load_object(feature.extractor)(**feature.options)
    assert extractor.dimension > 0
    assert extractor.code_version >= 1


def test_options_reach_the_extractor():
    assert Svm(Svm.Options(patch=40)).features()[0].options == {"patch": 40}
    assert SvmGabor(SvmGabor.Options(gabor_pool=8)).features()[0].options == {"pool": 8}
    network = SvmNetwork(SvmNetwork.Options(file="face.pt", size=112))
    assert network.features()[0].options["size"] == 112


@pytest.mark.parametrize("costs", [(), (0.0,), (-1.0, 1.0), (1.0, float("nan")), (float("inf"),)])
def test_a_grid_of_costs_must_be_positive(costs):
    with pytest.raises(ValueError, match="C must list"):
        Svm.Options(C=costs)


def test_memory_is_what_the_container_leaves(tmp_path, monkeypatch):
    (tmp_path / "meminfo").write_text("MemTotal: 9000 kB\nMemAvailable: 8000 kB\n")
    group = tmp_path / "group"
    group.mkdir()
    for name, text in {
        "max": "3000000",
        "current": "1500000",
        "stat": "inactive_file 500000",
    }.items():
        (group / f"memory.{name}").write_text(text + "\n")
    monkeypatch.setattr("baselines.feature_rows.MEMINFO", tmp_path / "meminfo")
    groups = [(group, "memory.max", "memory.current", "inactive_file")]
    monkeypatch.setattr("baselines.feature_rows.CONTROL_GROUPS", groups)
    assert free_memory() == 2_000_000
    (group / "memory.max").write_text("max\n")
    assert free_memory() == 8000 * 1024
