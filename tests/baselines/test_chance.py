"""The chance rows: their scores, and that a random row does not depend on what else is scored."""

import numpy as np
import pytest

from baselines.chance import AllPresent, BaseRateRandom, Majority, uniform_by_key


def test_all_present_and_majority(planted, context):
    train, validation, test = planted
    assert np.all(AllPresent().fit(train, validation, context).scores(test.unlabelled()) == 1)
    both = np.concatenate([train.labels, validation.labels])
    rates = (both > 0).sum(axis=0) / (both != 0).sum(axis=0)
    scores = Majority().fit(train, validation, context).scores(test.unlabelled())
    np.testing.assert_allclose(scores, np.tile(rates - 0.5, (len(test), 1)), rtol=1e-5)


def test_random_is_present_as_often_as_in_training(build_toy, context):
    frames = build_toy(num_subjects=4, num_frames=60)
    subjects = ["toy:S00", "toy:S01", "toy:S02"]
    model = BaseRateRandom().fit(
        frames.of_subjects(subjects), frames.of_subjects(["toy:S03"]), context
    )
    shares = np.mean(
        [
            (np.array(model.base_rates) > uniform_by_key(frames, seed)).mean(axis=0)
            for seed in range(100)
        ],
        axis=0,
    )
    np.testing.assert_allclose(shares, model.base_rates, atol=0.015)


def test_random_depends_on_seed_and_frame_alone(planted, context):
    train, validation, test = planted
    model = BaseRateRandom().fit(train, validation, context)
    whole = model.scores(test.unlabelled())
    some = np.arange(0, len(test), 3)
    np.testing.assert_array_equal(model.scores(test.select(some).unlabelled()), whole[some])
    np.testing.assert_array_equal(
        model.scores(test.with_aus((12,)).unlabelled())[:, 0], whole[:, 2]
    )
    assert np.any(uniform_by_key(test, 0) != uniform_by_key(test, 1))
    drawn = uniform_by_key(test, 0)
    assert len(np.unique(drawn)) == drawn.size


@pytest.mark.parametrize("method", [AllPresent, BaseRateRandom, Majority])
def test_saved_models_score_the_same(planted, context, tmp_path, method):
    train, validation, test = planted
    model = method().fit(train, validation, context)
    model.save(tmp_path)
    np.testing.assert_array_equal(
        method.load(tmp_path).scores(test.unlabelled()), model.scores(test.unlabelled())
    )


def test_an_au_without_known_labels_is_noted(planted, context):
    train, validation, _ = planted
    for part in (train, validation):
        part.labels.flags.writeable = True
        part.labels[:, 2] = 0
    model = Majority().fit(train, validation, context)
    assert any("AU12" in note for note in model.notes)
