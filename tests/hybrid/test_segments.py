import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.utils.rnn import pack_sequence

from hybrid.segments import pack, runs


@given(st.lists(st.integers(1, 9), min_size=1, max_size=6))
def test_packing_is_torchs_own(lengths):
    lengths = np.array(lengths)
    starts = np.cumsum(lengths) - lengths
    parts = [torch.arange(s, s + n) for s, n in zip(starts, lengths, strict=True)]
    theirs = pack_sequence(parts, enforce_sorted=False)
    ours = pack(starts, lengths)
    assert ours.batch_sizes_T.tolist() == theirs.batch_sizes.tolist()
    # The order among segments of one length is free; each step holds the same rows.
    ends = np.cumsum(ours.batch_sizes_T)
    for begin, end in zip(np.r_[0, ends[:-1]], ends, strict=True):
        assert set(ours.order_M[begin:end]) == set(theirs.data[begin:end].tolist())
    assert sorted(ours.order_M) == list(range(lengths.sum()))
    assert (ours.order_M - ours.time_M >= 0).all()


@given(st.lists(st.integers(0, 9), min_size=1, max_size=6), st.integers(0, 10))
def test_a_split_cuts_every_segment_at_the_same_step(lengths, step):
    lengths = np.array(lengths)
    whole = pack(np.cumsum(lengths) - lengths, lengths)
    head, tail = whole.split(step)
    assert (head.time_M < step).all()
    assert (tail.time_M >= step).all()
    assert np.array_equal(np.r_[head.order_M, tail.order_M], whole.order_M)
    assert len(head.order_M) == np.minimum(lengths, step).sum()


def test_runs_of_equal_neighbours():
    starts, lengths = runs(np.array(["a", "a", "b", "a"]))
    assert starts.tolist() == [0, 2, 3]
    assert lengths.tolist() == [2, 1, 1]
    assert [len(part) for part in runs(np.array([]))] == [0, 0]
