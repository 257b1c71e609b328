import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hybrid.losses import (
    count_labelled_frames,
    cross_entropy_sum,
    max_margin,
    max_margin_sum,
    multilabel_cross_entropy,
)

LOGITS = torch.tensor([[2.0, -1.0, 0.5, 0.0]], dtype=torch.float64)
SCORES = torch.tensor([[0.6, -0.2, 0.9, 0.1]])
LABELS = torch.tensor([[1, -1, 0, -1]], dtype=torch.int8)


@pytest.mark.parametrize(
    ("normaliser", "value"),
    [("labels", 0.283334), ("L", 0.283334), ("batch_only", 1.133337), ("valid", 0.377779)],
)
def test_cross_entropy_of_the_worked_example(normaliser, value):
    loss = multilabel_cross_entropy(LOGITS, LABELS, normaliser)
    assert loss.item() == pytest.approx(value, abs=1e-6)
    one_frame = multilabel_cross_entropy(LOGITS[0], LABELS[0], normaliser)
    assert one_frame.item() == pytest.approx(value, abs=1e-6)


def test_max_margin_of_the_worked_example_leaves_unknown_labels_out():
    assert max_margin(SCORES, LABELS).item() == pytest.approx(0.3, abs=1e-6)


def test_unknown_normaliser_and_gate_are_named():
    with pytest.raises(ValueError, match="'mean' is not one of labels"):
        multilabel_cross_entropy(LOGITS, LABELS, "mean")
    with pytest.raises(ValueError, match="'2' is not one of"):
        max_margin(SCORES, LABELS, gate="2")


def test_frames_without_known_labels_count_for_cross_entropy_as_printed_but_not_for_the_margin():
    labels = torch.cat([LABELS, torch.zeros_like(LABELS)])
    logits, scores = LOGITS.repeat(2, 1), SCORES.repeat(2, 1)
    assert multilabel_cross_entropy(logits, labels).item() == pytest.approx(0.283334 / 2, abs=1e-6)
    assert max_margin(scores, labels).item() == pytest.approx(0.3, abs=1e-6)
    assert int(count_labelled_frames(labels)) == 1


@pytest.mark.parametrize("logit", [1e4, -1e4])
def test_cross_entropy_does_not_overflow(logit):
    labels = torch.tensor([[1, -1]], dtype=torch.int8)
    assert cross_entropy_sum(torch.full((1, 2), logit), labels).item() == pytest.approx(1e4)


@given(
    hnp.arrays(np.float64, (3, 4), elements=st.floats(-3, 3)),
    hnp.arrays(np.int8, (3, 4), elements=st.integers(-1, 1)),
)
def test_cross_entropy_is_minus_log_likelihood(logits, labels):
    probability = 1 / (1 + np.exp(-logits))
    terms = np.where(labels > 0, np.log(probability), np.log(1 - probability)) * (labels != 0)
    loss = multilabel_cross_entropy(torch.from_numpy(logits), torch.from_numpy(labels))
    assert loss.item() == pytest.approx(-terms.sum() / 12, abs=1e-5)


def _finite_difference(function, at, step=1e-3):
    gradient = torch.zeros_like(at)
    for place in np.ndindex(*at.shape):
        up, down = at.clone(), at.clone()
        up[place] += step
        down[place] -= step
        gradient[place] = (function(up) - function(down)) / (2 * step)
    return gradient


@pytest.mark.parametrize("normaliser", ["labels", "batch_only", "valid"])
def test_gradient_of_cross_entropy_matches_finite_differences(normaliser):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(5, 4, generator=generator)
    labels = torch.randint(-1, 2, (5, 4), generator=generator, dtype=torch.int8)
    labels[2] = 0
    logits.requires_grad_()
    multilabel_cross_entropy(logits, labels, normaliser).backward()
    expected = _finite_difference(
        lambda z: multilabel_cross_entropy(z, labels, normaliser), logits.detach(), 1e-2
    )
    assert torch.allclose(logits.grad, expected, atol=2e-4)
    assert (logits.grad[labels == 0] == 0).all()


def test_gradient_of_max_margin_matches_finite_differences():
    scores = torch.tensor([[0.9, 0.2, -0.3, 0.4], [-0.8, 0.1, 0.7, -0.9], [0.2, 0.3, 0.1, 0.0]])
    labels = torch.tensor([[1, 1, 1, 0], [-1, -1, -1, 1], [0, 0, 0, 0]], dtype=torch.int8)
    scores.requires_grad_()
    max_margin(scores, labels).backward()
    expected = _finite_difference(lambda s: max_margin(s, labels), scores.detach())
    assert torch.allclose(scores.grad, expected, atol=1e-3)
    assert (scores.grad[labels == 0] == 0).all()


def test_gate_1_passes_a_gradient_wherever_the_agreement_is_below_1():
    scores = torch.tensor([[0.9, 0.2, -0.3, 0.4]], requires_grad=True)
    labels = torch.tensor([[1, 1, -1, 0]], dtype=torch.int8)
    assert max_margin(scores, labels, gate="1").item() == pytest.approx(1 / 6, abs=1e-6)
    max_margin(scores, labels, gate="1").backward()
    assert scores.grad.tolist()[0] == pytest.approx([-1 / 3, -1 / 3, 1 / 3, 0.0])
    scores.grad = None
    max_margin(scores, labels, gate="k").backward()
    assert scores.grad.tolist()[0] == pytest.approx([0.0, -1 / 3, 1 / 3, 0.0])


def test_sums_over_workers_are_the_sum_over_the_batch():
    generator = torch.Generator().manual_seed(1)
    scores = torch.rand(7, 3, generator=generator) * 2 - 1
    labels = torch.randint(-1, 2, (7, 3), generator=generator, dtype=torch.int8)
    for sum_of in (cross_entropy_sum, max_margin_sum):
        parts = sum(sum_of(scores[r::2], labels[r::2]) for r in range(2))
        assert parts.item() == pytest.approx(sum_of(scores, labels).item(), rel=1e-6)
