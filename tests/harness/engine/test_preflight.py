"""What cannot work on a cluster is said in one line, before anything starts; on a real Ray."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from harness.engine.cluster import ray_cluster
from harness.engine.preflight import _look, _marked, check_room
from harness.engine.reach import check_reachable
from harness.errors import UserError
from harness.method import Needs
from harness.plan.jobs import Job
from harness.store import RunStore

TOYS = Path(__file__).parents[2] / "toys"
ROOT = Path(__file__).parents[3]
GB = 10**9
SHARED, APART = SimpleNamespace(everywhere=True), SimpleNamespace(everywhere=False)


def job(group, **needs):
    return Job(
        key=f"{group}-{needs}",
        kind="cell",
        title=group,
        group=group,
        needs=(),
        resources=Needs(**needs),
        split="",
        num_frames=1,
        spec={},
    )


SMALL = {"CPU": 8.0, "memory": 32.0 * GB}
WITH_GPU = {"CPU": 8.0, "GPU": 1.0, "memory": 32.0 * GB}


@pytest.mark.parametrize(
    ("needs", "nodes", "store"),
    [
        ({"cpus": 8}, [SMALL], SHARED),
        ({"gpus": 0.25}, [SMALL, WITH_GPU], SHARED),
        ({"gpus": 1, "workers": 2}, [WITH_GPU, WITH_GPU], SHARED),
        ({"cpus": 4, "workers": 2}, [SMALL], APART),
        ({"memory": 32 * GB}, [SMALL], SHARED),
    ],
)
def test_what_fits_is_let_through(needs, nodes, store):
    check_room([job("method", **needs)], nodes, store)


@pytest.mark.parametrize(
    ("needs", "nodes", "store", "said"),
    [
        ({"cpus": 9}, [SMALL, SMALL], SHARED, "holds 9 CPUs; the nodes are 2 with 8 CPUs, 0 GPUs"),
        ({"gpus": 1}, [SMALL], SHARED, "1 CPU, 1 GPU; the nodes are 1 with 8 CPUs, 0 GPUs"),
        ({"memory": 33 * GB}, [WITH_GPU], SHARED, "33.0 GB memory; .*32.0 GB memory"),
        ({"gpus": 1, "workers": 3}, [WITH_GPU] * 2, SHARED, "1 GPU on each of 3 workers"),
        ({"gpus": 1, "workers": 2}, [WITH_GPU] * 2, APART, "1 GPU on each of 2 workers"),
    ],
)
def test_what_no_node_can_hold_is_refused_in_one_line(needs, nodes, store, said):
    with pytest.raises(UserError, match=said) as caught:
        check_room([job("fits"), job("greedy", **needs)], nodes, store)
    assert "\n" not in str(caught.value)
    assert "job of greedy" in str(caught.value)
    assert "of fits" not in str(caught.value)


def test_an_autoscaler_may_still_bring_larger_nodes(capsys):
    check_room([job("greedy", gpus=1)], [SMALL], SHARED, grows=True)
    assert "waiting for the autoscaler" in capsys.readouterr().out


def test_a_node_says_what_it_does_not_see(tmp_path, toy_dataset):
    run, other = tmp_path / "run", tmp_path / "cache"
    ready = {str(toy_dataset.folder): toy_dataset.fingerprint}
    with _marked([str(run), str(other)]) as mark:
        assert _look(str(run), [str(run), str(other)], mark, ready) == ""
        (other / mark).unlink()  # as on a node that has another disk there
        assert f"does not see {other}: " in _look(str(run), [str(run), str(other)], mark, ready)
        changed = {str(toy_dataset.folder): "another"}
        assert "another dataset at" in _look(str(run), [], mark, changed)
        gone = {str(tmp_path / "gone"): "x"}
        assert "gone is not a prepared dataset" in _look(str(run), [], mark, gone)
    assert not list(run.iterdir())


def test_a_folder_that_cannot_be_written_to_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"cannot write to the run folder .*/file/run: Not a dir"):
        RunStore(tmp_path / "file" / "run").check_writable()


def test_a_cluster_that_is_joined_keeps_its_own_size():
    with pytest.raises(UserError, match="has its own"), ray_cluster("127.0.0.1:1", cpus=2):
        pass


def test_an_address_where_nothing_answers_is_said_at_once():
    begun = time.monotonic()
    with pytest.raises(UserError, match=r"127.0.0.1:9.*nothing answers there .Connection refused"):
        check_reachable("127.0.0.1:9")
    with pytest.raises(UserError, match="give 'auto' or host:port"):
        check_reachable("somewhere")
    assert time.monotonic() - begun < 5


def test_a_token_that_is_asked_for_and_not_there_is_said(tmp_path, monkeypatch):
    for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("HOME", str(tmp_path))
    with socket.create_server(("127.0.0.1", 0)) as somebody:
        address = f"127.0.0.1:{somebody.getsockname()[1]}"
        with pytest.raises(UserError, match="RAY_AUTH_MODE=token is set and there is no token"):
            check_reachable(address)


# --- on a real cluster --------------------------------------------------------------------------


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


class Head:
    """A real head node of one CPU that wants a token, and commands given to it."""

    def __init__(self, folder):
        self.folder = folder
        self.port = free_port()
        self.env = {
            **{key: value for key, value in os.environ.items() if not key.startswith("RAY_")},
            "HOME": str(folder),
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(TOYS)]),
            "RAY_AUTH_MODE": "token",
            "RAY_USAGE_STATS_ENABLED": "0",
        }
        self.ray("get-auth-token", "--generate")
        command = [*self.python("ray.scripts.scripts"), "start", "--head", "--block"]
        command += [f"--port={self.port}", "--num-cpus=1", "--include-dashboard=false"]
        self.log = (folder / "head.log").open("w")
        self.process = subprocess.Popen(
            command, env=self.env, stdout=self.log, stderr=self.log, start_new_session=True
        )
        deadline = time.monotonic() + 90
        while "Ray runtime started" not in (folder / "head.log").read_text():
            assert time.monotonic() < deadline, (folder / "head.log").read_text()
            assert self.process.poll() is None, (folder / "head.log").read_text()
            time.sleep(0.2)

    @staticmethod
    def python(module):
        return [sys.executable, "-m", module]

    def ray(self, *arguments):
        subprocess.run(
            [*self.python("ray.scripts.scripts"), *arguments],
            env=self.env,
            check=True,
            capture_output=True,
        )

    def run(self, suite, out, **env):
        command = [*self.python("harness"), "run", str(suite), "--out", str(out)]
        command += ["--address", f"127.0.0.1:{self.port}"]
        changed = {k: v for k, v in {**self.env, **env}.items() if v is not None}
        return subprocess.run(
            command, env=changed, cwd=self.folder, capture_output=True, text=True, timeout=120
        )

    def stop(self):
        self.process.terminate()
        self.process.wait(30)
        self.log.close()


@pytest.fixture(scope="module")
def head(tmp_path_factory):
    found = Head(tmp_path_factory.mktemp("head"))
    yield found
    found.stop()


SUITE = """\
name: asks
datasets:
  toy: {{prepared: {toy}}}
settings:
  - {{within: toy, protocol: 2-fold}}
methods:
  pixel: {{method: "toy_methods:Pixel", resources: {{{resources}}}}}
"""


def suite_that_asks(folder, toy, resources):
    file = folder / "suite.yaml"
    file.write_text(SUITE.format(toy=toy.folder, resources=resources))
    return file


def last_line(ended):
    lines = [li for li in ended.stderr.splitlines() if li.startswith("aubench: ")]
    assert len(lines) == 1, ended.stderr
    assert "Traceback" not in ended.stderr
    return lines[0]


def test_a_cluster_that_wants_a_token_says_so(head, tmp_path, toy_dataset):
    suite = suite_that_asks(tmp_path, toy_dataset, "cpus: 1")
    ended = head.run(suite, tmp_path / "run", RAY_AUTH_MODE=None, HOME=str(tmp_path))
    assert ended.returncode == 2
    assert "wants a token" in last_line(ended)
    assert "RAY_AUTH_MODE=token" in last_line(ended)


def test_a_cluster_without_the_gpu_that_a_suite_asks_for_is_refused(head, tmp_path, toy_dataset):
    suite = suite_that_asks(tmp_path, toy_dataset, "gpus: 1")
    ended = head.run(suite, tmp_path / "run")
    assert ended.returncode == 2
    assert "no node is large enough: 2 jobs of pixel each hold 1 CPU, 1 GPU" in last_line(ended)
    assert not list((tmp_path / "run" / "failed").iterdir())


def test_a_cluster_of_another_ray_is_refused_and_then_used(head, tmp_path, toy_dataset):
    said = (
        "import sys\n"
        "from ray._raylet import GcsClient\n"
        "client = GcsClient(address=sys.argv[1])\n"
        "old = client.internal_kv_get(b'CLUSTER_METADATA', b'cluster')\n"
        "client.internal_kv_put(b'CLUSTER_METADATA', sys.argv[2].encode() or old, True, b'cluster')\n"
        "print(old.decode())\n"
    )

    def says(text):
        command = [sys.executable, "-c", said, f"127.0.0.1:{head.port}", text]
        ended = subprocess.run(command, env=head.env, capture_output=True, text=True, check=True)
        return ended.stdout.splitlines()[-1]

    suite = suite_that_asks(tmp_path, toy_dataset, "cpus: 1")
    old = says('{"ray_version": "2.9.3", "python_version": "3.8.19"}')
    try:
        ended = head.run(suite, tmp_path / "run")
    finally:
        says(old)
    assert ended.returncode == 2
    assert "runs Ray 2.9.3, Python 3.8.19, this process Ray" in last_line(ended)
    ended = head.run(suite, tmp_path / "run")  # and with its own versions it does the suite
    assert ended.returncode == 0, ended.stderr
    assert "[  2/2] done    pixel" in ended.stdout


@pytest.fixture
def node_apart(head, tmp_path):
    """A second node that has a disk of its own where the first keeps its runs."""
    (tmp_path / "own").mkdir()
    isolated = ["unshare", "--mount", "sh", "-c"]
    mount = f"mount -t tmpfs none '{tmp_path}/own'"
    if subprocess.run([*isolated, mount], capture_output=True).returncode:
        pytest.skip("this user may not mount a file system of their own")
    start = [*head.python("ray.scripts.scripts"), "start", "--block", "--num-cpus=1"]
    start += [f"--address=127.0.0.1:{head.port}"]
    log = (tmp_path / "node.log").open("w")
    process = subprocess.Popen(
        [*isolated, f'{mount} && exec "$@"', "node", *start],
        env=head.env,
        stdout=log,
        stderr=log,
        start_new_session=True,
    )
    deadline = time.monotonic() + 90
    while "Ray runtime started" not in (tmp_path / "node.log").read_text():
        assert time.monotonic() < deadline, (tmp_path / "node.log").read_text()
        time.sleep(0.2)
    yield tmp_path / "own"
    process.terminate()
    process.wait(30)
    log.close()


def test_a_node_that_does_not_see_the_run_folder_is_named(head, node_apart, tmp_path, toy_dataset):
    suite = suite_that_asks(tmp_path, toy_dataset, "cpus: 1")
    ended = head.run(suite, node_apart / "run")
    assert ended.returncode == 2
    assert f"does not see {node_apart / 'run'}: the run folder (--out)" in last_line(ended)
    assert "s3://" in last_line(ended)
    assert not list((node_apart / "run" / "jobs").iterdir())
