"""A sweep on a cluster of several nodes whose processes are killed: nothing is lost, run twice, or
changed.

The short version of `python -m benchmarks.faults`, in a process of its own so that no other Ray of
the tests is in its way. The long one kills more, and fills a disk and a node's memory.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_kills_at_random_times_lose_nothing_and_change_no_table(tmp_path):
    command = [sys.executable, "-m", "benchmarks.faults", "--only-kills"]
    command += ["--kills", "2", "--seed", "1", "--seeds", "1", "--steps", "16"]
    done = subprocess.run(
        [*command, "--folder", str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert sum(found["kills"].values()) == 2
    assert found["kills"].keys() == {"driver", "raylet"}
    assert found["lost"]  # the cluster's part of it was noticed, counted and tried again
    assert found["executions"] >= found["trainings"]
    assert found["wrong"] == []
