import numpy as np
import pytest

from harness.errors import UserError
from hybrid import out_of_fold
from hybrid.lstm_model import Streams
from hybrid.methods import Hybrid, OutOfFold, cnn_stage
from hybrid.options import FusionOptions, OutOfFoldOptions
from hybrid.out_of_fold import OutOfFoldModel, dealt_subjects, train_out_of_fold

CNN = {
    "resolution": 24,
    "crop": 22,
    "widths": (4, 4, 4, 4, 4),
    "geometry": "alexnet_pad",
    "fc": 8,
    "batch": 8,
    "iterations": 3,
    "evaluate_every": 3,
    "training_probe": 0,
    "pixels": "unit",
}
SEQUENCE = {"pca": 4, "hidden": 4, "window": 25, "windows": 2, "updates": 2, "evaluate_every": 2}
OPTIONS = {"size": "small", "cnn": CNN, "sequence": SEQUENCE}


class Echo:
    """A pair of networks that answers with a number of its own."""

    aus = (1, 6, 12)

    def __init__(self, value):
        self.value = value

    def streams(self, frames):
        filled = np.full((len(frames), 3), self.value, np.float32)
        return Streams(logits_NL=filled, fc7_ND=filled, scores_NL=-filled, hidden_NH=filled)


def test_parts_share_no_subject_and_hold_all(toy):
    parts = dealt_subjects(toy, 3, seed=1)
    assert sorted(map(len, parts)) == [1, 1, 2]
    assert sorted(sum(parts, ())) == [f"toy:S{i}" for i in range(4)]
    assert dealt_subjects(toy, 3, seed=1) == parts
    assert any(dealt_subjects(toy, 3, seed=s) != parts for s in range(2, 6))
    assert [len(part) for part in dealt_subjects(toy, 9, seed=1)] == [1] * 4
    with pytest.raises(UserError, match="the training part of 'toy' has 1 subject: take data"):
        dealt_subjects(toy.of_subjects(["toy:S2"]), 3, seed=1)


def test_each_subject_is_scored_by_the_pair_that_did_not_see_it(toy):
    model = OutOfFoldModel(
        subjects=(("toy:S0", "toy:S3"), ("toy:S1",)), models=(Echo(1.0), Echo(2.0))
    )
    frames = toy.of_subjects(["toy:S0", "toy:S1", "toy:S3"])
    streams = model.streams(frames.unlabelled())
    expected = np.where(frames.subjects == "toy:S1", 2.0, 1.0)
    assert np.array_equal(streams.logits_NL[:, 0], expected)
    assert np.array_equal(streams.scores_NL[:, 2], -expected)
    with pytest.raises(UserError, match="subject 'toy:S2' was not dealt into a part"):
        model.streams(toy.unlabelled())


def test_the_networks_of_a_part_learn_from_the_others(toy, context, monkeypatch, tmp_path):
    learned_from = []
    train_cnn = out_of_fold.train_cnn

    def noting(train, *others):
        learned_from.append(set(train.subjects))
        return train_cnn(train, *others)

    monkeypatch.setattr(out_of_fold, "train_cnn", noting)
    train, validation = toy.of_subjects(["toy:S0", "toy:S1"]), toy.of_subjects(["toy:S2"])
    job = context()
    options = OutOfFoldOptions(**OPTIONS, parts=2)
    model = train_out_of_fold(train, validation, options, job)
    for held, seen in zip(model.subjects, learned_from, strict=True):
        assert seen == {"toy:S0", "toy:S1"} - set(held)
    assert len((job.folder / "history.jsonl").read_text().splitlines()) == 2
    assert not (job.folder / "parts").exists()
    (tmp_path / "saved").mkdir()
    model.save(tmp_path / "saved")
    again = OutOfFold.load(tmp_path / "saved")
    assert np.array_equal(again.scores(train), model.scores(train))


def test_a_part_that_was_finished_is_not_trained_again(toy, context, monkeypatch):
    train, validation = toy.of_subjects(["toy:S0", "toy:S1"]), toy.of_subjects(["toy:S2"])
    options = OutOfFoldOptions(**OPTIONS, parts=2)
    whole = train_out_of_fold(train, validation, options, context("whole"))
    train_cnn, trained = out_of_fold.train_cnn, []

    def dies_once(*arguments):
        trained.append(1)
        if len(trained) == 2:
            raise KeyboardInterrupt
        return train_cnn(*arguments)

    monkeypatch.setattr(out_of_fold, "train_cnn", dies_once)
    job = context("broken")
    with pytest.raises(KeyboardInterrupt):
        train_out_of_fold(train, validation, options, job)
    resumed = train_out_of_fold(train, validation, options, job)
    assert len(trained) == 3
    assert np.array_equal(resumed.scores(train), whole.scores(train))


def test_the_stage_is_asked_for_where_the_fusion_wants_it_and_is_shared():
    plain = Hybrid(Hybrid.Options(**OPTIONS, fusion={"data": "val"})).stages()
    assert set(plain) == {"lstm"}
    fusions = [{"data": "oof"}, {"data": "oof", "mode": "linear"}, {"data": "oof", "parts": 2}]
    stages = [Hybrid(Hybrid.Options(**OPTIONS, fusion=f)).stages() for f in fusions]
    assert all(s["lstm"] == plain["lstm"] for s in stages)
    assert stages[0]["oof"] == stages[1]["oof"]
    assert stages[2]["oof"].options["parts"] == 2
    inner = OutOfFold(OutOfFold.Options(**stages[0]["oof"].options))
    assert inner.needs().train
    assert cnn_stage(inner.options.cnn) == cnn_stage(Hybrid.Options(**OPTIONS).cnn)


def test_features_of_several_networks_are_not_fused():
    with pytest.raises(ValueError, match="cannot go with mode 'feature'"):
        FusionOptions(data="oof", mode="feature")
