"""Jobs that no node can hold: waited for on a cluster, since nodes may come, but not for ever."""

import pytest
import ray.exceptions
from bare_plan import bare_job, bare_plan

from harness.engine import loop
from harness.method import Needs
from harness.progress import Progress
from harness.store import RunStore


class FakeCluster:
    """A Ray whose nodes are said by the test; a job that a node can hold ends at once."""

    def __init__(self, clock):
        self.clock, self.node_cpus, self.asked, self.cancelled = clock, [], {}, set()

    def nodes(self):
        return [{"Alive": True, "Resources": {"CPU": cpus}} for cpus in self.node_cpus]

    def remote(self, job, split, folder):
        self.asked[job.key] = job
        return job.key

    def wait(self, references, num_returns=1, timeout=None, fetch_local=True):
        self.clock[0] += timeout
        ends = [r for r in references if r in self.cancelled or self._held(self.asked[r])]
        return ends, [r for r in references if r not in ends]

    def _held(self, job):
        return any(job.resources.cpus <= cpus for cpus in self.node_cpus)

    def get(self, reference):
        if reference in self.cancelled:
            raise ray.exceptions.TaskCancelledError()
        return {}

    def cancel(self, reference, force, recursive):
        self.cancelled.add(reference)


@pytest.fixture
def cluster(monkeypatch):
    clock = [1000.0]
    fake = FakeCluster(clock)
    monkeypatch.setattr(loop.time, "monotonic", lambda: clock[0])
    for name in ("nodes", "wait", "get", "cancel"):
        monkeypatch.setattr(loop.ray, name, getattr(fake, name))
    monkeypatch.setattr(loop, "_task", lambda job: fake)
    return fake


@pytest.fixture
def sweep(tmp_path):
    jobs = [bare_job(f"small{i}", resources=Needs(cpus=1)) for i in range(3)]
    jobs += [bare_job(f"large{i:02}", resources=Needs(cpus=8)) for i in range(20)]
    plan = bare_plan(jobs)
    store = RunStore(tmp_path / "run")
    store.begin(plan, "")
    return plan, store, Progress(plan, dict.fromkeys(plan.jobs, "waiting"))


def test_a_local_run_says_at_once_what_it_cannot_hold(cluster, sweep):
    plan, store, progress = sweep
    cluster.node_cpus = [2]
    loop.run_sweep(plan, store, progress)
    assert progress.count("done") == 3
    assert progress.count("failed") == 20
    assert store.failure("large00")["error"] == "needs 8 CPU, the cluster has 2"
    assert set(cluster.asked) == {"small0", "small1", "small2"}
    assert cluster.clock[0] < 1000 + 30


def test_a_cluster_is_given_time_once_and_not_for_each_job(cluster, sweep):
    plan, store, progress = sweep
    cluster.node_cpus = [2]
    loop.run_sweep(plan, store, progress, joined=True)
    assert (progress.count("done"), progress.count("failed")) == (3, 20)
    assert any(key.startswith("large") for key in cluster.asked)  # an autoscaler sees them
    waited = cluster.clock[0] - 1000
    assert loop.NODES_PATIENCE <= waited < loop.NODES_PATIENCE + 30


def test_nodes_that_come_in_time_are_used(cluster, sweep, monkeypatch):
    plan, store, progress = sweep
    cluster.node_cpus = [2]
    known = cluster.nodes

    def nodes():
        if cluster.clock[0] > 1100:
            cluster.node_cpus = [2, 8]
        return known()

    monkeypatch.setattr(loop.ray, "nodes", nodes)
    loop.run_sweep(plan, store, progress, joined=True)
    assert progress.count("done") == 23
