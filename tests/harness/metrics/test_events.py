import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import UserError
from harness.metrics import event_f1

GOLDEN_Y = "0111001100"
GOLDEN_S = "0011100011"


def column(bits):
    """+ - and ? (or 1 0 ?) as a label column."""
    return np.array([[{"1": 1, "0": -1, "?": 0}[b]] for b in bits])


def one_sequence(labels):
    return np.array(["x:A/1"] * len(labels), dtype=object)


def naive(labels, scores, sequences, *, integrator="trapz", theta0="ge", longest_gap=0):
    """The definition, event by event and threshold by threshold, for one AU."""
    true_events, decided_events = [], []
    for sequence in dict.fromkeys(sequences):
        rows = [i for i in range(len(labels)) if sequences[i] == sequence]
        kept = [k for k, i in enumerate(rows) if labels[i] != 0]
        truth = {k: labels[rows[k]] > 0 for k in kept}
        decided = {k: scores[rows[k]] > 0 for k in kept}
        for flags, other, found in (
            (truth, decided, true_events),
            (decided, truth, decided_events),
        ):
            run, before = [], None
            for k in kept:
                near = before is not None and k - before - 1 <= longest_gap
                if flags[k] and run and near:
                    run.append(k)
                else:
                    if run:
                        found.append([other[j] for j in run])
                    run = [k] if flags[k] else []
                before = k
            if run:
                found.append([other[j] for j in run])
    if not true_events and not decided_events:
        return np.full(101, np.nan), np.nan
    curve = []
    for k in range(101):
        shares = []
        for found in (true_events, decided_events):
            reached = [
                (sum(c) * 100 >= k * len(c)) and (k > 0 or theta0 == "ge" or any(c)) for c in found
            ]
            shares.append(sum(reached) / len(found) if found else 0.0)
        curve.append(2 * shares[0] * shares[1] / sum(shares) if sum(shares) else 0.0)
    if not true_events or not decided_events:
        curve = [0.0] * 101
    area = sum(curve[:-1]) / 100 if integrator == "left" else np.trapezoid(curve, dx=0.01)
    return np.array(curve), area


def test_golden_vector():
    labels, scores = column(GOLDEN_Y), column(GOLDEN_S).astype(float)
    result = event_f1(labels, scores, one_sequence(labels), event_integrator="left")
    assert result.area[0] == pytest.approx(0.34, abs=1e-6)
    assert result.at_half[0] == pytest.approx(0.5, abs=1e-6)
    assert result.curve.shape == (1, 101)
    assert result.curve[0, 0] == 1.0
    assert result.curve[0, 66] == pytest.approx(0.5, abs=1e-6)
    assert result.curve[0, 67] == 0.0
    assert (result.true_events[0], result.decided_events[0]) == (2, 2)
    trapz = event_f1(labels, scores, one_sequence(labels))
    assert trapz.area[0] == pytest.approx(0.335, abs=1e-6)
    strict = event_f1(labels, scores, one_sequence(labels), event_theta0="gt_at_zero")
    assert strict.curve[0, 0] == pytest.approx(0.5, abs=1e-6)
    assert np.array_equal(strict.curve[0, 1:], trapz.curve[0, 1:])


def test_overlap_is_coverage_not_intersection_over_union():
    # One long decided event covers two true ones: recall 1 everywhere, precision by its own share.
    labels, scores = column("0110011000"), column("1111111111").astype(float)
    curve = event_f1(labels, scores, one_sequence(labels)).curve[0]
    assert curve[40] == 1.0
    assert curve[41] == 0.0
    # Two decided events together cover one true one.
    labels, scores = column("0111110"), column("0110110").astype(float)
    curve = event_f1(labels, scores, one_sequence(labels)).curve[0]
    assert curve[80] == 1.0
    assert curve[81] == 0.0


@settings(max_examples=120, deadline=None)
@given(
    bits=st.lists(st.tuples(st.sampled_from("110?"), st.sampled_from("10")), max_size=40),
    cuts=st.integers(1, 4),
    integrator=st.sampled_from(["trapz", "left"]),
    theta0=st.sampled_from(["ge", "gt_at_zero"]),
    missing=st.sampled_from([("break", None, 0), ("concat", None, 999), ("bridge", 2, 2)]),
)
def test_the_definition_agrees(bits, cuts, integrator, theta0, missing):
    labels = column([b for b, _ in bits]).reshape(-1, 1)
    scores = column([s for _, s in bits]).reshape(-1, 1).astype(float)
    sequences = np.sort([f"x:A/{i % cuts}" for i in range(len(bits))]).astype(object)
    option, bridge, longest = missing
    result = event_f1(
        labels,
        scores,
        sequences,
        event_missing=option,
        bridge_frames=bridge,
        event_theta0=theta0,
        event_integrator=integrator,
    )
    curve, area = naive(
        labels[:, 0],
        scores[:, 0],
        sequences,
        integrator=integrator,
        theta0=theta0,
        longest_gap=longest,
    )
    assert np.allclose(result.curve[0], curve, atol=1e-12, equal_nan=True)
    assert result.area[0] == pytest.approx(area, abs=1e-12, nan_ok=True)


def random_case(seed, frames=120, aus=3, unknown=0.15, sequences=4):
    rng = np.random.default_rng(seed)
    level = np.cumsum(rng.normal(size=(frames, aus)), axis=0)
    labels = np.where(level > np.median(level, axis=0), 1, -1)
    labels[rng.random(labels.shape) < unknown] = 0
    scores = level - np.median(level, axis=0) + rng.normal(size=level.shape)
    ids = np.sort(rng.integers(0, sequences, frames))
    numbers = np.concatenate([np.arange(1, n + 1) for n in np.bincount(ids)])
    return labels, scores, np.array([f"x:A/{i}" for i in ids], dtype=object), numbers


def same(one, other):
    return all(
        np.array_equal(getattr(one, name), getattr(other, name), equal_nan=True)
        for name in ("curve", "area", "at_half", "true_events", "decided_events")
    )


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), missing=st.sampled_from(["break", "concat"]))
def test_order_of_sequences_and_with_numbers_of_frames_does_not_matter(seed, missing):
    labels, scores, sequences, numbers = random_case(seed)
    plain = event_f1(labels, scores, sequences, event_missing=missing)
    turned = np.argsort(sequences, kind="stable")[::-1]
    turned = np.concatenate([np.sort(g) for g in np.split(turned, np.flatnonzero(
        sequences[turned][1:] != sequences[turned][:-1]) + 1)])  # fmt: skip
    assert same(
        plain,
        event_f1(labels[turned], scores[turned], sequences[turned], event_missing=missing),
    )
    interleaved = np.argsort(numbers, kind="stable")
    assert same(
        plain,
        event_f1(
            labels[interleaved], scores[interleaved], sequences[interleaved], event_missing=missing
        ),
    )
    mixed = np.random.default_rng(seed).permutation(len(labels))
    assert same(
        plain,
        event_f1(
            labels[mixed],
            scores[mixed],
            sequences[mixed],
            numbers=numbers[mixed],
            event_missing=missing,
        ),
    )


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_under_break_a_sequence_may_be_cut_at_an_unknown_gap(seed):
    labels, scores, sequences, _ = random_case(seed, aus=1, unknown=0.1)
    unknown = labels[:, 0] == 0
    # Every frame gets the number of unknown frames so far into its sequence's name.
    pieces = np.array([f"{s}.{n}" for s, n in zip(sequences, np.cumsum(unknown), strict=True)])
    assert same(
        event_f1(labels, scores, sequences), event_f1(labels, scores, pieces.astype(object))
    )


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_under_concat_unknown_frames_are_as_if_deleted(seed):
    labels, scores, sequences, numbers = random_case(seed, aus=1, unknown=0.3)
    kept = labels[:, 0] != 0
    plain = event_f1(labels, scores, sequences, event_missing="concat")
    assert same(plain, event_f1(labels[kept], scores[kept], sequences[kept]))
    # Under break a deleted frame is an unknown one, as long as the numbers tell of it.
    deleted = event_f1(labels[kept], scores[kept], sequences[kept], numbers=numbers[kept])
    assert same(event_f1(labels, scores, sequences), deleted)


def test_half_covered_counts_at_half_and_no_further():
    labels, scores = column("011110"), column("001100").astype(float)
    result = event_f1(labels, scores, one_sequence(labels))
    assert result.at_half[0] == result.curve[0, 50] == 1.0
    assert result.curve[0, 51] == 0.0


def test_events_never_cross_sequences():
    labels, scores = column("111111"), column("111111").astype(float)
    sequences = np.array(["a", "a", "a", "b", "b", "b"], dtype=object)
    assert event_f1(labels, scores, sequences).true_events[0] == 2
    assert event_f1(labels, scores, one_sequence(labels)).true_events[0] == 1
    assert event_f1(labels, scores, sequences, event_missing="concat").true_events[0] == 2


def test_gaps_in_frame_numbers_end_events():
    labels, scores = column("111111"), column("111111").astype(float)
    ids = one_sequence(labels)

    def count(numbers, **options):
        return event_f1(labels, scores, ids, numbers=np.array(numbers), **options).true_events[0]

    assert count([1, 2, 3, 4, 5, 6]) == 1
    assert count([0, 4, 8, 12, 16, 20]) == 1  # every fourth frame was taken
    assert count([0, 4, 8, 16, 20, 24]) == 2
    assert count([0, 4, 8, 14, 18, 22]) == 2  # a jump that is no whole number of steps
    assert count([1, 2, 3, 7, 8, 9]) == 2
    assert count([1, 2, 3, 7, 8, 9], event_missing="concat") == 1
    assert count([1, 2, 3, 7, 8, 9], event_missing="bridge", bridge_frames=3) == 1
    assert count([1, 2, 3, 7, 8, 9], event_missing="bridge", bridge_frames=2) == 2


def test_bridge_steps_over_short_gaps_only():
    labels = column("11?11??11")
    scores = np.ones(labels.shape)
    ids = one_sequence(labels)
    counts = {
        k: event_f1(labels, scores, ids, event_missing="bridge", bridge_frames=k).true_events[0]
        for k in (1, 2)
    }
    assert counts == {1: 2, 2: 1}
    assert event_f1(labels, scores, ids).true_events[0] == 3


@pytest.mark.parametrize(
    ("truth", "decided", "expected"),
    [
        ("0000", "0000", np.nan),
        ("0110", "0000", 0.0),
        ("0000", "0110", 0.0),
        ("????", "1111", np.nan),
    ],
)
def test_no_events_of_a_kind(truth, decided, expected):
    labels, scores = column(truth), column(decided).astype(float)
    result = event_f1(labels, scores, one_sequence(labels))
    assert result.area[0] == pytest.approx(expected, nan_ok=True)
    assert result.at_half[0] == pytest.approx(expected, nan_ok=True)
    filled = event_f1(labels, scores, one_sequence(labels), undefined="zero")
    assert filled.area[0] == 0.0


def test_macro_is_the_mean_over_sequences_that_have_events():
    labels = column("011011000000")
    scores = column("011000110000").astype(float)
    ids = np.repeat(np.array(["a", "b", "c"], dtype=object), 4)
    micro = event_f1(labels, scores, ids)
    macro = event_f1(labels, scores, ids, event_videos="macro")
    alone = [
        event_f1(labels[4 * i : 4 * i + 4], scores[4 * i : 4 * i + 4], ids[4 * i : 4 * i + 4])
        for i in range(2)
    ]
    assert macro.area[0] == pytest.approx(np.mean([a.area[0] for a in alone]))
    assert micro.at_half[0] == pytest.approx(0.5)
    assert macro.at_half[0] == pytest.approx(0.5)


def test_threshold_moves_decisions():
    labels = column("0110")
    scores = np.array([[0.2], [0.9], [0.9], [0.2]])
    ids = one_sequence(labels)
    assert event_f1(labels, scores, ids, threshold=0.5).curve[0].min() == 1.0
    assert event_f1(labels, scores, ids).curve[0, 100] == 0.0


def test_bad_options_and_lengths():
    labels = column("0110")
    scores, ids = np.ones(labels.shape), one_sequence(labels)
    with pytest.raises(UserError, match="event_missing='gap' is none of break, concat, bridge"):
        event_f1(labels, scores, ids, event_missing="gap")
    with pytest.raises(UserError, match="event_theta0"):
        event_f1(labels, scores, ids, event_theta0="gt")
    with pytest.raises(UserError, match="event_integrator"):
        event_f1(labels, scores, ids, event_integrator="simpson")
    with pytest.raises(UserError, match="event_videos"):
        event_f1(labels, scores, ids, event_videos="mean")
    with pytest.raises(UserError, match="bridge_frames"):
        event_f1(labels, scores, ids, event_missing="bridge")
    with pytest.raises(UserError, match="bridge_frames"):
        event_f1(labels, scores, ids, bridge_frames=3)
    with pytest.raises(UserError, match="at least 1"):
        event_f1(labels, scores, ids, event_missing="bridge", bridge_frames=0)
    with pytest.raises(UserError, match="3 sequence ids do not fit 4 frames"):
        event_f1(labels, scores, ids[1:])
    with pytest.raises(UserError, match="3 frame numbers do not fit 4 frames"):
        event_f1(labels, scores, ids, numbers=np.arange(3))


def test_each_sequence_has_its_own_step_between_coded_frames():
    labels, scores = column("0111110111"), np.where(column("0111110011") > 0, 1.0, -1.0)
    names = np.array(["x:A/1"] * 10, object)
    other = np.array(["x:B/1"] * 10, object)
    every, second = np.arange(1, 11), np.arange(1, 21, 2)
    alone = event_f1(labels, scores, names, numbers=every)
    assert same(event_f1(labels, scores, names, numbers=second), alone)
    for numbers in (np.r_[every, second], np.r_[second, every]):
        both = event_f1(
            np.r_[labels, labels], np.r_[scores, scores], np.r_[names, other], numbers=numbers
        )
        np.testing.assert_array_equal(both.curve, alone.curve)
        assert both.true_events.tolist() == (2 * alone.true_events).tolist()
