"""The preconditioner: what it finds, and that it changes the way and not the end."""

import numpy as np
import pytest
import torch

from baselines import newton
from baselines.design_matrix import DesignMatrix
from baselines.newton import minimise_squared_hinge
from baselines.preconditioner import leading_directions


def design(seed=0, num_frames=600, dimension=120):
    generator = np.random.default_rng(seed)
    hidden = generator.standard_normal((num_frames, dimension)) / (1 + np.arange(dimension))
    rows = hidden @ np.linalg.qr(generator.standard_normal((dimension, dimension)))[0] + 0.3
    return DesignMatrix(rows.astype(np.float32)), generator


def test_directions_are_orthonormal_and_lead():
    matrix, _ = design()
    found = leading_directions(matrix)
    size = len(found.eigenvalues_R)
    identity = found.directions_DR.T @ found.directions_DR
    torch.testing.assert_close(identity, torch.eye(size), atol=1e-4, rtol=0)
    rows = np.c_[matrix.rows_ND.numpy(), np.ones(matrix.num_rows)].astype(np.float64)
    expected = np.linalg.eigvalsh(rows.T @ rows / len(rows))[::-1][:3]
    np.testing.assert_allclose(found.eigenvalues_R[:3].numpy(), expected, rtol=0.02)


def test_same_minimum_in_fewer_passes(monkeypatch):
    matrix, generator = design()
    planted = matrix.rows_ND @ torch.as_tensor(
        generator.standard_normal((120, 3)), dtype=torch.float32
    )
    noise = torch.as_tensor(generator.standard_normal((600, 3)), dtype=torch.float32)
    signed = 10 * torch.sign(planted - planted.median(dim=0).values + 0.3 * noise)
    passes = []
    plain = newton._hessian_times
    monkeypatch.setattr(newton, "_hessian_times", lambda *a: passes.append(1) or plain(*a))
    with_it = minimise_squared_hinge(matrix, signed, tolerance=1e-7)
    num_with = len(passes)
    monkeypatch.setattr(newton, "leading_directions", lambda design: None)
    without = minimise_squared_hinge(matrix, signed, tolerance=1e-7)
    torch.testing.assert_close(with_it.objective_K, without.objective_K, rtol=1e-4, atol=0)
    assert num_with < 0.7 * (len(passes) - num_with)


@pytest.mark.parametrize("rows", [np.zeros((300, 100)), np.ones((20, 100)), np.ones((300, 10))])
def test_nothing_is_made_of_rows_without_use(rows):
    assert leading_directions(DesignMatrix(rows.astype(np.float32), bias=0.0)) is None
