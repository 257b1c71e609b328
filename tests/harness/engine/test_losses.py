"""What a job's end says: its own fault, or an attempt that the cluster lost."""

import pytest
import ray.exceptions as gone

from harness.engine.losses import (
    RETRIES,
    describe_failure,
    describe_limit,
    describe_loss,
    loss,
    may_retry,
)


def in_task(cause):
    return gone.RayTaskError("do_in_ray", "Traceback ...", cause)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (gone.WorkerCrashedError(), "worker died"),
        (gone.OutOfMemoryError("memory"), "out of memory"),
        (gone.NodeDiedError("node"), "node died"),
        (gone.ObjectLostError("00" * 28, None, ""), "node died"),
        (in_task(gone.ActorDiedError()), "worker died"),
        (in_task(ValueError("planted")), None),
        (in_task(MemoryError("80 GiB")), None),
        (in_task(OSError(28, "No space left on device")), None),
    ],
)
def test_what_the_cluster_lost_is_told_from_what_a_job_raised(error, reason):
    assert loss(error) == reason


def test_retries_are_bounded_for_each_reason():
    for reason, bound in RETRIES.items():
        assert may_retry([reason] * bound)
        assert not may_retry([reason] * (bound + 1))
    assert may_retry(["node died"] * 5 + ["worker died"])


def test_each_end_has_one_clear_line():
    assert describe_loss(["worker died"] * 3)["error"] == "its worker process died, 3 times"
    assert "ran out of memory, 3 times" in describe_loss(["out of memory"] * 3)["error"]
    full = in_task(OSError(28, "No space left on device", "/data/runs/x"))
    assert describe_failure(full)["error"] == (
        "OSError: [Errno 28] No space left on device: '/data/runs/x'"
    )


def test_a_failure_names_the_last_line_of_the_users_own_code():
    trace = (
        'File "/usr/lib/python3/ray/worker.py", line 9, in run\n'
        'File "/home/me/mine.py", line 23, in fit\n'
        'File "/home/me/.venv/lib/python3.11/site-packages/sklearn/base.py", line 7, in fit\n'
    )
    failed = gone.RayTaskError("do_in_ray", trace, KeyError("nope"))
    assert describe_failure(failed)["error"] == "KeyError: 'nope' (mine.py:23)"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (7200, "2 hours"),
        (3600, "1 hour"),
        (90, "1.5 minutes"),
        (2, "2 seconds"),
        (0.5, "0.5 seconds"),
    ],
)
def test_a_limit_is_said_in_the_unit_that_fits(seconds, said):
    assert describe_limit(seconds)["error"] == f"over its time limit of {said}"
