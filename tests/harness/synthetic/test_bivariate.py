"""The bivariate Gaussian against scipy, and its inversion."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import multivariate_normal, norm

from harness.synthetic.bivariate import both_above, solve


@pytest.mark.parametrize("r", [-0.95, -0.3, 0.0, 0.4, 0.9, 0.99])
@pytest.mark.parametrize(("h", "k"), [(0.0, 0.0), (-1.2, 0.3), (-1.9, -1.8)])
def test_probability_is_the_bivariate_gaussian(h, k, r):
    expected = multivariate_normal([0, 0], [[1, r], [r, 1]]).cdf([h, k])
    assert both_above(h, k, r) == pytest.approx(expected, abs=1e-5)


def test_zero_correlation_multiplies_and_the_half_plane_has_its_closed_form():
    assert both_above(0.5, -0.2, 0.0) == pytest.approx(norm.cdf(0.5) * norm.cdf(-0.2))
    for r in (-0.7, 0.2, 0.95):
        assert both_above(0, 0, r) == pytest.approx(0.25 + np.arcsin(r) / (2 * np.pi), abs=1e-7)


@settings(max_examples=25, deadline=None)
@given(st.floats(-0.9, 0.95), st.floats(-1.5, 1.5), st.floats(-1.5, 1.5))
def test_solving_undoes_the_probability(r, h, k):
    wanted = both_above(h, k, r)
    found = solve(lambda c: both_above(h, k, c), np.asarray(wanted))
    assert both_above(h, k, found) == pytest.approx(float(wanted), abs=1e-6)


def test_a_target_out_of_reach_gives_an_end_of_the_interval():
    assert solve(lambda c: both_above(0, 0, c), np.asarray(0.9)) > 0.999
    assert solve(lambda c: both_above(0, 0, c), np.asarray(-0.1)) < -0.99
