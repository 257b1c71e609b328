import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.data.frames import FrameTable
from harness.errors import UserError
from harness.protocol import (
    PROTOCOLS,
    cross_dataset_split,
    describe_splits,
    groups_by_pattern,
    make_splits,
    shared_aus,
    write_list,
)
from harness.protocol.published import PUBLISHED_3_FOLD

AUS = (1, 2, 12)


def table_of(subjects, *, frames=20, seed=0, shuffle=False, aus=AUS):
    """Each subject shows each AU in a share of frames of their own."""
    rng = np.random.default_rng(seed)
    rates = {s: rng.beta(1, 2, len(aus)) for s in sorted(subjects)}
    rows = np.repeat(np.array(sorted(subjects), dtype=object), frames)
    labels = np.stack([np.where(rng.random(len(aus)) < rates[s], 1, -1) for s in rows])
    order = rng.permutation(len(rows)) if shuffle else np.arange(len(rows))
    return FrameTable(
        aus=aus,
        subjects=rows[order],
        sequences=rows[order],
        numbers=np.arange(len(rows), dtype=np.int32)[order],
        tracked=np.ones(len(rows), dtype=bool),
        labels=labels.astype(np.int8)[order],
    )


def people(number, dataset="x"):
    return [f"{dataset}:S{i:03d}" for i in range(number)]


@settings(max_examples=30, deadline=None)
@given(
    number=st.integers(4, 25),
    folds=st.integers(2, 12),
    seed=st.integers(0, 99),
    share=st.sampled_from([0.1, 0.2, 0.5]),
    grouped=st.booleans(),
)
def test_everyone_is_tested_once_and_no_part_shares_anyone(number, folds, seed, share, grouped):
    group_of = (lambda s: str(int(s[-3:]) // 2)) if grouped else None
    units = (number + 1) // 2 if grouped else number
    table = table_of(people(number))
    if folds > units or (folds == 2 and units < 4):
        return
    splits = make_splits(
        f"{folds}-fold", table, seed=seed, validation_share=share, group_of=group_of
    )
    assert [s.fold for s in splits] == [str(k + 1) for k in range(folds)]
    assert sorted(s for split in splits for s in split.test) == people(number)
    for split in splits:
        parts = [split.train, split.validation, split.test]
        assert all(parts)
        assert all(list(part) == sorted(part) for part in parts)
        assert sorted(sum(parts, ())) == people(number)
        if group_of is None:
            remaining = len(split.train) + len(split.validation)
            assert len(split.validation) == min(max(1, round(share * remaining)), remaining - 1)
        else:
            groups = [{group_of(s) for s in part} for part in parts]
            assert sum(len(g) for g in groups) == len(set.union(*groups))
    if not grouped:
        sizes = [len(s.test) for s in splits]
        assert max(sizes) - min(sizes) <= 1


def test_splits_follow_the_seed_and_not_the_order_of_rows():
    subjects = people(30)
    plain, shuffled = table_of(subjects), table_of(subjects, shuffle=True)
    once = make_splits("3-fold", plain, seed=4)
    assert once == make_splits("3-fold", plain, seed=4) == make_splits("3-fold", shuffled, seed=4)
    reseeded = make_splits("3-fold", plain, seed=5)
    assert [s.test for s in reseeded] != [s.test for s in once]
    other = make_splits("3-fold", plain, seed=4, validation_share=0.4)
    assert [s.test for s in other] == [s.test for s in once]


def test_folds_are_far_better_balanced_than_random_ones():
    table = table_of(people(41), frames=200)
    rng = np.random.default_rng(0)
    rate = {s: (table.labels[table.subjects == s] > 0).mean(axis=0) for s in people(41)}

    def spread(folds):
        return np.std([np.mean([rate[s] for s in f], axis=0) for f in folds], axis=0).mean()

    ours = [spread([s.test for s in make_splits("3-fold", table, seed=k)]) for k in range(5)]
    random = [spread(np.array_split(rng.permutation(people(41)), 3)) for _ in range(50)]
    assert max(ours) < np.mean(random) / 4
    whole = np.mean([rate[s] for s in people(41)], axis=0)

    def distance(subjects):
        return np.abs(np.mean([rate[s] for s in subjects], axis=0) - whole).mean()

    split = make_splits("3-fold", table, seed=0)[0]
    pool = [*split.train, *split.validation]
    drawn = [distance(rng.permutation(pool)[: len(split.validation)]) for _ in range(200)]
    assert distance(split.validation) < np.quantile(drawn, 0.25)


def test_groups_of_unlike_size_leave_parts_of_like_size():
    # Three groups of 4 people and six of 2; only exchanges of like for like keep 8 in each fold.
    group = [g for g, size in enumerate([4] * 3 + [2] * 6) for _ in range(size)]
    subjects = [f"x:{g}-{i:02d}" for i, g in enumerate(group)]
    for seed in range(6):
        splits = make_splits(
            "3-fold",
            table_of(subjects, seed=seed),
            seed=seed,
            group_of=lambda s: s[2:].split("-")[0],
        )
        assert [len(s.test) for s in splits] == [8, 8, 8]


def test_unknown_labels_do_not_count_as_absent():
    table = table_of(people(6))
    table.labels[table.subjects == "x:S000", 1] = 0
    splits = make_splits("leave-one-subject-out", table, seed=0)
    described = describe_splits(splits, table)
    row = described[(described.fold == "x:S000") & (described.part == "test")].iloc[0]
    assert np.isnan(row["AU2"])
    assert row["AU1"] == (table.labels[table.subjects == "x:S000", 0] > 0).mean()
    assert list(described.columns) == ["fold", "part", "subjects", "frames", "AU1", "AU2", "AU12"]
    assert described.groupby("fold").frames.sum().eq(120).all()


def test_leave_one_out_leaves_each_out_and_with_groups_each_group():
    splits = make_splits("leave-one-subject-out", table_of(people(5)), seed=0)
    assert [s.fold for s in splits] == people(5)
    assert [s.test for s in splits] == [(p,) for p in people(5)]
    gft = [f"gft:{g:03d}{seat}" for g in (1, 2, 3) for seat in "ABC"]
    splits = make_splits(
        "leave-one-subject-out", table_of(gft), seed=0, group_of=groups_by_pattern()
    )
    assert [s.fold for s in splits] == ["001", "002", "003"]
    assert splits[1].test == ("gft:002A", "gft:002B", "gft:002C")


@pytest.mark.parametrize(("dataset", "num"), [("bp4d", 41), ("disfa", 27)])
def test_published_lists(dataset, num):
    parts = PUBLISHED_3_FOLD[dataset]
    ids = [s for part in parts for s in part]
    assert len(ids) == len(set(ids)) == num
    splits = make_splits("published-3-fold", table_of([f"{dataset}-left:{s}" for s in ids]), seed=0)
    assert [s.test for s in splits] == [
        tuple(sorted(f"{dataset}-left:{s}" for s in p)) for p in parts
    ]
    assert all(s.validation and s.train for s in splits)


def test_published_lists_refuse_other_people():
    ids = [s for part in PUBLISHED_3_FOLD["bp4d"] for s in part]
    with pytest.raises(UserError, match=r"bp4d has no subject 'F003'"):
        make_splits(
            "published-3-fold", table_of([f"bp4d:{s}" for s in ids if s not in ("M002", "F003")]),
            seed=0,
        )  # fmt: skip
    with pytest.raises(UserError, match=r"does not name subject 'bp4d:F099'"):
        make_splits("published-3-fold", table_of([f"bp4d:{s}" for s in [*ids, "F099"]]), seed=0)
    for other in ("bp4d+", "gft"):
        with pytest.raises(UserError, match="no published list"):
            make_splits("published-3-fold", table_of([f"{other}:{s}" for s in ids]), seed=0)
    with pytest.raises(UserError, match="no published list for x"):
        make_splits("published-3-fold", table_of(people(5)), seed=0)
    assert len(make_splits("published-3-fold", table_of([f"mine:{s}" for s in ids]), seed=0)) == 3


def test_cross_dataset_uses_everyone_of_the_test_dataset():
    train, test = table_of(people(10, "a")), table_of(people(4, "b"), aus=(12, 7, 1))
    split = cross_dataset_split(train, test, seed=0)
    assert split.test == tuple(people(4, "b"))
    assert sorted(split.train + split.validation) == people(10, "a")
    assert len(split.validation) == 2
    assert shared_aus(train, test) == (1, 12)
    described = describe_splits([split], train, test)
    assert list(described.columns[4:]) == ["AU1", "AU12"]
    assert described.iloc[2]["AU1"] == pytest.approx((test.labels[:, 2] > 0).mean())
    with pytest.raises(UserError, match="share no AU"):
        cross_dataset_split(train, table_of(people(4, "b"), aus=(25, 26, 27)), seed=0)


def test_cross_dataset_leaves_linked_people_out_of_training():
    disfa = table_of([f"disfa:SN{i:03d}" for i in (1, 2, 3, 5, 6)])
    plus = table_of([f"disfa+:SN{i:03d}" for i in (1, 3)])
    split = cross_dataset_split(disfa, plus, seed=0)
    assert sorted(split.train + split.validation) == ["disfa:SN002", "disfa:SN005", "disfa:SN006"]
    split = cross_dataset_split(disfa, plus, seed=0, linked={"disfa:SN002": "disfa+:SN003"})
    assert sorted(split.train + split.validation) == ["disfa:SN005", "disfa:SN006"]
    with pytest.raises(UserError, match="every training subject"):
        cross_dataset_split(plus, disfa, seed=0)


def test_list_file_comes_back_as_written(tmp_path):
    table = table_of(people(9))
    splits = make_splits("3-fold", table, seed=1)
    file = tmp_path / "splits.csv"
    write_list(splits, file)
    again = make_splits("list", table, seed=7, lists=file)
    assert [(s.fold, s.train, s.validation, s.test) for s in again] == [
        (s.fold, s.train, s.validation, s.test) for s in splits
    ]


def test_list_file_with_test_subjects_only(tmp_path):
    file = tmp_path / "splits.csv"
    file.write_text("# who tests\nfold,part,subject\na,test,S000\n\na,test,x:S003\n")
    (split,) = make_splits("list", table_of(people(6)), seed=0, lists=file)
    assert split.fold == "a"
    assert split.test == ("x:S000", "x:S003")
    assert sorted(split.train + split.validation) == ["x:S001", "x:S002", "x:S004", "x:S005"]
    assert len(split.validation) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("fold,part,subject\n1,test,S000\n1,test,S999\n", r"line 3: .* no subject 'S999'"),
        ("fold,part,subject\n1,tset,S000\n", r"line 2: part 'tset' is none of train, validation"),
        ("fold,part,subject\n1,test,S000\n1,train,S000\n", r"line 3: .* in test of fold 1 already"),
        ("1,test,S000\n", r"line 1: the header must be fold,part,subject"),
        ("fold,part,subject\n1,test\n", r"line 2: 2 cells"),
        ("fold,part,subject\n1,train,S000\n", r"fold 1 names no test subject"),
        ("fold,part,subject\n", r"names no fold"),
    ],
)
def test_bad_list_files_are_named_with_their_line(tmp_path, text, message):
    file = tmp_path / "splits.csv"
    file.write_text(text)
    with pytest.raises(UserError, match=message):
        make_splits("list", table_of(people(6)), seed=0, lists=file)


def test_mistakes_of_a_user(tmp_path):
    table = table_of(people(5))
    with pytest.raises(UserError, match="7-fold needs at least 7 subjects; the dataset has 5"):
        make_splits("7-fold", table, seed=0)
    with pytest.raises(UserError, match="needs at least 3 groups; the dataset has 1"):
        make_splits("3-fold", table, seed=0, group_of=lambda s: "all")
    for wrong in ("1-fold", "0-fold", "N-fold", "random", "03-fold"):
        with pytest.raises(UserError, match="unknown protocol") as error:
            make_splits(wrong, table, seed=0)
        assert all(p in str(error.value) for p in PROTOCOLS)
    with pytest.raises(UserError, match="two datasets"):
        make_splits("cross-dataset", table, seed=0)
    with pytest.raises(UserError, match="needs a list file"):
        make_splits("list", table, seed=0)
    with pytest.raises(UserError, match="reads no list file"):
        make_splits("3-fold", table, seed=0, lists=tmp_path / "x.csv")
    with pytest.raises(UserError, match="cannot be read"):
        make_splits("list", table, seed=0, lists=tmp_path / "x.csv")
    for share in (0, 1, -0.1, 1.5):
        with pytest.raises(UserError, match="validation share"):
            make_splits("3-fold", table, seed=0, validation_share=share)
    with pytest.raises(UserError, match="negative"):
        make_splits("3-fold", table, seed=-1)
    with pytest.raises(UserError, match="leaves 1 subject to train on"):
        make_splits("2-fold", table_of(people(2)), seed=0)
    with pytest.raises(UserError, match="no frames"):
        make_splits("3-fold", empty_table(), seed=0)
    with pytest.raises(UserError, match="does not match the group pattern"):
        make_splits("3-fold", table, seed=0, group_of=groups_by_pattern())
    with pytest.raises(UserError, match="no named part"):
        groups_by_pattern(r"\d+")
    with pytest.raises(UserError, match="no regular expression"):
        groups_by_pattern("(")


def empty_table():
    nothing = np.array([], dtype=object)
    return FrameTable(
        aus=AUS,
        subjects=nothing,
        sequences=nothing,
        numbers=np.zeros(0, np.int32),
        tracked=np.zeros(0, bool),
        labels=np.zeros((0, 3), np.int8),
    )
