"""t-SNE and its numbers: what is drawn, and purities against an oracle and planted features."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from sklearn.metrics import silhouette_score
from sklearn.neighbors import NearestNeighbors

from baselines.studies import compared_features
from baselines.studies.embedding import Embedding, balanced_draw, chance, purity
from harness.context import LocalContext
from harness.errors import UserError


@given(
    labels=arrays.arrays(np.int8, 40, elements=st.integers(-1, 1)),
    subjects=arrays.arrays(np.int64, 40, elements=st.integers(0, 3)),
    per_subject=st.integers(2, 9),
)
def test_the_draw_is_balanced_within_each_subject(labels, subjects, per_subject):
    rows = balanced_draw(labels, subjects, per_subject, np.random.default_rng(0))
    assert (np.diff(rows) > 0).all()
    assert (labels[rows] != 0).all()
    for subject in np.unique(subjects):
        for label in (-1, 1):
            there = ((subjects == subject) & (labels == label)).sum()
            drawn = ((subjects[rows] == subject) & (labels[rows] == label)).sum()
            assert drawn == min(there, per_subject // 2)


def distances(rows):
    return np.linalg.norm(rows[:, None] - rows[None], axis=2)


def test_purity_is_that_of_the_ten_nearest_neighbours():
    rng = np.random.default_rng(0)
    rows, group = rng.normal(size=(80, 4)), rng.integers(0, 3, 80)
    _, nearest = NearestNeighbors(n_neighbors=11).fit(rows).kneighbors(rows)
    expected = (group[nearest[:, 1:]] == group[:, None]).mean()
    assert purity(distances(rows), group) == pytest.approx(expected)


def test_purity_across_leaves_out_the_own_subject():
    rng = np.random.default_rng(1)
    rows, group, subject = rng.normal(size=(60, 3)), rng.integers(0, 2, 60), np.arange(60) // 15
    all_distances = distances(rows)
    shares = []
    for i in range(60):
        others = np.flatnonzero(subject != subject[i])
        nearest = others[np.argsort(all_distances[i, others])[:10]]
        shares.append((group[nearest] == group[i]).mean())
    assert purity(all_distances, group, subject) == pytest.approx(np.mean(shares))
    assert purity(all_distances, group, np.zeros(60, int)) is None


def test_chance_is_the_purity_of_random_neighbours():
    group = np.repeat([0, 1, 2], [50, 30, 20])
    same = (group[:, None] == group[None]).sum() - 100
    assert chance(group) == pytest.approx(same / (100 * 99))


def planted(frames, rng):
    """Shape follows the subject, HOG the AU; lengths differ, directions count."""
    codes = np.unique(frames.subjects.astype(str), return_inverse=True)[1]
    labels = frames.labels[:, 1]
    noise = rng.normal(0, 0.02, (len(frames), 8))
    lengths = rng.uniform(1, 3, (len(frames), 1))
    shape = (np.eye(8)[codes] + noise) * lengths
    hog = (np.eye(8)[(labels > 0).astype(int)] + noise) * lengths
    features = {"shape": shape.astype(np.float16), "hog": hog.astype(np.float16)}
    return replace(frames, open_feature=features.__getitem__)


OPTIONS = {"features": ("shape", "hog"), "per_subject": 30, "iterations": 250}


def test_planted_features_get_the_numbers_they_deserve(toy_frames, context):
    frames = planted(toy_frames, np.random.default_rng(0))
    found = Embedding(Embedding.Options(**OPTIONS)).study(frames, context)
    values, arrays_of = found.values, found.arrays
    shape, hog = values["features"]
    assert shape["subject_purity"] > 0.99
    assert shape["subject_silhouette"] > 0.8
    assert abs(shape["au_purity"] - values["au_chance"]) < 0.1
    assert hog["au_purity"] > 0.99
    assert hog["au_purity_across"] > 0.99
    assert hog["subject_purity"] < 0.3
    assert values["subjects"] == len(values["subject_ids"]) == 6
    assert (values["au"], values["frames"]) == (12, len(arrays_of["present"]))
    assert values["present"] == arrays_of["present"].sum()
    assert arrays_of["subject"].dtype == np.int32
    for name in ("shape", "hog"):
        plane = arrays_of[f"xy/{name}"]
        assert (plane.shape, plane.dtype) == ((values["frames"], 2), np.float32)
    # The map of HOG parts the AU: most neighbours in the plane agree.
    assert purity(distances(arrays_of["xy/hog"]), arrays_of["present"]) > 0.95
    assert silhouette_score(arrays_of["xy/shape"], arrays_of["subject"]) > 0.5
    again = Embedding(Embedding.Options(**OPTIONS)).study(frames, context)
    assert np.array_equal(again.arrays["xy/shape"], arrays_of["xy/shape"])
    assert json.dumps(values)


def test_lost_faces_and_unknown_labels_are_not_drawn(toy_frames, context):
    frames = planted(toy_frames, np.random.default_rng(0))
    tracked = np.arange(len(frames)) % 5 != 0
    lost = replace(frames, _table=replace(frames._table, tracked=tracked))
    known = (frames.labels[:, 1] != 0) & tracked
    options = Embedding.Options(**{**OPTIONS, "per_subject": 1000})
    values = Embedding(options).study(lost, context).values
    assert values["frames"] == known.sum()


def test_an_au_without_labels_is_refused(toy_frames, context):
    with pytest.raises(UserError, match=r"no labels for AU6 .* among 1, 12"):
        Embedding(Embedding.Options(au=6, **OPTIONS)).study(toy_frames, context)
    few = toy_frames.select(np.arange(10))
    with pytest.raises(UserError, match="too few to compare"):
        Embedding(Embedding.Options(**OPTIONS)).study(few, context)


class FakeNetwork:
    """Represents frames by their number."""

    @classmethod
    def load(cls, folder):
        return cls()

    def represent(self, frames):
        assert not frames.has_labels
        return np.stack([frames.numbers, np.ones(len(frames))], axis=1).astype(np.float32)


@pytest.mark.parametrize(
    ("trained_on", "note"),
    [("group", "trained on group"), ("toy", "first fold of toy; only that fold's test")],
)
def test_fc7_is_that_of_the_stage_and_says_where_it_was_trained(
    toy_frames, tmp_path, monkeypatch, trained_on, note
):
    monkeypatch.setattr(compared_features, "load_method", lambda name: FakeNetwork)
    (tmp_path / "cnn").mkdir()
    card = {"train_subjects": [f"{trained_on}:S9"], "validation_subjects": []}
    (tmp_path / "cnn" / "card.json").write_text(json.dumps(card))
    context = LocalContext(tmp_path / "job", stages={"cnn": tmp_path / "cnn"})
    options = Embedding.Options(**{**OPTIONS, "features": ("fc7",), "cnn": {"size": "small"}})
    study = Embedding(options)
    assert study.features() == ()
    assert study.stages()["cnn"].options == {"size": "small"}
    (fc7,) = study.study(toy_frames, context).values["features"]
    assert note in fc7["note"]
    assert fc7["dimension"] == 2


def test_a_network_file_is_a_feature_like_any_other():
    options = Embedding.Options(features=("hog", "network"), network={"file": "vgg.onnx"})
    stored = {feature.name: feature for feature in Embedding(options).features()}
    assert stored["network"].options["file"] == "vgg.onnx"
    with pytest.raises(ValueError, match="goes with"):
        Embedding.Options(features=("hog", "network"))
    with pytest.raises(ValueError, match="once"):
        Embedding.Options(features=("hog", "hog"))
