import json

import numpy as np
import pytest

# Correlations between AUs 1 2 4 6 7 10 12 14 15 17 23 24 as four common causes: brow raising,
# smiling, mouth closing, frowning. Base rates: BP4D, and GFT-like (the paper gives four of them).
LOADINGS = np.array(
    [
        [-0.05, 0.25, 0.95, -0.08],
        [-0.14, 0.30, 0.69, 0.29],
        [0.19, -0.28, 0.25, -0.78],
        [-0.88, 0.18, -0.11, -0.18],
        [-0.72, 0.03, -0.07, -0.37],
        [-0.79, 0.27, 0.00, -0.10],
        [-0.83, 0.36, -0.09, 0.22],
        [-0.51, -0.24, 0.03, 0.09],
        [-0.46, -0.41, 0.00, 0.03],
        [-0.27, -0.74, 0.20, 0.10],
        [-0.32, -0.51, 0.10, 0.08],
        [-0.15, -0.84, 0.13, 0.18],
    ]
)
BP4D = [0.211, 0.171, 0.203, 0.461, 0.549, 0.594, 0.562, 0.466, 0.169, 0.343, 0.165, 0.151]
GFT = [0.088, 0.109, 0.034, 0.30, 0.46, 0.33, 0.35, 0.16, 0.088, 0.27, 0.22, 0.14]


def _correlated(rates, num_frames, seed):
    """Labels in {-1, +1} with the given base rates, exactly, and the correlations above."""
    generator = np.random.default_rng(seed)
    causes = generator.standard_normal((num_frames, LOADINGS.shape[1]))
    own = np.sqrt(np.maximum(1 - (LOADINGS**2).sum(axis=1), 0.02))
    latent = causes @ LOADINGS.T + own * generator.standard_normal((num_frames, len(own)))
    borders = [np.quantile(latent[:, au], 1 - rate) for au, rate in enumerate(rates)]
    return np.where(latent > borders, 1, -1).astype(np.int8)


@pytest.fixture(scope="session")
def gft_like():
    return _correlated(GFT, 40_000, seed=0)


@pytest.fixture(scope="session")
def bp4d_like():
    return _correlated(BP4D, 20_000, seed=1)


@pytest.fixture(scope="session")
def small_labels():
    """600 frames, 5 AUs of very different rates, one of them with unknown labels."""
    generator = np.random.default_rng(3)
    labels = np.where(generator.random((600, 5)) < [0.02, 0.1, 0.3, 0.5, 0.2], 1, -1)
    labels[generator.random(600) < 0.3, 3] = 0
    return labels.astype(np.int8)


@pytest.fixture(scope="session")
def random_matrix():
    """Small label matrices with empty, rare, frequent and unknown columns."""

    def make(seed, num_frames, num_aus):
        generator = np.random.default_rng(seed)
        rates = generator.choice([0, 0.02, 0.1, 0.3, 0.6, 1], size=num_aus)
        present = generator.random((num_frames, num_aus)) < rates
        unknown = generator.random((num_frames, num_aus)) < generator.choice([0, 0.3])
        return np.where(present, 1, np.where(unknown, 0, -1)).astype(np.int8)

    return make


@pytest.fixture
def through_json():
    return lambda state: json.loads(json.dumps(state))
