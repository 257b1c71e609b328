"""The double-pole process against its closed form, and means of sequences against the Gaussian."""

import numpy as np
import pytest

from harness.synthetic.process import mean_of_a_sequence, path, process_correlation

TIME_CONSTANTS = np.array([4.0, 25.0, 150.0])
PACES = np.array([[0.1, 0.0], [0.3, 0.2], [0.4, 0.6]])


def covariance(paces_K, num_frames):
    """(T, T) covariance of the sum of processes, from its definition."""
    lags = np.abs(np.subtract.outer(np.arange(num_frames), np.arange(num_frames)))
    return sum(
        pace * process_correlation(tau, lags)
        for tau, pace in zip(TIME_CONSTANTS, paces_K, strict=True)
    )


@pytest.mark.parametrize("time_constant", [1.5, 10.0, 60.0])
def test_paths_have_variance_one_and_the_stated_correlation(time_constant):
    random = np.random.default_rng(3)
    paths = path(
        time_constant, random.standard_normal((2, 20000)), random.standard_normal((60, 20000))
    )
    np.testing.assert_allclose(paths.var(axis=1), 1, atol=0.05)
    for lag in (1, 5, 20):
        made = (paths[30 - lag] * paths[30]).mean()
        assert made == pytest.approx(float(process_correlation(time_constant, lag)), abs=0.03)


@pytest.mark.parametrize("num_frames", [1, 2, 57, 300])
def test_the_mean_of_a_sequence_is_that_of_the_gaussian(num_frames):
    regression_TL, variance_L = mean_of_a_sequence(TIME_CONSTANTS, PACES, num_frames)
    for unit in range(2):
        of_frames = covariance(PACES[:, unit], num_frames)
        assert variance_L[unit] == pytest.approx(of_frames.mean())
        np.testing.assert_allclose(regression_TL[:, unit] * variance_L[unit], of_frames.mean(0))
    np.testing.assert_allclose(regression_TL.mean(axis=0), 1)


def test_a_path_without_its_mean_gets_its_variance_back_with_a_drawn_one():
    regression_TL, variance_L = mean_of_a_sequence(TIME_CONSTANTS, PACES, 80)
    for unit in range(2):
        take = np.eye(80) - np.outer(regression_TL[:, unit], np.full(80, 1 / 80))
        left = take @ covariance(PACES[:, unit], 80) @ take.T
        drawn = variance_L[unit] * np.outer(regression_TL[:, unit], regression_TL[:, unit])
        np.testing.assert_allclose(left + drawn, covariance(PACES[:, unit], 80), atol=1e-12)
