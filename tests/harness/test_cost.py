"""Estimates scale what was measured, prefer the same options, and never guess."""

import pytest
from bare_plan import bare_job, bare_plan

from harness.cost import Estimator, record_timing, timings_file
from harness.method import Needs


def job(key, method="m:A", frames=100, options=None, cpus=2.0):
    spec = {"method": method, "options": options or {}, "aus": [1, 2]}
    return bare_job(key, num_frames=frames, resources=Needs(cpus=cpus), spec=spec)


@pytest.fixture(autouse=True)
def empty_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("AUBENCH_CACHE", str(tmp_path))


def test_what_was_never_timed_is_not_guessed():
    assert Estimator().seconds(job("a")) is None


def test_an_estimate_scales_with_frames():
    record_timing(job("a", frames=100), 5.0)
    assert Estimator().seconds(job("b", frames=300)) == pytest.approx(15.0)


def test_the_same_options_count_before_the_same_method():
    record_timing(job("a", options={"C": 1}), 100.0)
    record_timing(job("b", options={"C": 2}), 1.0)
    assert Estimator().seconds(job("c", options={"C": 2})) == pytest.approx(1.0)
    assert Estimator().seconds(job("d", options={"C": 3})) == pytest.approx(50.5)


def test_a_line_cut_short_by_a_crash_is_passed_over():
    record_timing(job("a"), 5.0)
    with timings_file().open("a") as file:
        file.write('{"exact": "cel')
    assert Estimator().seconds(job("b")) == pytest.approx(5.0)


def test_the_sum_counts_what_is_left_only():
    jobs = {key: job(key) for key in "abc"} | {"x": job("x", method="m:B")}
    plan = bare_plan(jobs.values())
    record_timing(jobs["a"], 1800.0)
    states = {"a": "done", "b": "waiting", "c": "failed", "x": "waiting"}
    cost = Estimator().cost(plan, states)
    assert (cost.jobs, cost.untimed) == (3, 1)
    assert cost.cpu_hours == pytest.approx(2 * 0.5 * 2)
    assert cost.disk_bytes == 3 * 100 * 6 * 2


def test_disk_is_what_is_known_and_what_earlier_jobs_left():
    feature = bare_job("f", kind="feature", num_frames=10, spec={"name": "x", "dimension": 7})
    dataset = bare_job("d", kind="dataset", num_frames=10, spec={"recipe": {}})
    assert Estimator().disk(feature) == 10 * 7 * 2
    assert Estimator().disk(dataset) == 10 * (200 * 200 * 3 + 49 * 2 * 4)
    assert Estimator().disk(job("a")) == 100 * 6 * 2
    for size in (4000, 5000, 9000):
        record_timing(job("b"), 1.0, size)
    assert Estimator().disk(job("a")) == 5000


def test_the_largest_job_counts_all_of_its_workers():
    spec = {"method": "m:A", "options": {}, "aus": [1]}
    group = bare_job("g", resources=Needs(memory=3, workers=4), spec=spec)
    small = bare_job("s", resources=Needs(memory=5), spec=spec)
    plan = bare_plan([group, small])
    assert Estimator().cost(plan, {"g": "waiting", "s": "waiting"}).memory == 12
    assert Estimator().cost(plan, {"g": "done", "s": "done"}).memory == 0
