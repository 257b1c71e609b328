import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import UserError
from harness.predictions.kinds import KINDS, out_of_range, threshold_of, to_scores


@given(
    values=st.lists(st.floats(0, 1, width=32), min_size=2, max_size=20),
    threshold=st.floats(0.01, 1),
    kind=st.sampled_from(["probability", "intensity"]),
)
def test_the_threshold_decides_and_the_order_stays(values, threshold, kind):
    values = np.array(values, np.float64)
    scores = to_scores(values, kind, threshold)
    assert scores.dtype == np.float32
    far = np.abs(values - threshold) > 1e-6
    np.testing.assert_array_equal((scores > 0)[far], (values >= threshold)[far])
    assert (np.diff(scores[np.argsort(values, kind="stable")]) >= 0).all()


def test_what_equals_the_threshold_is_present():
    scores = to_scores(np.array([1.99, 2, 2.01]), "intensity", 2.0)
    assert (scores > 0).tolist() == [False, True, True]
    assert scores[1] < scores[2]
    assert (to_scores(np.array([0.0, 0.1]), "score", 0.0) > 0).tolist() == [False, True]
    assert (to_scores(np.array([0.0, 1.0]), "presence", 0.5) > 0).tolist() == [False, True]


def test_small_probabilities_keep_their_order_and_their_meaning():
    given = np.array([0, 1e-12, 1e-9, 1e-3, 0.5, 0.9, 1 - 1e-9, 1])
    scores = to_scores(given, "probability", 0.5)
    assert np.isfinite(scores).all()
    assert (np.diff(scores) > 0).all()
    read_back = 1 / (1 + np.exp(-scores.astype(np.float64).clip(-700)))
    np.testing.assert_allclose(read_back, given, rtol=1e-5, atol=1e-30)


@pytest.mark.parametrize(
    ("kind", "bad"),
    [("presence", 0.5), ("probability", 1.2), ("probability", -0.1), ("intensity", -1)],
)
def test_numbers_that_a_kind_does_not_allow(kind, bad):
    found = out_of_range(np.array([[0.0, bad], [1.0, np.nan]]), kind)
    assert found.tolist() == [[False, True], [False, False]]


def test_an_intensity_is_never_given_a_threshold_in_silence():
    with pytest.raises(UserError, match="--threshold"):
        threshold_of("intensity", None)
    assert threshold_of("intensity", 2) == 2
    assert threshold_of("probability", None) == 0.5
    for kind, threshold in (
        ("presence", 0.3),
        ("probability", 1.5),
        ("intensity", 0),
        ("score", np.inf),
        ("occurrence", None),
    ):
        with pytest.raises(UserError):
            threshold_of(kind, threshold)
    assert set(KINDS) == {"presence", "probability", "intensity", "score"}
