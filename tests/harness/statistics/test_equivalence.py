import numpy as np
import pytest

from harness.errors import UserError
from harness.statistics import bayesian_signed_rank


def by_pairs(differences, rope, prior, draws, seed):
    """The definition, with every pair written out."""
    z = np.r_[0.0, differences]
    order = np.argsort(z)
    z = z[order]
    strength = np.r_[prior, np.ones(len(differences))][order]
    weights = np.random.default_rng(seed).dirichlet(strength, size=draws)
    sums = z[:, None] + z[None, :]
    regions = [np.abs(sums) <= 2 * rope, sums < -2 * rope, sums > 2 * rope]
    shares = np.stack([np.einsum("di,ij,dj->d", weights, r, weights) for r in regions], axis=1)
    same, worse, better = np.bincount(shares.argmax(axis=1), minlength=3) / draws
    return worse, same, better


@pytest.mark.parametrize("centre", [-0.02, 0.0, 0.01, 0.03])
def test_the_definition_agrees(centre):
    differences = np.random.default_rng(1).normal(centre, 0.03, 12)
    result = bayesian_signed_rank(differences, draws=3000, seed=5)
    expected = by_pairs(differences, 0.01, 0.5, 3000, 5)
    assert (result.worse, result.same, result.better) == pytest.approx(expected, abs=2e-3)
    assert result.worse + result.same + result.better == pytest.approx(1)
    assert result.num_blocks == 12


def test_the_edge_of_the_region_belongs_to_it():
    for edge in (-0.5, 0.5):
        assert bayesian_signed_rank(np.full(5, edge), rope=0.5).same == 1
        assert bayesian_signed_rank(np.full(5, edge * 1.01), rope=0.5).same < 1


def test_clear_cases():
    rng = np.random.default_rng(0)
    assert bayesian_signed_rank(rng.normal(0.1, 0.02, 24)).better > 0.99
    assert bayesian_signed_rank(rng.normal(-0.1, 0.02, 24)).worse > 0.99
    assert bayesian_signed_rank(rng.normal(0, 0.002, 24)).same > 0.99
    assert bayesian_signed_rank(np.zeros(5)).same == 1


def test_turning_the_methods_round_turns_the_answer_round():
    differences = np.random.default_rng(3).normal(0.01, 0.03, 12)
    one = bayesian_signed_rank(differences, draws=40_000)
    other = bayesian_signed_rank(-differences, draws=40_000, seed=9)
    assert one.better == pytest.approx(other.worse, abs=0.02)
    assert one.same == pytest.approx(other.same, abs=0.02)


def test_a_wider_region_makes_more_the_same():
    differences = np.random.default_rng(3).normal(0.01, 0.03, 12)
    same = [bayesian_signed_rank(differences, rope=r).same for r in (0.0, 0.01, 0.03, 0.1)]
    assert same == sorted(same)
    assert same[-1] > 0.99


def test_the_prior_matters_less_with_more_blocks():
    few, many = np.full(3, 0.05), np.full(40, 0.05)

    def moved(values):
        weak, strong = (bayesian_signed_rank(values, prior=p).better for p in (0.1, 5))
        return weak - strong

    assert moved(few) > 0.2
    assert moved(many) < 0.01


def test_input():
    values = np.array([0.1, np.nan, 0.2])
    assert bayesian_signed_rank(values).num_blocks == 2
    assert bayesian_signed_rank(values, seed=1) == bayesian_signed_rank(values[[0, 2]], seed=1)
    with pytest.raises(UserError, match="no difference"):
        bayesian_signed_rank(np.array([np.nan]))
    for option in ("prior", "draws"):
        with pytest.raises(UserError, match=f"{option}=0 must be above 0"):
            bayesian_signed_rank(values, **{option: 0})
    with pytest.raises(UserError, match="rope"):
        bayesian_signed_rank(values, rope=-0.1)
