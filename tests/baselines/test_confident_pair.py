"""CPM's training stage: its invariants, and the SVM that it starts from."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.svm import LinearSVC

from baselines.confident_pair import (
    RUNAWAY,
    PairOptions,
    easy_frames,
    relabelled,
    train_confident_pair,
)
from baselines.design_matrix import DesignMatrix

RULES = ("reject", "conditional", "drop", "consensus")


def problem(seed, noise=1.0, num_frames=150, dimension=10, num_aus=2):
    generator = np.random.default_rng(seed)
    features = generator.standard_normal((num_frames, dimension)).astype(np.float32)
    scores = features @ generator.standard_normal((dimension, num_aus)) - 0.8
    scores += noise * generator.standard_normal(scores.shape)
    labels = np.sign(scores).astype(np.int8)
    labels[generator.random(labels.shape) < 0.1] = 0
    return features, torch.as_tensor(labels)


def trained(features, labels, C=1.0, **options):
    design = DesignMatrix(features)
    options = PairOptions(tolerance=1e-7, **options)
    return train_confident_pair(design, labels, torch.full((labels.shape[1],), C), options)


def test_without_hard_frames_both_machines_are_the_class_weighted_svm():
    features, labels = problem(0, noise=0.0)
    pair = trained(features, labels, C=100.0, max_iter=6)
    assert not pair.hard_share_K.any()
    torch.testing.assert_close(pair.plus_DK, pair.minus_DK)
    for au in range(2):
        known = labels[:, au].numpy() != 0
        machine = LinearSVC(C=100.0, dual=False, class_weight="balanced", tol=1e-9, max_iter=10000)
        machine.fit(features[known].astype(np.float64), labels[known, au].numpy())

        def objective(w, b, au=au, known=known):
            y = labels[known, au].numpy()
            weight = np.where(y > 0, len(y) / (2 * (y > 0).sum()), len(y) / (2 * (y < 0).sum()))
            loss = weight * np.maximum(0, 1 - y * (features[known] @ w + b)) ** 2
            return 0.5 * (w @ w + b * b) + 100 * loss.sum()

        theirs = objective(machine.coef_[0], machine.intercept_[0])
        weights = pair.plus_DK[:, au].double().numpy()
        assert objective(weights[:-1], weights[-1]) <= theirs * (1 + 1e-4)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), st.sampled_from(RULES), st.integers(1, 4))
def test_easy_and_hard_part_the_known_frames(seed, rule, max_iter):
    features, labels = problem(seed, num_frames=60, dimension=4)
    pair = trained(features, labels, relabel=rule, max_iter=max_iter)
    hard = (labels != 0) & ~pair.easy_NK
    assert not (pair.easy_NK & hard).any()
    assert torch.equal(pair.easy_NK | hard, labels != 0)
    share = hard.sum(0) / (labels != 0).sum(0)
    torch.testing.assert_close(pair.hard_share_K, share)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1000), st.sampled_from(["reject", "drop"]), st.integers(2, 4))
def test_turning_all_labels_round_swaps_and_flips_the_machines(seed, rule, max_iter):
    features, labels = problem(seed)
    one = trained(features, labels, relabel=rule, max_iter=max_iter)
    other = trained(features, -labels, relabel=rule, max_iter=max_iter)
    torch.testing.assert_close(other.plus_DK, -one.minus_DK, atol=2e-3, rtol=0)
    torch.testing.assert_close(other.minus_DK, -one.plus_DK, atol=2e-3, rtol=0)
    # A frame on the border of easy may fall either way.
    assert (one.easy_NK != other.easy_NK).float().mean() <= 0.01


def test_each_machine_keeps_its_own_class_to_what_it_is_sure_of():
    features, labels = problem(3, noise=2.0)
    pair = trained(features, labels)
    design = DesignMatrix(features)
    plus, minus = design.times(pair.plus_DK), design.times(pair.minus_DK)
    assert (plus > 0).sum() < (minus > 0).sum()
    assert pair.hard_share_K.min() > 0


@pytest.mark.parametrize(
    ("rule", "plus", "minus"),
    [
        ("reject", [1, -1, -1, -1, -1, 0], [1, -1, 1, 1, 1, 0]),
        ("conditional", [1, -1, -1, 1, -1, 0], [1, -1, 1, 1, 1, 0]),
        ("drop", [1, -1, 0, 0, 0, 0], [1, -1, 0, 0, 0, 0]),
        ("consensus", [1, -1, -1, -1, 1, 0], [1, -1, -1, 1, 1, 0]),
    ],
)
def test_relabel_rules_frame_by_frame(rule, plus, minus):
    # Easy positive, easy negative, positive missed by both, positive missed by w- alone, negative
    # missed by both, unknown.
    labels = torch.tensor([1, -1, 1, 1, -1, 0], dtype=torch.int8)[:, None]
    plus_scores = torch.tensor([2.0, -2, -1, 1, 1, 3])[:, None]
    minus_scores = torch.tensor([1.0, -1, -2, -1, 2, 3])[:, None]
    easy = easy_frames(labels, plus_scores, minus_scores)
    assert easy[:, 0].tolist() == [True, True, False, False, False, False]
    for_plus, for_minus = relabelled(labels, easy, plus_scores, minus_scores, rule)
    assert for_plus[:, 0].tolist() == plus
    assert for_minus[:, 0].tolist() == minus


@pytest.mark.parametrize(
    "change",
    [
        {"relabel": "drop"},
        {"relabel": "consensus"},
        {"hard_weight": 0.3},
        {"max_iter": 1},
        {"max_iter": 4},
        {"balanced": False},
        {"class_weight_follows_relabel": False},
    ],
)
def test_every_option_changes_the_pair(change):
    features, labels = problem(4, noise=1.5)
    plain = trained(features, labels)
    assert not torch.allclose(plain.plus_DK, trained(features, labels, **change).plus_DK, atol=1e-3)


def test_a_hard_set_that_runs_away_is_left_there():
    features, labels = problem(5, noise=30.0, num_frames=400, dimension=2)
    pair = trained(features, labels, max_iter=30, hard_weight=3.0)
    assert pair.ran_away_K.any()
    for rounds in (1, 2, 3):  # whichever round made it so
        pair = trained(features, labels, max_iter=rounds, hard_weight=3.0)
        assert pair.ran_away_K.tolist() == (pair.hard_share_K > RUNAWAY).tolist()
    assert torch.isfinite(pair.plus_DK).all()
