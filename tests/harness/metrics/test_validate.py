import numpy as np
import pandas as pd
import pytest

from harness.data.frames import FrameTable
from harness.errors import UserError
from harness.metrics.validate import align_scores, check_keys, check_scores


@pytest.fixture
def frames():
    return FrameTable(
        aus=(1, 12),
        subjects=np.array(["x:A"] * 4, dtype=object),
        sequences=np.array(["x:A/1", "x:A/1", "x:A/2", "x:A/2"], dtype=object),
        numbers=np.array([3, 4, 3, 7], np.int32),
        tracked=np.ones(4, bool),
        labels=np.ones((4, 2), np.int8),
    )


@pytest.fixture
def predictions(frames):
    return pd.DataFrame(
        {
            "sequence": frames.sequences,
            "number": frames.numbers,
            "AU1": [1.0, 2.0, 3.0, 4.0],
            "AU12": [5.0, 6.0, 7.0, 8.0],
            "remark": "mine",
        }
    )


def test_good_scores_become_float32(frames):
    given = np.arange(8.0).reshape(4, 2)
    checked = check_scores(given, frames)
    assert checked.dtype == np.float32
    assert np.array_equal(checked, given)
    assert check_scores(given.astype(int).tolist(), frames).dtype == np.float32


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        (np.zeros((3, 2)), r"svm, fold 2: scores have the shape \(3, 2\) in place of \(4, 2\)"),
        (np.zeros(4), r"shape \(4,\) in place of \(4, 2\)"),
        (np.full((4, 2), "a"), "must be real numbers; their type is <U1"),
        (np.full((4, 2), 1j), "must be real numbers"),
        (
            np.where(np.arange(8).reshape(4, 2) == 7, np.nan, 0.0),
            r"score of AU12 in frame 7 of x:A/2 is nan \(1 such scores\)",
        ),
        (np.where(np.arange(8).reshape(4, 2) < 2, -np.inf, 0.0), r"AU1 in frame 3 .* is -inf \(2"),
    ],
)
def test_bad_scores(frames, scores, message):
    with pytest.raises(UserError, match=message) as error:
        check_scores(scores, frames, where="svm, fold 2")
    assert "\n" not in str(error.value)


def test_predictions_are_joined_by_key(frames, predictions):
    mixed = predictions.sample(frac=1, random_state=1)[["AU12", "number", "AU1", "sequence"]]
    assert align_scores(mixed, frames).tolist() == [[1, 5], [2, 6], [3, 7], [4, 8]]
    mixed["number"] = mixed["number"].astype(str)
    assert align_scores(mixed, frames).tolist() == [[1, 5], [2, 6], [3, 7], [4, 8]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p: p.drop(columns="AU12"), "p.csv: there is no column 'AU12'; needed are sequence"),
        (lambda p: p.iloc[:3], r"no scores for frame 7 of x:A/2 \(1 of 4 frames are missing\)"),
        (lambda p: pd.concat([p, p.iloc[:1]]), "frame 3 of x:A/1 stands there twice"),
        (
            lambda p: pd.concat([p, p.iloc[:1].assign(number=99)]),
            r"frame 99 of x:A/1 is not among the frames to score \(1 such rows\)",
        ),
        (lambda p: p.assign(number=["3", "4", "x", "7"]), "whole frame numbers"),
        (lambda p: p.assign(number=[3.5, 4, 3, 7]), "whole frame numbers"),
        (lambda p: p.assign(AU1=[1, 2, None, 4]), "AU1 in frame 3 of x:A/2 is nan"),
        (lambda p: p.assign(AU1=["1", "2", "?", "4"]), "AU1 in frame 3 of x:A/2 is nan"),
    ],
)
def test_bad_predictions(frames, predictions, change, message):
    with pytest.raises(UserError, match=message) as error:
        align_scores(change(predictions), frames, where="p.csv")
    assert str(error.value).startswith("p.csv: ")


def test_keys_that_repeat(frames):
    check_keys(frames)
    frames.numbers[1] = 3
    with pytest.raises(UserError, match="frame 3 of x:A/1 stands there twice"):
        check_keys(frames)
