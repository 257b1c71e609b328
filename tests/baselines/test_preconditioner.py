"""The preconditioner: what it finds, and that it changes the way and not the end."""

import numpy as np
import pytest
import torch

from baselines import newton
from baselines.design_matrix import DesignMatrix
from baselines.newton import minimise_squared_hinge
from baselines.preconditioner import leading_directions
from baselines.squared_hinge import Problems


def design(seed=0, num_frames=600, dimension=120):
    generator = np.random.default_rng(seed)
    hidden = generator.standard_normal((num_frames, dimension)) / (1 + np.arange(dimension))
    rows = hidden @ np.linalg.qr(generator.standard_normal((dimension, dimension)))[0] + 0.3
    return DesignMatrix(rows.astype(np.float32)), generator


def test_directions_are_orthonormal_and_lead():
    matrix, _ = design()
    found = leading_directions(matrix)
    size = found.directions_DR.shape[1]
    identity = found.directions_DR.T @ found.directions_DR
    torch.testing.assert_close(identity, torch.eye(size), atol=1e-4, rtol=0)
    rows = np.c_[matrix.rows_ND.numpy(), np.ones(matrix.num_rows)].astype(np.float64)
    whole = rows.T @ rows / len(rows)
    inside = found.directions_DR.T.double().numpy() @ whole @ found.directions_DR.double().numpy()
    expected = np.linalg.eigvalsh(whole)[::-1]
    np.testing.assert_allclose(np.linalg.eigvalsh(inside)[::-1][:5], expected[:5], rtol=0.02)
    left_out = np.trace(whole) - np.trace(inside)
    assert found.rest == pytest.approx(left_out / (len(whole) - size), rel=0.05)
    np.testing.assert_allclose(found.seen_NR, rows @ found.directions_DR.numpy(), atol=1e-4)


def test_the_near_hessian_is_the_hessian_where_all_directions_lead():
    generator = np.random.default_rng(3)
    matrix = DesignMatrix(generator.standard_normal((500, 30)).astype(np.float32), bias=0.0)
    within = leading_directions(design()[0]).within()[1]
    every = type(within)(
        directions_DR=torch.eye(31, 30), seen_NR=matrix.rows_ND, stride=1, rest=0.0
    )
    curvature = torch.as_tensor(generator.uniform(1, 2, (500, 2)), dtype=torch.float32)
    residual = torch.as_tensor(generator.standard_normal((31, 2)), dtype=torch.float32)
    residual[-1] = 0
    solved = every.hessian(curvature).solve(residual).double().numpy()
    rows = matrix.rows_ND.double().numpy()
    for column in range(2):
        hessian = np.eye(30) + rows.T @ (rows * curvature[:, [column]].double().numpy())
        back = hessian @ solved[:-1, column]
        np.testing.assert_allclose(back, residual[:-1, column], atol=0.2)


def test_same_minimum_in_fewer_passes(monkeypatch):
    matrix, generator = design()
    planted = matrix.rows_ND @ torch.as_tensor(
        generator.standard_normal((120, 3)), dtype=torch.float32
    )
    noise = torch.as_tensor(generator.standard_normal((600, 3)), dtype=torch.float32)
    signed = 10 * torch.sign(planted - planted.median(dim=0).values + 0.3 * noise)
    passes = []
    plain = Problems.hessian_times

    def counted(problems, *args):
        passes.append(problems.design is matrix)
        return plain(problems, *args)

    monkeypatch.setattr(Problems, "hessian_times", counted)
    with_it = minimise_squared_hinge(matrix, signed, tolerance=1e-7)
    num_with = sum(passes)
    monkeypatch.setattr(newton, "leading_directions", lambda design: None)
    without = minimise_squared_hinge(matrix, signed, tolerance=1e-7)
    torch.testing.assert_close(with_it.objective_K, without.objective_K, rtol=1e-4, atol=0)
    assert num_with < 0.7 * (sum(passes) - num_with)


@pytest.mark.parametrize("rows", [np.zeros((300, 100)), np.ones((20, 100)), np.ones((300, 10))])
def test_nothing_is_made_of_rows_without_use(rows):
    assert leading_directions(DesignMatrix(rows.astype(np.float32), bias=0.0)) is None
