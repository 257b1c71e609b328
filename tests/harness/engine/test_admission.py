"""Which job goes next: nodes are filled and never over-filled, and nobody starves."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.engine.admission import RESERVE, Admission, wanted
from harness.method import Needs
from harness.plan.jobs import Job


def job(key, **held):
    return Job(
        key=key,
        kind="cell",
        title=key,
        group="m",
        needs=(),
        resources=Needs(**held),
        split="",
        num_frames=1,
        spec={},
    )


def node(cpus, gpus=0.0, memory=0.0):
    return {"CPU": cpus, "GPU": gpus, "memory": memory}


def admission(nodes, jobs):
    ready = Admission(nodes, {j.key: place for place, j in enumerate(jobs)})
    for entry in jobs:
        ready.put(entry)
    return ready


def take_all(ready):
    taken = []
    while (found := ready.take()) is not None:
        taken.append(found.key)
    return taken


def test_single_jobs_fill_the_cpus_and_a_few_wait_at_hand():
    ready = admission([node(2)], [job(f"{i:02}") for i in range(20)])
    assert take_all(ready) == [f"{i:02}" for i in range(2 + RESERVE)]
    assert ready.held["CPU"] == 2
    ready.release("00")
    assert take_all(ready) == ["06"]
    assert ready.held["CPU"] == 2


def test_gpu_jobs_that_wait_keep_no_cpu_idle():
    gpu = [job(f"gpu{i}", gpus=1) for i in range(20)]
    cpu = [job(f"cpu{i}") for i in range(20)]
    ready = admission([node(4, gpus=1)], [*gpu, *cpu])
    taken = take_all(ready)
    assert taken[:4] == ["gpu0", "cpu0", "cpu1", "cpu2"]


def test_shares_of_a_gpu_add_up_to_one():
    ready = admission([node(16, gpus=1)], [job(f"{i}", gpus=0.25) for i in range(12)])
    take_all(ready)
    assert ready.held["GPU"] == 1
    assert ready.held["CPU"] == 4


def test_memory_is_held_too():
    jobs = [job(f"{i}", memory=3 * 10**9) for i in range(9)]
    ready = admission([node(8, memory=8e9)], jobs)
    take_all(ready)
    assert ready.held["memory"] == 6e9


def test_a_group_gets_its_turn_and_two_groups_take_turns():
    single = [job(f"s{i}") for i in range(3)]
    ready = admission([node(1), node(1)], [single[0], job("g0", workers=2), *single[1:]])
    assert take_all(ready) == ["s0"]  # what comes after the group must not starve it
    ready.release("s0")
    assert take_all(ready) == ["g0"]
    ready.started("g0")
    assert take_all(ready) == ["s1", "s2"]  # at hand, for when the group ends
    ready.release("g0")
    assert ready.held["CPU"] == 2


def test_nothing_is_submitted_while_a_group_gathers():
    ready = admission([node(2), node(2)], [job("g", workers=2), job("s")])
    assert take_all(ready) == ["g"]
    assert ready.take() is None
    ready.started("g")
    assert take_all(ready) == ["s"]


def test_a_group_that_no_node_can_hold_lets_the_others_pass():
    ready = admission([node(2)], [job("g", workers=2, cpus=2), job("s")])
    assert take_all(ready) == ["s", "g"]


def test_new_nodes_are_filled_and_lost_ones_are_not():
    ready = admission([node(1)], [job(f"{i:02}") for i in range(40)])
    assert len(take_all(ready)) == 1 + RESERVE
    ready.set_nodes([node(1), node(8)])
    take_all(ready)
    ready.release("00")
    assert len(take_all(ready)) >= 1
    assert ready.total["CPU"] == 9


@pytest.mark.parametrize(
    ("held", "said"),
    [
        ({"cpus": 64}, "needs 64 CPU, the cluster has 4"),
        ({"gpus": 1}, "needs 1 GPU, the cluster has 0"),
        ({"cpus": 3}, "needs 3 CPU on one node; no node of the cluster has more than 2 CPU"),
        ({"cpus": 2, "workers": 2}, None),
    ],
)
def test_what_nobody_can_hold_is_named(held, said):
    asked = job("j", **held)
    ready = admission([node(2), node(2)], [asked])
    assert ready.holdable(asked) == (said is None)
    if said:
        assert ready.missing(asked) == said


shapes = st.fixed_dictionaries(
    {
        "cpus": st.sampled_from([0.5, 1, 2]),
        "gpus": st.sampled_from([0, 0.25, 1]),
        "workers": st.sampled_from([1, 1, 2]),
    }
)


@settings(max_examples=60, deadline=None)
@given(st.lists(shapes, max_size=25), st.randoms(use_true_random=False))
def test_every_job_gets_its_turn_and_nothing_is_over_filled(shapes, rng):
    nodes = [node(2, gpus=1), node(2, gpus=1)]
    jobs = [job(f"{i:03}", **shape) for i, shape in enumerate(shapes)]
    ready = admission(nodes, jobs)
    in_flight, ended = [], []
    while True:
        in_flight += take_all(ready)
        held = [ready._holding[k] for k in in_flight if k in ready._holding]
        for name in ("CPU", "GPU"):
            assert sum(wanted(j)[name] for j in held) == pytest.approx(ready.held[name])
            assert ready.held[name] <= ready.total[name] + 1e-9
        if not in_flight:
            break
        assert held, "jobs wait and nothing runs"
        for key in in_flight:
            ready.started(key)
        key = rng.choice([j.key for j in held])
        in_flight.remove(key)
        ready.release(key)
        ended.append(key)
    assert sorted(ended) == [j.key for j in jobs]
