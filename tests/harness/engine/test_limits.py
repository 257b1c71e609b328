"""What a job may hold, and for how long: time limits, GPU shares, groups of workers.

Two Ray instances for all of it; groups of workers are slow to start.
"""

import os
import time
from itertools import combinations

import pytest

from harness.store import RunStore
from harness.sweep import run_suite

SUITE = """\
name: limits
datasets:
  toy: {{prepared: {toy}}}
settings:
  - {{within: toy, protocol: 2-fold}}
methods:
  endless: {{method: "toy_methods:Endless", resources: {{seconds: 6}}}}
  half: {{method: "toy_methods:Pixel", options: {{sleep: 0.6}}, resources: {{gpus: 0.5, cpus: 0.25}}}}
  half-again:
    {{method: "toy_methods:Pixel", options: {{sleep: 0.6, scale: 2}}, resources: {{gpus: 0.5, cpus: 0.25}}}}
  hungry: {{method: "toy_methods:Hungry", resources: {{hours: 1}}}}
  pixel: {{method: "toy_methods:Pixel", resources: {{minutes: 1}}}}
"""

GROUPS = """\
name: groups
datasets:
  toy: {{prepared: {toy}}}
  other: {{prepared: {other}}}
settings:
  - {{train: toy, test: other}}
methods:
  endless:
    method: "toy_methods:Endless"
    options: {{train: true}}
    resources: {{workers: 2, seconds: 4}}
  pixel: {{method: "toy_methods:Pixel"}}
  steps: {{method: "toy_methods:Stepping", options: {{steps: 2}}, resources: {{workers: 2}}}}
"""


def run(folder, text, toy, other, **options):
    suite = folder / "suite.yaml"
    suite.write_text(text.format(toy=toy.folder, other=other.folder))
    return run_suite(str(suite), str(folder / "run"), cpus=2, **options)


@pytest.fixture(scope="module")
def limited(tmp_path_factory, toy_dataset, other_dataset):
    folder = tmp_path_factory.mktemp("limits")
    return run(folder, SUITE, toy_dataset, other_dataset, gpus=1)


@pytest.fixture(scope="module")
def groups(tmp_path_factory, toy_dataset, other_dataset):
    folder = tmp_path_factory.mktemp("groups")
    return run(folder, GROUPS, toy_dataset, other_dataset)


def keys(result, method):
    return [cell.job for cell in result.store.plan().cells if cell.method == method]


def spans(result, *methods):
    """When each of the methods' jobs ran."""
    found = [result.store.result(key)["cost"] for m in methods for key in keys(result, m)]
    return [(cost["started"], cost["started"] + cost["seconds"]) for cost in found]


def assert_gone(result, method, workers):
    """No process of the method's jobs is left."""
    for key in keys(result, method):
        pids = [int(f.read_text()) for f in result.store.partial_folder(key).glob("pid-*")]
        assert len(pids) == workers
        deadline = time.monotonic() + 10
        while any(alive(pid) for pid in pids):
            assert time.monotonic() < deadline, "a worker outlives its job"
            time.sleep(0.05)


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_job_over_its_time_limit_is_stopped_and_the_sweep_goes_on(limited):
    for key in keys(limited, "endless"):
        assert limited.states[key] == "failed"
        error = limited.store.failure(key)["error"]
        assert error == "over its time limit of 6 seconds"
    assert_gone(limited, "endless", workers=1)
    assert not limited.store.losses()  # it is not tried again
    assert {limited.states[key] for key in keys(limited, "pixel")} == {"done"}


def test_a_job_that_asks_for_too_much_memory_says_so(limited):
    for key in keys(limited, "hungry"):
        assert "MemoryError" in limited.store.failure(key)["error"]


def test_two_halves_of_a_gpu_are_filled_and_not_over_filled(limited):
    ran = spans(limited, "half", "half-again")
    assert len(ran) == 4
    pairs = list(combinations(ran, 2))
    assert any(max(a[0], b[0]) < min(a[1], b[1]) for a, b in pairs)
    for three in combinations(ran, 3):
        assert max(s[0] for s in three) >= min(s[1] for s in three)


def test_a_limit_is_no_part_of_a_result(limited, tmp_path, toy_dataset, other_dataset):
    from harness.plan.build import build_plan
    from harness.suite.load import load_suite

    suite = tmp_path / "suite.yaml"
    suite.write_text(
        SUITE.format(toy=toy_dataset.folder).replace("minutes: 1", "hours: 2, cpus: 2")
    )
    changed = build_plan(load_suite(suite))
    assert list(changed.jobs) == list(limited.store.plan().jobs)
    assert {job.resources.seconds for job in changed.jobs.values()} == {0, 6, 3600, 7200}


@pytest.mark.parametrize("unit", ["hours: 1, seconds: 5", "minutes: 0", "days: 1"])
def test_a_limit_is_given_once_and_in_a_known_unit(tmp_path, toy_dataset, unit):
    from harness.suite.load import load_suite

    suite = tmp_path / "suite.yaml"
    suite.write_text(SUITE.format(toy=toy_dataset.folder).replace("hours: 1", unit))
    with pytest.raises(ValueError, match=r"suite\.yaml:\d+: "):
        load_suite(suite)


def test_two_groups_of_workers_take_turns(groups):
    """Either alone fills both CPUs; the second gets them when the first has ended."""
    (key,) = keys(groups, "steps")
    assert [row["world"] for row in groups.store.history(key)] == [2.0, 2.0]
    (stopped,) = keys(groups, "endless")
    (begun, _) = spans(groups, "steps")[0]
    assert groups.store.failure(stopped)["at"] <= begun
    assert {groups.states[key] for key in keys(groups, "pixel")} == {"done"}


def test_a_group_of_workers_over_its_limit_ends_with_all_its_processes(groups):
    (key,) = keys(groups, "endless")
    assert groups.store.failure(key)["error"] == "over its time limit of 4 seconds"
    assert_gone(groups, "endless", workers=2)


def test_status_says_what_was_lost(tmp_path, limited, capsys):
    from harness.plan.listing import print_status

    store = RunStore(limited.store.folder)
    job = store.plan().jobs[keys(limited, "pixel")[0]]
    for reason in ("node died", "worker died", "node died"):
        store.record_loss(job, reason)
    try:
        assert store.losses() == {job.key: ["node died", "worker died", "node died"]}
        print_status(store)
    finally:
        (store.folder / "lost" / f"{job.key}.json").unlink()
    said = capsys.readouterr().out
    assert "attempts lost: 3 (2 node died, 1 worker died)" in said
    assert "over its time limit of 6 seconds" in said
