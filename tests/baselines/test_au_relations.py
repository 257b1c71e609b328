"""Relations between AUs: their counts, and that both sets are symmetric and apart."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baselines.au_relations import co_occurrence, curated_relations, data_relations

PAPER_AUS = (1, 2, 4, 6, 7, 10, 12, 14, 15, 17, 23, 24)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 6), st.booleans())
def test_relations_are_symmetric_and_no_pair_is_in_both(seed, num_aus, weigh):
    generator = np.random.default_rng(seed)
    base = generator.random((40, 1)) < 0.4
    labels = np.where(base ^ (generator.random((40, num_aus)) < 0.3), 1, -1)
    labels[generator.random(labels.shape) < 0.2] = 0
    relations = data_relations(labels, weigh_by_phi=weigh)
    for matrix in (relations.together_LL, relations.apart_LL):
        np.testing.assert_allclose(matrix, matrix.T, atol=1e-6)
        assert not np.diag(matrix).any()
        assert matrix.min() >= 0
    assert not ((relations.together_LL > 0) & (relations.apart_LL > 0)).any()


def test_phi_is_the_correlation_over_frames_where_both_are_known():
    generator = np.random.default_rng(0)
    labels = generator.choice([-1, 0, 1], (300, 4))
    phi, lift = co_occurrence(labels)
    for a in range(4):
        for b in range(4):
            known = (labels[:, a] != 0) & (labels[:, b] != 0)
            x, y = labels[known, a] > 0, labels[known, b] > 0
            assert phi[a, b] == pytest.approx(np.corrcoef(x, y)[0, 1])
            assert lift[a, b] == pytest.approx((x & y).mean() / (x.mean() * y.mean()))


def test_planted_relations_are_found():
    generator = np.random.default_rng(1)
    a = generator.random(4000) < 0.3
    together = np.where(generator.random(4000) < 0.9, a, ~a)
    apart = ~a & (generator.random(4000) < 0.3)
    alone = generator.random(4000) < 0.5
    labels = np.where(np.stack([a, together, apart, alone], axis=1), 1, -1)
    relations = data_relations(labels)
    pairs, rivals = relations.pairs((1, 2, 3, 4))
    assert pairs == [(1, 2)]
    assert (1, 3) in rivals
    assert not [p for p in rivals if 4 in p]
    assert relations.together_LL[0, 1] == 1
    weighed = data_relations(labels, weigh_by_phi=True)
    assert weighed.together_LL[0, 1] == pytest.approx(co_occurrence(labels)[0][0, 1])


def test_a_constant_au_has_no_relation():
    labels = np.where(np.random.default_rng(2).random((50, 2)) < 0.5, 1, -1)
    labels[:, 0] = -1
    relations = data_relations(labels)
    assert not relations.together_LL.any()
    assert not relations.apart_LL.any()


def test_curated_pairs_as_far_as_both_aus_are_there():
    together, apart = curated_relations(PAPER_AUS).pairs(PAPER_AUS)
    assert together == [(1, 2), (4, 7), (6, 12), (15, 17), (15, 24), (17, 24), (23, 24)]
    assert apart == [(2, 6), (2, 7), (12, 15), (12, 17)]
    some = (12, 6, 1)
    assert curated_relations(some).pairs(some) == ([(12, 6)], [])
