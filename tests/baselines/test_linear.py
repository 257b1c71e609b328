"""fit_linear_svm against scikit-learn's LinearSVC, its objective and its bad input."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.svm import LinearSVC

from baselines.linear import fit_linear_svm, frame_weights


def problem(seed, num_frames=300, dimension=40, num_aus=4, unknown=0.15):
    generator = np.random.default_rng(seed)
    features = generator.standard_normal((num_frames, dimension)).astype(np.float32)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    planted = features @ generator.standard_normal((dimension, num_aus)) * 4
    labels = np.sign(planted + generator.standard_normal(planted.shape) - 0.7).astype(np.int8)
    labels[generator.random(labels.shape) < unknown] = 0
    return features, labels, generator


def objective(features, labels, weights, C, w, b):
    margins = labels * (features.astype(np.float64) @ w + b)
    return 0.5 * (w @ w + b * b) + C * (weights * np.maximum(0, 1 - margins) ** 2).sum()


def oracle(features, labels, weights, C, bias=1.0):
    machine = LinearSVC(
        C=C,
        dual=False,
        loss="squared_hinge",
        tol=1e-8,
        max_iter=10000,
        fit_intercept=bias > 0,
        intercept_scaling=bias or 1.0,
    )
    known = labels != 0
    machine.fit(features[known].astype(np.float64), labels[known], sample_weight=weights[known])
    return machine.coef_[0], float(np.ravel(machine.intercept_)[0]) if bias else 0.0


@pytest.mark.parametrize("C", [0.01, 1.0, 100.0])
@pytest.mark.parametrize("class_weight", [None, "balanced"])
def test_same_objective_as_linear_svc_with_masks_and_weights(C, class_weight):
    features, labels, generator = problem(0)
    sample_weight = generator.uniform(0.2, 2, len(labels))
    fitted = fit_linear_svm(
        features, labels, C, class_weight=class_weight, sample_weight=sample_weight
    )
    weights = frame_weights(labels, class_weight, sample_weight).astype(np.float64)
    for au in range(labels.shape[1]):
        args = (features, labels[:, au], weights[:, au], C)
        ours = objective(*args, fitted.weights[:, au].astype(np.float64), float(fitted.bias[au]))
        theirs = objective(*args, *oracle(*args))
        assert ours <= theirs * (1 + 1e-4)
        assert fitted.objective[au] == pytest.approx(ours, rel=1e-4)


def test_same_objective_on_non_negative_correlated_features():
    # Histograms as real features are: non-negative, a large common part, far from standardised.
    generator = np.random.default_rng(5)
    parts = generator.dirichlet(np.full(16, 0.3), size=(400, 8)).astype(np.float32)
    features = (parts + 0.3).reshape(400, 128)
    labels = np.sign(
        features @ generator.standard_normal((128, 3)) - np.array([0.0, 1.0, -1.0])
    ).astype(np.int8)
    labels[:40, 0] *= -1
    fitted = fit_linear_svm(features, labels, 10.0, class_weight="balanced")
    weights = frame_weights(labels, "balanced").astype(np.float64)
    for au in range(3):
        args = (features, labels[:, au], weights[:, au], 10.0)
        ours = objective(*args, fitted.weights[:, au].astype(np.float64), float(fitted.bias[au]))
        assert ours <= objective(*args, *oracle(*args)) * (1 + 1e-4)


def test_same_solution_without_bias():
    features, labels, _ = problem(1)
    fitted = fit_linear_svm(features, labels, 1.0, bias=0.0, tolerance=1e-8)
    assert np.all(fitted.bias == 0)
    ones = (labels != 0).astype(np.float64)
    for au in range(labels.shape[1]):
        expected, _ = oracle(features, labels[:, au], ones[:, au], 1.0, bias=0.0)
        np.testing.assert_allclose(fitted.weights[:, au], expected, atol=2e-3)


def test_a_grid_equals_its_values_one_by_one():
    features, labels, _ = problem(2)
    grid = (0.1, 1.0, 10.0)
    together = fit_linear_svm(features, labels, grid, tolerance=1e-7)
    assert together.weights.shape == (3, 40, 4)
    assert together.scores(features).shape == (3, 300, 4)
    for i, C in enumerate(grid):
        alone = fit_linear_svm(features, labels, C, tolerance=1e-7)
        np.testing.assert_allclose(together.weights[i], alone.weights, atol=5e-3)
        np.testing.assert_allclose(together.objective[i], alone.objective, rtol=1e-5)


def test_unknown_labels_take_no_part_in_their_column_alone():
    features, labels, _ = problem(3)
    fitted = fit_linear_svm(features, labels, 1.0, tolerance=1e-7)
    for au in range(labels.shape[1]):
        known = labels[:, au] != 0
        alone = fit_linear_svm(features[known], labels[known, au], 1.0, tolerance=1e-7)
        np.testing.assert_allclose(fitted.weights[:, au], alone.weights[:, 0], atol=2e-3)


def test_a_weight_of_two_is_a_frame_given_twice():
    features, labels, generator = problem(4)
    counts = generator.integers(0, 4, len(labels))
    weighted = fit_linear_svm(features, labels, 1.0, sample_weight=counts, tolerance=1e-7)
    rows = np.repeat(np.arange(len(labels)), counts)
    repeated = fit_linear_svm(features[rows], labels[rows], 1.0, tolerance=1e-7)
    np.testing.assert_allclose(weighted.objective, repeated.objective, rtol=1e-5)


def test_half_precision_in_chunks_agrees_with_single(monkeypatch):
    monkeypatch.setattr("baselines.design_matrix.WIDE_BYTES", 0)
    monkeypatch.setattr("baselines.design_matrix.CHUNK_BYTES", 1)
    features, labels, _ = problem(6, num_frames=900)
    half = features.astype(np.float16)
    chunked = fit_linear_svm(half, labels, 1.0, tolerance=1e-7)
    monkeypatch.undo()
    whole = fit_linear_svm(half.astype(np.float32), labels, 1.0, tolerance=1e-7)
    np.testing.assert_allclose(chunked.objective, whole.objective, rtol=1e-5)


def test_an_au_of_one_class_scores_zero_and_says_so():
    features, labels, _ = problem(7)
    labels[:, 1] = np.where(labels[:, 1] > 0, 0, labels[:, 1])
    fitted = fit_linear_svm(features, labels, (0.1, 1.0))
    assert fitted.trained.tolist() == [True, False, True, True]
    assert np.all(fitted.scores(features)[:, :, 1] == 0)
    assert np.any(fitted.scores(features)[:, :, 2] != 0)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000))
def test_flipping_all_labels_flips_the_machines(seed):
    features, labels, _ = problem(seed, num_frames=60, dimension=8, num_aus=2)
    one = fit_linear_svm(features, labels, 1.0, tolerance=1e-7)
    other = fit_linear_svm(features, -labels, 1.0, tolerance=1e-7)
    np.testing.assert_allclose(one.weights, -other.weights, atol=1e-4)
    np.testing.assert_allclose(one.bias, -other.bias, atol=1e-4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"C": 0.0}, "C must be"),
        ({"C": (1.0, -1.0)}, "C must be"),
        ({"C": float("inf")}, "C must be"),
        ({"class_weight": "heavy"}, "'balanced'"),
        ({"class_weight": np.ones((3, 2))}, "class_weight has shape"),
        ({"sample_weight": np.full(300, -1.0)}, "negative"),
        ({"labels": np.full((300, 4), 2)}, "labels must be"),
        ({"labels": np.ones((299, 4))}, "do not fit"),
    ],
)
def test_bad_input_is_named(change, message):
    features, labels, _ = problem(8)
    given = {"features": features, "labels": labels, **change}
    with pytest.raises(ValueError, match=message):
        fit_linear_svm(**given)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_features_that_are_not_finite_are_refused_with_their_row(bad):
    features, labels, _ = problem(9)
    features[123, 4] = bad
    with pytest.raises(ValueError, match="first in row 123"):
        fit_linear_svm(features, labels)


@pytest.mark.parametrize(
    ("num_frames", "dimension", "C", "base_rate"),
    [(150, 300, 1.0, 0.5), (200, 160, 10.0, 0.5), (400, 60, 100.0, 0.05)],
)
def test_rows_that_can_be_separated_are_solved_too(num_frames, dimension, C, base_rate):
    # Rows of a length far from 1, with more entries than frames or a rare AU and a large C: the
    # joint solver alone was left up to half of the objective above the minimum.
    generator = np.random.default_rng(0)
    features = generator.standard_normal((num_frames, dimension)).astype(np.float32)
    scores = features @ generator.standard_normal((dimension, 2))
    labels = np.where(scores > np.quantile(scores, 1 - base_rate, axis=0), 1, -1).astype(np.int8)
    labels[generator.random(labels.shape) < 0.1] = 0
    fitted = fit_linear_svm(features, labels, C, class_weight="balanced")
    weights = frame_weights(labels, "balanced").astype(np.float64)
    for au in range(2):
        args = (features, labels[:, au], weights[:, au], C)
        ours = objective(*args, fitted.weights[:, au].astype(np.float64), float(fitted.bias[au]))
        assert fitted.objective[au] == pytest.approx(ours, rel=1e-4)
        assert ours <= objective(*args, *oracle(*args)) * (1 + 1e-4)
