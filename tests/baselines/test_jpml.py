"""JPML as a method: what it learns, chooses and says."""

import numpy as np
import pytest

from baselines.jpml import Jpml
from baselines.jpml_options import JpmlOptions
from harness.errors import UserError
from harness.metrics import frame_f1

SINGLE = {"alpha": (1e-4,), "beta1": (0.0,), "beta2": (0.0,)}
PATCHES, SIZE = 4, 128


@pytest.fixture
def patch_frames(frames_in_memory):
    """AUs 1 and 2 show at patch 0 and go together; AU 12 shows at patch 2: (train, val, test)."""
    generator = np.random.default_rng(0)
    num_frames = 540
    first = generator.random(num_frames) < 0.4
    second = np.where(generator.random(num_frames) < 0.85, first, ~first)
    third = generator.random(num_frames) < 0.3
    labels = np.where(np.stack([first, second, third], axis=1), 1, -1)
    features = generator.standard_normal((num_frames, PATCHES, SIZE))
    directions = generator.standard_normal((3, SIZE)) / 4
    features[:, 0] += labels[:, :1] * directions[0] + labels[:, 1:2] * directions[1]
    features[:, 2] += labels[:, 2:] * directions[2]
    frames = frames_in_memory(
        features.reshape(num_frames, -1), labels, np.repeat(np.arange(9), 60), aus=(1, 2, 12)
    )
    names = [f"toy:S{i:02d}" for i in range(9)]
    return tuple(frames.of_subjects(n) for n in (names[:5], names[5:7], names[7:]))


def importance(model):
    return np.linalg.norm(model.weights.reshape(PATCHES, SIZE, 3), axis=1)


def test_it_learns_on_the_planted_patches_and_its_saved_model_scores_the_same(
    patch_frames, context, tmp_path
):
    train, validation, test = patch_frames
    options = JpmlOptions(alpha=(1e-4, 5e-3), beta1=(0.0, 1e-3), beta2=(0.0,))
    model = Jpml(options).fit(train, validation, context)
    scores = model.scores(test.unlabelled())
    assert np.all(frame_f1(test.labels, scores) > 0.8)
    assert importance(model).argmax(axis=0).tolist() == [0, 0, 2]
    model.save(tmp_path)
    np.testing.assert_array_equal(Jpml.load(tmp_path).scores(test.unlabelled()), scores)


def test_strong_alpha_keeps_the_planted_patches_alone(patch_frames, context):
    train, validation, _ = patch_frames
    options = JpmlOptions(**{**SINGLE, "alpha": (0.008,)}, sample="all", max_iter=2000)
    kept = importance(Jpml(options).fit(train, validation, context)) > 0
    assert kept.T.tolist() == [
        [True, False, False, False],
        [True, False, False, False],
        [False, False, True, False],
    ]


@pytest.mark.parametrize(
    "change",
    [
        {"solver": "admm", "max_iter": 3},
        {"omega": "shared", "alpha": (0.004,)},
        {"intercept": False},
        {"alpha": (0.003,)},
        {"beta1": (0.1,)},
        {"beta2": (0.1,), "relations": "curated", "aus": (2, 6, 7)},
        {"relations": "curated", "beta1": (0.1,), "aus": (6, 2, 12)},
        {"pair_weight": "phi", "beta1": (0.1,), "against": {"beta1": (0.1,)}},
        {"sample": "ratio"},
        {"sample": "all"},
        {"per_subject": (5, 5)},
        {"refit": False},
        {"rho": 0.1, "solver": "admm", "max_iter": 2, "against": {"solver": "admm", "max_iter": 2}},
        {"max_iter": 2},
        {"tolerance": 0.5},
    ],
    ids=str,
)
def test_every_option_changes_the_scores(patch_frames, frames_in_memory, context, change):
    train, validation, test = patch_frames
    change = dict(change)
    aus, against = change.pop("aus", None), change.pop("against", {})
    if aus:
        rename = [
            frames_in_memory(
                np.asarray(part.feature("hog")),
                part.labels,
                np.unique(part.subjects.astype(str), return_inverse=True)[1],
                aus=aus,
            )
            for part in (train, validation, test)
        ]
        train, validation, test = rename
    base = {**SINGLE, "per_subject": (15, 20)}
    plain = Jpml(JpmlOptions(**{**base, **against})).fit(train, validation, context)
    one = plain.scores(test.unlabelled())
    other = Jpml(JpmlOptions(**{**base, **change})).fit(train, validation, context)
    assert np.abs(one - other.scores(test.unlabelled())).max() > 1e-3


def test_relations_come_from_training_subjects_alone(patch_frames, context):
    train, validation, test = patch_frames
    options = JpmlOptions(**{**SINGLE, "beta1": (0.05,)}, refit=False)
    expected = Jpml(options).fit(train, validation, context).weights
    for part in (validation, test):
        part.labels.flags.writeable = True
        part.labels[:] = -part.labels
    np.testing.assert_array_equal(Jpml(options).fit(train, validation, context).weights, expected)


def test_an_au_of_one_class_scores_zero_and_is_noted(patch_frames, context):
    train, validation, test = patch_frames
    for part in (train, validation):
        part.labels.flags.writeable = True
        part.labels[:, 1] = -1
    options = JpmlOptions(**{**SINGLE, "beta1": (0.05,), "beta2": (0.05,)})
    model = Jpml(options).fit(train, validation, context)
    assert not model.scores(test.unlabelled())[:, 1].any()
    assert any("AU2: one class only" in note for note in model.notes)
    assert any("beta1" in note and "no effect" in note for note in model.notes)


def test_bad_input_is_named(patch_frames, frames_in_memory, context):
    train, _, _ = patch_frames
    with pytest.raises(UserError, match="option alpha lists 4 values"):
        Jpml().fit(train, train.of_subjects([]), context)
    odd = frames_in_memory(np.ones((10, 100)), np.ones((10, 1)), np.repeat([0, 1], 5), aus=(12,))
    with pytest.raises(UserError, match="100 values a frame"):
        Jpml(JpmlOptions(**SINGLE)).fit(odd, odd, context)
    with pytest.raises(ValueError, match="alpha"):
        JpmlOptions(alpha=(float("inf"),))
