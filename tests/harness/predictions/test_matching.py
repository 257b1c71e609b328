"""Predictions that do not fit: a line with the count and the first three."""

import numpy as np
import pandas as pd
import pytest

from harness.errors import UserError
from harness.predictions.formats import read_predictions
from harness.predictions.matching import match, sequence_names
from tests.harness.predictions.written import plain


@pytest.fixture
def joined(toy_dataset, tmp_path):
    """Joins a changed copy of good predictions with the dataset."""
    table = toy_dataset.table

    def join(change, kind="probability", **options):
        data = change(plain(table))
        data.to_csv(tmp_path / "p.csv", index=False)
        predictions = read_predictions(tmp_path / "p.csv", kind)
        return match(predictions, table, table.aus, kind=kind, **options)

    return join


def set_cell(row, column, value):
    def change(data):
        return data.astype({column: object}).pipe(
            lambda d: d.assign(**{column: [*d[column][:row], value, *d[column][row + 1 :]]})
        )

    return change


FAULTS = {
    "unknown sequence": (
        lambda d: d.assign(sequence=d["sequence"].replace("toy:S002/T1", "S099/T1")),
        "1 of 12 sequences of the predictions are not in the dataset: 'S099/T1' "
        "(it has toy:S001/T1, toy:S001/T2, toy:S002/T1, ...)",
    ),
    "unknown frames": (
        lambda d: pd.concat([d, d.iloc[[0]].assign(number=900)]),
        "1 rows are of frames that the dataset does not have: toy:S001/T1 frame 900; --drop-extra",
    ),
    "twice": (
        lambda d: pd.concat([d, d.iloc[:5]]),
        "5 frames stand in the predictions more than once: toy:S001/T1 frame 1, toy:S001/T1 frame "
        "2, toy:S001/T1 frame 3, ...",
    ),
    "missing": (
        lambda d: d.drop(index=[3, 30, 31, 32]),
        "4 of 240 frames have labels but no prediction: toy:S001/T1 frame 4, toy:S001/T2 frame 11, "
        "toy:S001/T2 frame 12, ...; --missing absent",
    ),
    "half the frame rate": (
        lambda d: d[d["number"] <= 10],
        "12 of 12 sequences have another number of frames than the dataset: toy:S001/T1: 10 rows "
        "for 20 frames",
    ),
    "one frame off": (
        lambda d: d.assign(number=d["number"] - 1),
        "12 rows are of frames that the dataset does not have: toy:S001/T1 frame 0, toy:S001/T2 "
        "frame 0, toy:S002/T1 frame 0, ...; all sequences begin +1 frames apart: --frame-offset",
    ),
    "twice the frame rate": (
        lambda d: d.assign(number=d["number"] * 2),
        "120 rows are of frames that the dataset does not have: toy:S001/T1 frame 22, toy:S001/T1 "
        "frame 24, toy:S001/T1 frame 26, ...; --drop-extra",
    ),
    "text": (
        set_cell(7, "AU2", "high"),
        "1 predictions are not numbers (NaN or text): AU2 = nan in toy:S001/T1 frame 8",
    ),
    "NaN": (set_cell(7, "AU12", np.nan), "1 predictions are not numbers"),
    "above one": (
        lambda d: d.assign(AU1=1.5),
        "240 predictions are no probability, which is between 0 and 1: AU1 = 1.5 in toy:S001/T1 "
        "frame 1, AU1 = 1.5 in toy:S001/T1 frame 2, AU1 = 1.5 in toy:S001/T1 frame 3, ...",
    ),
    "no shared AU": (
        lambda d: d[["sequence", "number", "AU1"]].rename(columns={"AU1": "AU5"}),
        "the predictions have AUs 5, the dataset 1, 2, 12: none is in both",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_one_line_with_its_count(fault, joined):
    change, message = FAULTS[fault]
    with pytest.raises(UserError) as caught:
        joined(change)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_only_shared_aus_are_scored_and_that_is_said(joined):
    matched = joined(lambda d: d.drop(columns="AU2"))
    assert matched.predicted == (1, 12)
    assert not matched.scores[:, 1].any()
    assert "no predictions of AU2: not scored; the means are over 2 of 3 AUs" in matched.notes


def test_extra_rows_are_left_out_when_asked_and_counted(joined):
    more = lambda d: pd.concat([d, d.assign(number=d["number"] + 500)])  # noqa: E731
    good = joined(lambda d: d)
    matched = joined(more, drop_extra=True)
    np.testing.assert_array_equal(matched.scores, good.scores)
    assert "240 rows of frames that the dataset does not have were left out" in matched.notes


def test_an_offset_is_added(joined):
    good = joined(lambda d: d)
    moved = joined(lambda d: d.assign(number=d["number"] - 7), frame_offset=7)
    np.testing.assert_array_equal(moved.scores, good.scores)
    assert "+7 on frame numbers" in moved.notes[0]


def test_a_frame_without_known_labels_needs_no_prediction(toy_dataset, tmp_path):
    table = toy_dataset.table
    labels = np.array(table.labels)
    labels[5] = 0
    blind = type(table)(**{**vars(table), "labels": labels})
    plain(table).drop(index=5).to_csv(tmp_path / "p.csv", index=False)
    predictions = read_predictions(tmp_path / "p.csv", "probability")
    matched = match(predictions, blind, table.aus, kind="probability")
    assert "1 frames without labels have no prediction: of no consequence" in matched.notes


def test_a_name_that_two_sequences_could_have_means_neither():
    ids = ["a:x/y", "a:x_y", "a:z/y"]
    names = sequence_names(ids, dict.fromkeys(ids, "a:x"))
    assert "x_y" not in names
    assert names["z_y"] == "a:z/y"
    assert names["a:x_y"] == "a:x_y"
