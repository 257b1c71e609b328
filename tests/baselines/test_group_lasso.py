"""JPML's solvers: optimality conditions, the proximal map, both solvers on one objective."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from baselines.au_relations import Relations
from baselines.design_matrix import DesignMatrix
from baselines.group_lasso import (
    minimise_group_lasso,
    objective,
    patch_norms,
    shrunk,
    smooth_gradient,
    smooth_value,
)
from baselines.group_lasso_admm import minimise_by_admm
from baselines.joint_loss import ROUNDED, JointLoss

PATCHES, SIZE, AUS = 6, 4, 3
TOGETHER, APART = (0, 1), (1, 2)


def adjacency(*pairs):
    matrix = np.zeros((AUS, AUS), np.float32)
    for a, b in pairs:
        matrix[a, b] = matrix[b, a] = 1
    return matrix


def problem(seed=0, num_frames=200, beta1=0.0, beta2=0.0, bias=0.0, unknown=0.1):
    """Labels that depend on patches 0 and 1 (AU 0), 1 (AU 1) and 4 (AU 2) alone."""
    generator = np.random.default_rng(seed)
    rows = generator.standard_normal((num_frames, PATCHES * SIZE)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    planted = np.zeros((PATCHES, SIZE, AUS))
    for au, patches in enumerate(((0, 1), (1,), (4,))):
        planted[list(patches), :, au] = generator.standard_normal((len(patches), SIZE))
    scores = 12 * rows @ planted.reshape(-1, AUS)
    labels = np.where(generator.random(scores.shape) < 1 / (1 + np.exp(-scores)), 1, -1)
    labels[generator.random(labels.shape) < unknown] = 0
    relations = Relations(together_LL=adjacency(TOGETHER), apart_LL=adjacency(APART))
    betas = [torch.tensor(np.atleast_1d(b), dtype=torch.float32) for b in (beta1, beta2)]
    loss = JointLoss.on(torch.as_tensor(labels), relations, *betas)
    return DesignMatrix(rows, bias=bias), loss


def solved(design, loss, alpha, **options):
    given = np.broadcast_to(np.reshape(alpha, (-1, 1)), (len(loss.beta1_B), AUS)).copy()
    alpha_BL = torch.as_tensor(given, dtype=torch.float32)
    settings = {"group_size": SIZE, "tolerance": 1e-5, "max_iter": 1000, **options}
    return minimise_group_lasso(design, loss, alpha_BL, **settings)


def zeros_gradient(design, loss):
    nothing = design.zeros(AUS)
    return smooth_gradient(design, loss, nothing, design.times(nothing))


def one_au(loss, au):
    labels = loss.labels_NL[:, au : au + 1]
    return JointLoss(
        labels_NL=labels,
        count_L=loss.count_L[au : au + 1],
        together_LL=torch.zeros(1, 1),
        apart_LL=torch.zeros(1, 1),
        beta1_B=loss.beta1_B,
        beta2_B=loss.beta2_B,
    )


@pytest.mark.parametrize("bias", [0.0, 1.0])
def test_without_relations_each_au_is_solved_on_its_own(bias):
    design, loss = problem(bias=bias)
    together = solved(design, loss, 0.005).weights_DK
    for au in range(AUS):
        alone = minimise_group_lasso(
            design,
            one_au(loss, au),
            torch.full((1, 1), 0.005),
            group_size=SIZE,
            tolerance=1e-5,
            max_iter=1000,
        )
        torch.testing.assert_close(together[:, [au]], alone.weights_DK, atol=0.1, rtol=0)
    assert together.abs().max() > 3


def test_a_grid_side_by_side_is_its_points_one_by_one():
    design, loss = problem(beta1=[0.0, 0.1, 0.1], beta2=[0.0, 0.0, 0.1])
    together = solved(design, loss, [0.02, 0.005, 0.005])
    for i, alpha in enumerate((0.02, 0.005, 0.005)):
        alone = solved(design, loss.only(torch.tensor([i])), alpha)
        assert float(together.objective_B[i]) == pytest.approx(float(alone.objective_B), rel=1e-5)


def test_nothing_is_left_from_alpha_max_on():
    design, loss = problem()
    gradient = zeros_gradient(design, loss)
    alpha_max = patch_norms(gradient, AUS, SIZE).amax().item()
    assert not solved(design, loss, 1.001 * alpha_max).weights_DK.any()
    assert solved(design, loss, 0.95 * alpha_max).weights_DK.any()


@pytest.mark.parametrize(
    ("beta1", "beta2", "bias", "omega"),
    [
        (0, 0, 0, "per_label"),
        (0, 0, 1, "per_label"),
        (0.2, 0, 0, "per_label"),
        (0.1, 0.3, 1, "per_label"),
        (0.1, 0.1, 1, "shared"),
    ],
)
def test_optimality_patch_by_patch(beta1, beta2, bias, omega):
    alpha = 0.02
    design, loss = problem(beta1=beta1, beta2=beta2, bias=float(bias))
    weights = solved(design, loss, alpha, omega=omega).weights_DK
    gradient = smooth_gradient(design, loss, weights, design.times(weights))
    norms = patch_norms(weights, AUS, SIZE, omega)
    slopes = patch_norms(gradient, AUS, SIZE, omega)
    kept = norms > 0
    assert kept.any()
    assert (~kept).any()
    assert (slopes[~kept] <= alpha * 1.01).all()
    w, g = (x[:-1].reshape(PATCHES, SIZE, AUS) for x in (weights, gradient))
    spread = norms.clamp_min(1e-30).reshape(PATCHES, 1, -1)
    miss = torch.where(w != 0, g + alpha * w / spread, torch.zeros_like(g))
    assert miss.abs().max() < 0.03 * alpha
    assert gradient[-1].abs().max() < 1e-4


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.floats(0, 3), st.sampled_from(["per_label", "shared"]))
def test_the_proximal_map_brings_points_no_further_apart(seed, amount, omega):
    generator = torch.Generator().manual_seed(seed)
    one, other = torch.randn(2, PATCHES * SIZE + 1, 2 * AUS, generator=generator)
    amounts = torch.full((2, AUS), amount)
    mapped = [shrunk(x, amounts, AUS, SIZE, omega) for x in (one, other)]
    assert (mapped[0] - mapped[1]).norm() <= (one - other).norm() * (1 + 1e-5)
    torch.testing.assert_close(mapped[0][-1], one[-1])
    before, after = (patch_norms(x, AUS, SIZE, omega) for x in (one, mapped[0]))
    torch.testing.assert_close(after, torch.relu(before - amount), atol=1e-4, rtol=0)


def test_strong_pull_makes_the_scores_of_a_pair_alike():
    cosines = []
    for beta1 in (0.0, 100.0):
        design, loss = problem(beta1=beta1)
        scores = design.times(solved(design, loss, 1e-4).weights_DK)
        a, b = scores[:, TOGETHER[0]], scores[:, TOGETHER[1]]
        cosines.append(float(torch.cosine_similarity(a, b, dim=0)))
        apart = float((a - b).norm() / (a.norm() + b.norm()))
    assert cosines[0] < 0.9
    assert cosines[1] > 0.999
    assert apart < 0.02


def test_competing_aus_fire_less_together():
    fired = []
    for beta2 in (0.0, 1.0):
        design, loss = problem(beta2=beta2)
        scores = design.times(solved(design, loss, 1e-4).weights_DK).abs()
        fired.append(float((scores[:, APART[0]] * scores[:, APART[1]]).mean()))
    assert fired[1] < 0.3 * fired[0]


def test_planted_patches_are_recovered_and_no_other():
    design, loss = problem(seed=3, num_frames=2000, unknown=0.0)
    norms = patch_norms(solved(design, loss, 0.012).weights_DK, AUS, SIZE)[:, 0]
    found = [set(torch.nonzero(norms[:, au]).flatten().tolist()) for au in range(AUS)]
    assert found == [{0, 1}, {1}, {4}]


def test_permuting_patches_permutes_their_weights():
    design, loss = problem(beta1=0.05)
    order = torch.randperm(PATCHES, generator=torch.Generator().manual_seed(0))
    mixed = design.rows_ND.reshape(-1, PATCHES, SIZE)[:, order].flatten(1)
    one = solved(design, loss, 0.005).weights_DK
    other = solved(DesignMatrix(mixed, bias=0.0), loss, 0.005).weights_DK
    one_norms, other_norms = (patch_norms(x, AUS, SIZE)[:, 0] for x in (one, other))
    torch.testing.assert_close(other_norms, one_norms[order], atol=5e-3, rtol=0)


@pytest.mark.parametrize(("beta1", "beta2", "bias"), [(0, 0, 0.0), (0.1, 0, 1.0), (0.05, 0.1, 1.0)])
def test_admm_and_fista_reach_the_same_objective(beta1, beta2, bias):
    design, loss = problem(beta1=beta1, beta2=beta2, bias=bias)
    fista = solved(design, loss, 0.005)
    admm = minimise_by_admm(
        design,
        loss,
        torch.full((1, AUS), 0.005),
        group_size=SIZE,
        rho=0.02,
        tolerance=1e-4,
        max_iter=80,
    )
    assert float(admm.objective_B) == pytest.approx(float(fista.objective_B), rel=0.01)
    start = objective(design, loss, torch.full((1, AUS), 0.005), design.zeros(AUS), SIZE)
    assert float(fista.objective_B) < 0.9 * float(start)


def test_shared_patches_are_kept_or_dropped_for_all_aus():
    design, loss = problem()
    weights = solved(design, loss, 0.02, omega="shared").weights_DK
    kept = patch_norms(weights, AUS, SIZE)[:, 0] > 0
    assert torch.equal(kept.any(dim=1), kept.all(dim=1))
    assert kept.any()
    assert not kept.all()


@pytest.mark.parametrize("bias", [0.0, 1.0])
def test_value_and_gradient_are_those_of_the_formulas(bias):
    design, loss = problem(beta1=0.3, beta2=0.7, bias=bias)
    generator = np.random.default_rng(1)
    start = generator.standard_normal((PATCHES * SIZE + 1, AUS))
    start[-1] *= bias
    rows = design.rows_ND.double().numpy()
    labels = loss.labels_NL.numpy()

    def value(w):
        plain = rows @ w[:-1]
        scores = plain + bias * w[-1]
        fit = sum(
            np.log1p(np.exp(-y * s))[y != 0].mean() for y, s in zip(labels.T, scores.T, strict=True)
        )
        a, b = (plain[:, i] for i in TOGETHER)
        pull = 0.5 * 0.3 * np.mean((a - b) ** 2)
        a, b = (np.sqrt(plain[:, i] ** 2 + ROUNDED**2) for i in APART)
        return fit + pull + 0.5 * 0.7 * np.mean((a + b) ** 2)

    weights = torch.as_tensor(start, dtype=torch.float32)
    scores = design.times(weights)
    assert float(smooth_value(design, loss, weights, scores).sum()) == pytest.approx(
        value(start), rel=1e-5
    )
    gradient = smooth_gradient(design, loss, weights, scores)
    for d, au in [(0, 0), (5, 1), (13, 2), (23, 1)] + ([(24, 0), (24, 1)] if bias else []):
        shift = np.zeros_like(start)
        shift[d, au] = 1e-5
        slope = (value(start + shift) - value(start - shift)) / 2e-5
        assert float(gradient[d, au]) == pytest.approx(slope, rel=1e-3, abs=1e-5)
