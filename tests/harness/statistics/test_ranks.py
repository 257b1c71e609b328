import numpy as np
import pytest
from scipy import stats

from harness.errors import UserError
from harness.statistics import compare_ranks, holm
from harness.statistics.ranks import _cliques, nemenyi_difference

METHODS = ("C4.5", "C4.5+m", "C4.5+cf", "C4.5+m+cf")


def test_the_example_of_demsar():
    # Demsar (2006), section 3.2.2: four classifiers on 14 datasets.
    mean_ranks = np.array([3.143, 2.000, 2.893, 1.964])
    assert nemenyi_difference(4, 14) == pytest.approx(1.25, abs=0.01)
    assert nemenyi_difference(4, 14, alpha=0.1) == pytest.approx(1.12, abs=0.01)
    assert _cliques(mean_ranks, METHODS, 1.25) == (("C4.5+m+cf", "C4.5+m", "C4.5+cf", "C4.5"),)
    assert _cliques(mean_ranks, METHODS, 1.12) == (
        ("C4.5+m+cf", "C4.5+m", "C4.5+cf"),
        ("C4.5+cf", "C4.5"),
    )


def test_ranks_and_friedman_by_hand():
    values = np.random.default_rng(1).normal(size=(14, 4))
    result = compare_ranks(values, METHODS)
    ranks = np.array([[1 + (row > v).sum() for v in row] for row in values]).mean(axis=0)
    assert result.mean_ranks_M == pytest.approx(ranks)
    statistic = 12 * 14 / (4 * 5) * (np.sum(ranks**2) - 4 * 5**2 / 4)
    assert result.friedman_statistic == pytest.approx(statistic)
    assert result.friedman_p == pytest.approx(stats.chi2.sf(statistic, 3))
    assert (result.num_blocks, result.num_dropped) == (14, 0)
    assert result.critical_difference == nemenyi_difference(4, 14)


@pytest.mark.parametrize(
    ("methods", "q"), [(2, 1.960), (3, 2.343), (4, 2.569), (5, 2.728), (10, 3.164)]
)
def test_critical_values_of_nemenyi(methods, q):
    # With these blocks the square root is 1.
    blocks = methods * (methods + 1) / 6
    assert nemenyi_difference(methods, blocks) == pytest.approx(q, abs=1e-3)


def test_holm():
    assert holm(np.array([0.01, 0.04, 0.03, 0.005])) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm(np.array([0.5, 0.6])).tolist() == [1.0, 1.0]
    assert holm(np.array([])).tolist() == []


def test_pairs_are_tested_by_wilcoxon_and_corrected():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(20, 3)) + np.array([0, 0, 1.5])
    result = compare_ranks(values, "abc")
    raw = [stats.wilcoxon(values[:, a], values[:, b]).pvalue for a, b in ((0, 1), (0, 2), (1, 2))]
    expected = holm(np.array(raw))
    assert result.wilcoxon_p_MM[0, 1] == pytest.approx(expected[0])
    assert result.wilcoxon_p_MM[2, 0] == pytest.approx(expected[1])
    assert result.wilcoxon_p_MM[1, 2] == pytest.approx(expected[2])
    assert (np.diag(result.wilcoxon_p_MM) == 1).all()
    assert result.mean_ranks_M.argmin() == 2
    turned = compare_ranks(-values, "abc", higher_is_better=False)
    assert turned.mean_ranks_M.tolist() == result.mean_ranks_M.tolist()


def test_blocks_without_a_number_are_dropped_and_counted():
    values = np.round(np.random.default_rng(2).normal(size=(14, 4)), 1)
    whole = compare_ranks(np.delete(values, 3, axis=0), METHODS)
    values[3, 1] = np.nan
    result = compare_ranks(values, METHODS)
    assert (result.num_blocks, result.num_dropped) == (13, 1)
    assert result.friedman_statistic == whole.friedman_statistic
    assert np.array_equal(result.wilcoxon_p_MM, whole.wilcoxon_p_MM)


def test_ties_and_zeros_are_quick_and_right():
    one = np.array([0.0, 0.1, 0.1, 0.2, 0.3, 0.3, -0.1, 0.5, 0.6, 0.7, 0.8, 0.9, 0.4])
    two = compare_ranks(np.stack([one, np.zeros(13)], axis=1), "ab")
    expected = stats.wilcoxon(one, method="approx").pvalue
    assert two.wilcoxon_p_MM[0, 1] == pytest.approx(expected)
    assert two.wilcoxon_p_MM[0, 1] < 0.01


def test_methods_that_are_the_same():
    values = np.repeat(np.arange(5.0)[:, None], 3, axis=1)
    result = compare_ranks(values, "abc")
    assert result.friedman_p == 1
    assert (result.wilcoxon_p_MM == 1).all()
    assert result.cliques == (("a", "b", "c"),)
    two = compare_ranks(values[:, :2], "ab")
    assert np.isnan(two.friedman_p)
    assert two.mean_ranks_M.tolist() == [1.5, 1.5]


def test_clear_winners_form_no_clique():
    values = np.tile([1.0, 2.0, 3.0], (60, 1)) + np.random.default_rng(0).normal(size=(60, 3)) / 9
    result = compare_ranks(values, "abc")
    assert result.cliques == ()
    assert (result.wilcoxon_p_MM[np.triu_indices(3, 1)] < 1e-6).all()


def test_bad_input():
    values = np.ones((5, 4))
    with pytest.raises(UserError, match="do not fit"):
        compare_ranks(values, METHODS[:3])
    with pytest.raises(UserError, match="at least 2"):
        compare_ranks(values[:, :1], METHODS[:1])
    with pytest.raises(UserError, match="only 1 of 2 blocks"):
        compare_ranks(np.array([[1.0, 2.0], [np.nan, 1.0]]), "ab")
    with pytest.raises(UserError, match="alpha"):
        compare_ranks(values, METHODS, alpha=5)
