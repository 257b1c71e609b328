"""A plan of jobs without cells: what counting and showing jobs needs, and no more."""

from harness.method import Needs
from harness.plan.jobs import Job, Plan


def bare_job(key, **changes):
    """A cell's job of 100 frames; ``changes`` are fields of it."""
    fields = {
        "key": key,
        "kind": "cell",
        "title": key,
        "group": "g",
        "needs": (),
        "resources": Needs(),
        "split": "",
        "num_frames": 100,
        "spec": {},
    }
    return Job(**{**fields, **changes})


def bare_plan(jobs):
    return Plan(
        suite="demo",
        description="",
        methods=(),
        settings=(),
        jobs={job.key: job for job in jobs},
        cells=(),
        splits={},
        datasets={},
    )
