"""What every stream keeps: seeds and epochs, a place to resume at, ranks, DataLoader, imports."""

import io
import subprocess
import sys
from itertools import chain

import numpy as np
import pytest

from sampling import STRATEGIES, make_batches

SIZE = 64  # frames in a batch: 600 frames make 10 batches, 9.375 to be exact


def epochs_of(stream, num_epochs):
    return [list(stream) for _ in range(num_epochs)]


def assert_same(batches, others):
    assert len(batches) == len(others)
    for batch, other in zip(batches, others, strict=True):
        np.testing.assert_array_equal(batch, other)


@pytest.fixture(params=STRATEGIES)
def make(request, small_labels):
    return lambda seed=0, **options: make_batches(
        request.param, small_labels, SIZE, seed, **options
    )


def test_an_epoch_is_a_function_of_seed_and_epoch(make):
    first, second = epochs_of(make(seed=5), 2)
    assert_same(first, list(make(seed=5)))
    assert any(not np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    assert any(not np.array_equal(a, b) for a, b in zip(first, make(seed=6), strict=False))
    jumped = make(seed=5)
    jumped.set_epoch(1)
    assert_same(second, list(jumped))


def test_an_epoch_that_is_broken_off_starts_again(make):
    stream, whole = make(), list(make())
    for batch in stream:
        np.testing.assert_array_equal(batch, whole[0])
        break
    assert_same(whole, list(stream))
    assert stream.epoch == 0


def test_two_iterators_do_not_disturb_each_other(make):
    stream = make()
    pairs = list(zip(stream, stream, strict=True))
    assert_same([a for a, _ in pairs], [b for _, b in pairs])


@pytest.mark.parametrize("world_size", [1, 3])
def test_resumes_anywhere(make, through_json, world_size):
    ranks = [make(seed=2, rank=rank, world_size=world_size) for rank in range(world_size)]
    undisturbed = [list(chain.from_iterable(epochs_of(rank, 3))) for rank in ranks]
    length = len(ranks[0])
    for given_out in (0, 1, length - 1, length, length + 2, 2 * length):
        saver = make(seed=2, rank=0, world_size=world_size)
        states = [saver.state_dict()]
        while len(states) <= given_out:
            for _ in saver:
                states.append(saver.state_dict())
                if len(states) > given_out:
                    break
        state = through_json(states[given_out])
        for rank, expected in enumerate(undisturbed):
            # A state brings its seed along, but for resampled rows, which were drawn with it.
            seed = 2 if saver.strategy == "resampled" else 0
            resumed = make(seed=seed, rank=rank, world_size=world_size)
            resumed.load_state_dict(state)
            found = []
            for epoch in range(resumed.epoch, 3):
                resumed.set_epoch(epoch)  # as training loops do
                found += list(resumed)
            assert_same(found, expected[given_out:])


def test_resumes_behind_a_loader_that_fetches_ahead(make, through_json):
    stream, whole = make(), list(make())
    fetched = iter(stream)
    for _ in range(7):
        next(fetched)
    resumed = make()
    resumed.load_state_dict(through_json(stream.state_dict(consumed=4)))
    assert_same(list(resumed), whole[4:])


def test_a_state_goes_through_a_torch_checkpoint(make):
    torch = pytest.importorskip("torch")
    stream = make()
    whole = list(make())
    for number, _ in enumerate(stream):
        if number == 2:
            break
    file = io.BytesIO()
    torch.save({"batches": stream.state_dict()}, file)
    file.seek(0)
    resumed = make()
    resumed.load_state_dict(torch.load(file, weights_only=True)["batches"])
    assert_same(list(resumed), whole[3:])


@pytest.mark.parametrize("world_size", [2, 3, 4, 7, 16])
def test_ranks_see_whole_batches_equally_many_and_the_epoch_together(make, world_size):
    whole = list(make())
    ranks = [make(rank=rank, world_size=world_size) for rank in range(world_size)]
    shares = [list(rank) for rank in ranks]
    assert {len(share) for share in shares} == {len(rank) for rank in ranks}
    assert len(shares[0]) == -(-len(whole) // world_size)
    rounds = [shares[rank][turn] for turn in range(len(shares[0])) for rank in range(world_size)]
    assert_same(rounds[: len(whole)], whole)
    tail = rounds[len(whole) :]
    assert_same(tail, [whole[number % len(whole)] for number in range(len(tail))])


def test_resumes_with_other_ranks_between_two_rounds(make):
    saver = make(rank=0, world_size=2)
    batches = iter(saver)
    for _ in range(2):
        next(batches)
    resumed = make(rank=0, world_size=4)
    resumed.load_state_dict(saver.state_dict())
    np.testing.assert_array_equal(next(iter(resumed)), list(make())[4])
    with pytest.raises(ValueError, match="no multiple of world_size 3: resume with 2 ranks"):
        make(rank=0, world_size=3).load_state_dict(saver.state_dict())


def test_a_state_of_something_else_is_refused(make, small_labels):
    stream = make()
    state = stream.state_dict()
    with pytest.raises(ValueError, match="other labels, batch size or options"):
        type(stream)(small_labels, SIZE + 1).load_state_dict(state)
    with pytest.raises(ValueError, match="is of strategy 'other'"):
        stream.load_state_dict({**state, "strategy": "other"})
    with pytest.raises(ValueError, match="lacks seed"):
        stream.load_state_dict({key: state[key] for key in state if key != "seed"})
    with pytest.raises(ValueError, match=r"consumed must be in 0 \.\. "):
        stream.state_dict(consumed=len(stream) + 1)


def test_serves_as_batch_sampler(make, small_labels):
    data = pytest.importorskip("torch.utils.data")

    class Frames(data.Dataset):
        def __len__(self):
            return len(small_labels)

        def __getitem__(self, index):
            return int(index), small_labels[index]

    stream, whole = make(), list(make())
    loader = data.DataLoader(Frames(), batch_sampler=stream)
    assert len(loader) == len(stream)
    for (index, labels), batch in zip(loader, whole, strict=True):
        np.testing.assert_array_equal(index, batch)
        np.testing.assert_array_equal(labels, small_labels[batch])
    stream.set_epoch(0)
    assert_same([index.numpy() for index, _ in loader], whole)


def test_serves_a_loader_with_a_worker(small_labels):
    data = pytest.importorskip("torch.utils.data")
    stream = make_batches("momu", small_labels, SIZE)
    whole = list(make_batches("momu", small_labels, SIZE))
    loader = data.DataLoader(range(len(small_labels)), batch_sampler=stream, num_workers=1)
    assert_same([index.numpy() for index in loader], whole)


def test_importing_and_dealing_need_no_numba_torch_or_pandas():
    script = (
        "import sys, numpy, sampling; "
        "list(sampling.StratifiedBatches(numpy.eye(9), 2)); "
        "sampling.make_batches('momu', numpy.eye(9), 2); "
        "print(sorted({'numba', 'torch', 'pandas', 'scipy', 'harness'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr
