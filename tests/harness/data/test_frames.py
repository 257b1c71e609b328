"""FrameSet is a view: rows by index, no pixels before they are asked for, no labels in a test part."""

import pickle

import numpy as np
import pytest

from harness.data.frames import Rows, UnlabelledError


def test_rows_gather_what_numpy_would():
    rng = np.random.default_rng(0)
    array = rng.integers(0, 9, (20, 3))
    index = np.array([2, 3, 4, 5, 11, 19])
    rows = Rows(array, index)
    assert rows.shape == (6, 3)
    assert len(rows) == 6
    for key in (0, slice(0, 4), slice(None), slice(1, 6, 2), np.array([5, 0]), [1, 2], index > 4):
        np.testing.assert_array_equal(rows[key], array[index][key])
    np.testing.assert_array_equal(np.asarray(rows), array[index])
    np.testing.assert_array_equal(rows[slice(2, 2)], array[:0])


def test_rows_taken_for_an_array_say_how_to_make_one():
    rows = Rows(np.zeros((4, 2)), np.arange(3))
    with pytest.raises(AttributeError, match=r"no 'reshape'; gather its rows first, \[:\].reshape"):
        rows.reshape(6)
    with pytest.raises(AttributeError, match=r"no 'colour'$"):
        _ = rows.colour
    assert pickle.loads(pickle.dumps(rows))[:].shape == (3, 2)


def test_a_run_of_rows_is_a_view_and_costs_no_copy():
    array = np.zeros((10, 2))
    assert np.shares_memory(Rows(array, np.arange(3, 9))[1:4], array)


def test_select_keeps_order_and_keys(toy_dataset):
    frames = toy_dataset.frames()
    part = frames.select(np.array([30, 4, 5]))
    assert part.numbers.tolist() == frames.numbers[[4, 5, 30]].tolist()
    np.testing.assert_array_equal(part.labels, frames.labels[[4, 5, 30]])
    np.testing.assert_array_equal(part.faces[:], frames.faces[np.array([4, 5, 30])])


def test_of_subjects_takes_whole_people(toy_dataset):
    frames = toy_dataset.frames()
    part = frames.of_subjects(["toy:S002", "toy:S005"])
    assert set(part.subjects) == {"toy:S002", "toy:S005"}
    assert len(part) == 2 * 2 * 20
    assert len(part.sequence_slices()) == 4
    with pytest.raises(ValueError, match="toy:S999"):
        frames.of_subjects(["toy:S999"])


def test_with_aus_picks_columns_in_the_order_asked_for(toy_dataset):
    frames = toy_dataset.frames()
    np.testing.assert_array_equal(frames.with_aus([12, 1]).labels, frames.labels[:, [2, 0]])
    with pytest.raises(ValueError, match="AU99"):
        frames.with_aus([99])


def test_an_unlabelled_part_holds_no_labels_at_all(toy_dataset):
    frames = toy_dataset.frames().of_subjects(["toy:S001"]).unlabelled()
    assert not frames.has_labels
    with pytest.raises(UnlabelledError, match="toy"):
        _ = frames.labels
    held = [frames._labels, *vars(frames._table).values(), *vars(frames).values()]
    assert not [a for a in held if isinstance(a, np.ndarray) and a.dtype == np.int8 and a.size]
    assert len(frames.select(np.arange(3))) == 3
    assert frames.faces[:].shape == (40, 200, 200, 3)


def test_what_a_frame_set_hands_out_cannot_be_written(toy_dataset):
    frames = toy_dataset.frames()
    for array in (frames.labels, frames.subjects, frames.numbers, frames.tracked):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = array[1]


def test_sequence_slices_cover_everything_once(toy_dataset):
    frames = toy_dataset.frames()
    covered = np.concatenate([np.arange(len(frames))[part] for _, part in frames.sequence_slices()])
    np.testing.assert_array_equal(covered, np.arange(len(frames)))
    for name, part in frames.sequence_slices():
        assert set(frames.sequences[part]) == {name}
