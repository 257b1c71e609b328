"""Eq. 2: the golden number of its recipe, an oracle for the divergence, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.spatial.distance import jensenshannon

from baselines.studies.subject_divergence import (
    SubjectDivergence,
    distributions,
    jensen_shannon,
    log_divergence,
)
from harness.errors import UserError

GOLDEN_SD = np.array([[1.0, 2, 3], [3, 2, 1]])


def test_the_golden_pair():
    p_SD, note = distributions(GOLDEN_SD)
    assert p_SD[0] == pytest.approx([0.286703, 0.336724, 0.376573], abs=1e-6)
    assert jensen_shannon(p_SD[0], p_SD[1:])[0] == pytest.approx(0.00610714, abs=1e-8)
    assert note == ""
    found_S, _ = log_divergence(GOLDEN_SD)
    assert found_S == pytest.approx(np.log10(6107.14), abs=1e-5)
    natural_S, _ = log_divergence(GOLDEN_SD, log="ln")
    assert natural_S == pytest.approx(found_S * np.log(10))


@given(arrays.arrays(float, (4, 6), elements=st.floats(0.01, 9)))
def test_the_divergence_is_that_of_scipy_and_symmetric(values_SD):
    p_SD = values_SD / values_SD.sum(axis=1, keepdims=True)
    found = jensen_shannon(p_SD[0], p_SD)
    with np.errstate(invalid="ignore"):  # scipy's own rounding below 0
        oracle = np.nan_to_num([jensenshannon(p_SD[0], q) ** 2 for q in p_SD])
    assert found == pytest.approx(oracle, abs=1e-12)
    assert found[1] == pytest.approx(jensen_shannon(p_SD[1], p_SD[:1])[0], abs=1e-14)
    assert (found >= 0).all()
    assert (found <= np.log(2)).all()


def test_a_subjects_scale_changes_nothing_unless_the_median_is_pooled():
    rng = np.random.default_rng(0)
    means_SD = rng.gamma(2, size=(5, 30))
    scaled_SD = means_SD * np.array([1, 2, 3, 4, 5.0])[:, None]
    assert log_divergence(scaled_SD)[0] == pytest.approx(log_divergence(means_SD)[0])
    pooled = [log_divergence(rows, median="pooled")[0] for rows in (means_SD, scaled_SD)]
    assert np.abs(pooled[0] - pooled[1]).max() > 0.1


def test_dead_units_leave_the_median_of_the_others_and_a_note():
    means_SD = np.zeros((3, 10))
    means_SD[:, :4] = np.random.default_rng(1).uniform(1, 2, (3, 4))
    alive_S, note = log_divergence(means_SD)
    assert np.isfinite(alive_S).all()
    assert "0 for 3 of 3 subjects" in note
    # The squash is that of the living units' median.
    p_SD, _ = distributions(means_SD)
    m = np.median(means_SD[0, :4])
    squashed = 1 / (1 + np.exp(-means_SD[0] / m))
    assert p_SD[0] == pytest.approx(squashed / squashed.sum())


@pytest.mark.parametrize(
    ("means_SD", "message"),
    [
        ([[1, -1, 2], [1, 2, 3]], "negative values"),
        ([[0, 0, 0], [1, 2, 3]], "0 throughout"),
        ([[1, 2, 3], [1, 2, 3]], "the same for two subjects"),
    ],
)
def test_what_the_recipe_cannot_do_is_refused(means_SD, message):
    with pytest.raises(UserError, match=message):
        log_divergence(np.array(means_SD, float), "hog")


def with_features(frames, **features):
    return replace(frames, open_feature=features.__getitem__)


def test_a_study_takes_each_subjects_mean(toy_frames, context):
    """Frames of another face count, frames without one do not."""
    rng = np.random.default_rng(2)
    count = len(toy_frames)
    codes = np.unique(toy_frames.subjects.astype(str), return_inverse=True)[1]
    hog_ND = rng.uniform(0.5, 1.5, (count, 8)).astype(np.float16)
    pixels_ND = (50 + 20 * codes[:, None] * np.arange(8)).astype(np.float16)
    tracked = rng.random(count) < 0.8
    hog_ND[~tracked] = 9
    frames = with_features(toy_frames, hog=hog_ND, shape_pixels=pixels_ND)
    frames = replace(frames, _table=replace(frames._table, tracked=tracked))
    study = SubjectDivergence(SubjectDivergence.Options(features=("shape", "hog")))
    assert [f.name for f in study.features()] == ["shape_pixels", "hog"]
    assert not study.stages()
    values = study.study(frames, context).values
    assert values["subjects"] == sorted(set(frames.subjects))
    assert values["frames"] == tracked.sum()
    shape, hog = values["features"]
    assert (shape["name"], hog["name"], hog["dimension"]) == ("shape", "hog", 8)
    means_SD = np.stack(
        [hog_ND[(codes == s) & tracked].astype(float).mean(axis=0) for s in range(codes.max() + 1)]
    )
    expected_S, _ = log_divergence(means_SD)
    assert hog["per_subject"] == pytest.approx(expected_S, abs=1e-5)
    assert hog["mean"] == pytest.approx(expected_S.mean())
    assert hog["sd"] == pytest.approx(expected_S.std(ddof=1))
    assert shape["mean"] > hog["mean"]  # the subjects' own geometry, against noise


def test_one_subject_has_nobody_to_differ_from(toy_frames, context):
    one = toy_frames.of_subjects([toy_frames.subjects[0]])
    with pytest.raises(UserError, match="needs two"):
        SubjectDivergence(SubjectDivergence.Options(features=("hog",))).study(one, context)


def test_frames_of_a_subject_can_be_thinned_out(toy_frames, context):
    hog_ND = np.random.default_rng(3).uniform(0.5, 1.5, (len(toy_frames), 8)).astype(np.float16)
    options = SubjectDivergence.Options(features=("hog",), per_subject=5)
    values = SubjectDivergence(options).study(with_features(toy_frames, hog=hog_ND), context).values
    assert values["frames"] == 5 * len(values["subjects"])
