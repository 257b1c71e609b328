"""A recipe tells its set beforehand, refuses the impossible, and always makes the same bytes."""

import numpy as np
import pytest
import torch

from harness.data.building import PreparedBuilder
from harness.errors import UserError
from harness.synthetic import recipe as recipe_module
from harness.synthetic.making import make, sequence
from harness.synthetic.recipe import (
    SyntheticRecipe,
    headers,
    identity,
    intensity_codes,
    table,
)

SMALL = SyntheticRecipe(preset="group", subjects=2, tasks=2, frames=14, seed=5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"subjects": 42}, "subjects is 42, it must be from 1 to 41"),
        ({"subjects": 0}, "subjects is 0, it must be from 1 to 41"),
        ({"tasks": 10}, "tasks is 10, it must be from 1 to 9"),
        ({"frames": 3}, "frames is 3, it must be from 8 to 100000"),
        ({"seed": -1}, "seed is -1"),
        ({"name": "a b"}, "'a b'"),
        ({"aus": (1, 5)}, "AU5 is not among them"),
        ({"aus": (1, 1)}, "each at most once"),
    ],
)
def test_impossible_recipes_are_refused_in_one_line(options, message):
    with pytest.raises(UserError, match=message.replace("(", r"\(")) as caught:
        SyntheticRecipe(preset="lab", **options)
    assert "\n" not in str(caught.value)


def test_wrong_options_are_refused_in_one_line():
    for options in (
        {"preset": "home"},
        {"preset": "lab", "subject": 3},
        {"preset": "lab", "tasks": "x"},
    ):
        with pytest.raises(UserError) as caught:
            SyntheticRecipe(**options)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("preset", "lowest"), [("disfa", 2), ("group", 1)])
def test_intensity_codes_agree_with_the_labels(preset, lowest):
    recipe = SyntheticRecipe(preset=preset, subjects=5, tasks=1, frames=900)
    codes = np.concatenate([intensity_codes(recipe, i) for i in range(5)])
    labels = table(recipe).labels
    np.testing.assert_array_equal(codes >= lowest, labels > 0)
    np.testing.assert_array_equal(codes == -1, labels == 0)
    assert set(np.unique(codes)) >= {0, 1, 2, 3, 4}
    assert codes.max() <= 5


def test_full_sizes_are_the_domains_own():
    parts = headers(SyntheticRecipe(preset="lab"))
    assert len({p.subject for p in parts}) == 41
    assert len(parts) == 328
    assert sum(p.num_frames for p in parts) == pytest.approx(146_847, rel=0.02)
    assert sum(p.num_frames for p in headers(SyntheticRecipe(preset="group"))) == pytest.approx(
        254_451, rel=0.02
    )
    assert len({p.subject for p in headers(SyntheticRecipe(preset="lab-plus"))}) == 140


def test_ids_are_numbered_from_one_and_sorted():
    parts = headers(SyntheticRecipe(preset="lab", subjects=12, tasks=3, frames=20, name="mine"))
    assert parts[0].subject == "mine:S001"
    assert parts[-1].sequence == "mine:S012/T3"
    names = [p.sequence for p in parts]
    assert names == sorted(names)
    assert np.mean([p.num_frames for p in parts]) == pytest.approx(20, abs=1.5)


def test_the_table_is_what_the_made_set_holds(tmp_path):
    made = make(SMALL, tmp_path / "set").frames()
    foreseen = table(SMALL)
    np.testing.assert_array_equal(made.labels, foreseen.labels)
    np.testing.assert_array_equal(made.subjects, foreseen.subjects)
    np.testing.assert_array_equal(made.sequences, foreseen.sequences)
    np.testing.assert_array_equal(made.numbers, foreseen.numbers)
    np.testing.assert_array_equal(made.tracked, foreseen.tracked)


def test_the_bytes_do_not_depend_on_workers_threads_or_interruption(tmp_path):
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        plain = make(SMALL, tmp_path / "plain")
        torch.set_num_threads(3)
        seen = []
        several = make(
            SMALL, tmp_path / "several", lambda done, total: seen.append((done, total)), workers=3
        )
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)
    total = len(table(SMALL).numbers)
    assert seen[-1] == (total, total)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)

    class Interrupted(Exception):
        pass

    def interrupt(done, total):
        if done > total // 2:
            raise Interrupted

    with pytest.raises(Interrupted):
        make(SMALL, tmp_path / "resumed", interrupt)
    assert not (tmp_path / "resumed").exists()
    begun = []
    resumed = make(SMALL, tmp_path / "resumed", lambda done, total: begun.append(done))
    assert begun[0] > 8  # goes on after the finished sequences
    for other in (several, resumed):
        assert other.description["content"] == plain.description["content"]
    assert plain.fingerprint == identity(SMALL)
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"plain", "several", "resumed"}


def test_one_failing_worker_stops_the_making_and_tells(tmp_path, monkeypatch):
    def broken(self, position, frames):
        raise OSError("disk full")

    monkeypatch.setattr(PreparedBuilder, "write", broken)
    with pytest.raises(OSError, match="disk full"):
        make(SMALL, tmp_path / "set", workers=2)


def test_a_folder_that_holds_something_else_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match="not empty"):
        make(SMALL, tmp_path)
    with pytest.raises(UserError, match="workers is 0"):
        make(SMALL, tmp_path / "set", workers=0)


def test_a_person_is_the_same_in_a_smaller_set():
    large = SyntheticRecipe(preset="lab", subjects=30, tasks=2, frames=30)
    small = SyntheticRecipe(preset="lab", subjects=1, tasks=2, frames=30)
    count = headers(small)[0].num_frames
    assert headers(large)[0] == headers(small)[0]
    np.testing.assert_array_equal(table(large).labels[:count], table(small).labels[:count])


def test_identity_names_the_content():
    assert identity(SyntheticRecipe(preset="lab")) == identity(
        SyntheticRecipe(preset="lab", subjects=41)
    )
    others = [
        SyntheticRecipe(preset="lab", **change)
        for change in (
            {},
            {"seed": 1},
            {"frames": 20},
            {"name": "x"},
            {"aus": (1, 2)},
            {"tasks": 2},
        )
    ]
    assert len({identity(r) for r in others}) == len(others)


def test_identity_changes_with_the_generator(monkeypatch):
    before = identity(SMALL)
    monkeypatch.setattr(recipe_module, "GENERATOR_VERSION", 10**6)
    assert identity(SMALL) != before


def test_chosen_aus_are_columns_of_the_whole():
    whole = table(SyntheticRecipe(preset="lab", subjects=2, tasks=1, frames=40))
    part = table(SyntheticRecipe(preset="lab", subjects=2, tasks=1, frames=40, aus=(12, 1)))
    np.testing.assert_array_equal(
        part.labels, whole.labels[:, [whole.aus.index(12), whole.aus.index(1)]]
    )


def test_lost_faces_are_black_unknown_and_without_landmarks():
    recipe = SyntheticRecipe(preset="group", subjects=20, frames=60)
    labelled = table(recipe)
    assert 0.005 < (~labelled.tracked).mean() < 0.1
    np.testing.assert_array_equal((labelled.labels == 0).all(axis=1), ~labelled.tracked)
    lost = labelled.sequences[~labelled.tracked][0]
    position = [h.sequence for h in headers(recipe)].index(lost)
    made = sequence(recipe, position)
    gone = ~made.tracked
    assert gone.any()
    assert not made.faces[gone].any()
    assert np.isnan(made.landmarks[gone]).all()
    assert np.isfinite(made.landmarks[~gone]).all()
    assert made.faces[~gone].mean(axis=(1, 2, 3)).min() > 10
