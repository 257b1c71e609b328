"""A suite's search as a value: who is told what, which stages are shared, and what is refused."""

import pickle

import pytest

from harness.errors import UserError
from harness.plan.build import build_plan
from harness.search.planning import plan_search
from harness.store import RunStore
from harness.suite.load import load_suite


def planned(file):
    return plan_search(load_suite(file), RunStore(file.parent / "run"))


def test_no_trial_is_told_who_is_tested(suite):
    file = suite(folds=3)
    plan = planned(file)
    whole = build_plan(load_suite(file))
    by_fold = {split.fold: split for split in whole.splits.values()}
    assert [task.fold for task in plan.tasks] == ["1", "2", "3"]
    for task in plan.tasks:
        outer = by_fold[task.fold]
        assert task.split.test == ()
        assert (task.split.train, task.split.validation) == (outer.train, outer.validation)
        told = pickle.dumps(task)  # all that is sent to the process of a trial
        assert outer.test
        assert not [subject for subject in outer.test if subject.encode() in told]


def test_a_task_with_test_subjects_cannot_be_made(suite):
    from dataclasses import replace

    file = suite()
    task = planned(file).tasks[0]
    outer = next(iter(build_plan(load_suite(file)).splits.values()))
    with pytest.raises(AssertionError, match="who is tested"):
        replace(task, split=outer)


def test_stages_that_the_searched_options_do_not_reach_are_shared(suite):
    plan = planned(suite(method="OnShared"))
    assert [job.kind for job in plan.shared.jobs.values()] == ["stage", "stage"]
    assert {job.spec["method"] for job in plan.shared.jobs.values()} == {"toy_methods:Pixel"}
    whole = build_plan(load_suite(suite(method="OnShared")))
    assert set(plan.shared.jobs) <= set(whole.jobs)  # the run's own jobs, not others like them
    for task in plan.tasks:
        assert len(task.stages) == 1


def test_the_lstm_shares_its_cnn_and_has_the_paper_s_space(suite):
    text = """\
name: small
datasets:
  toy: {{prepared: {toy}}}
settings:
  - {{within: toy, protocol: {folds}-fold}}
methods:
  lstm: {{options: {{size: small}}}}
search: {{method: lstm}}
"""
    plan = planned(suite(text=text))
    assert {job.spec["method"] for job in plan.shared.jobs.values()} == {"hybrid.methods:Cnn"}
    assert [d.name.partition(".")[2] for d in plan.dimensions] == [
        "layers",
        "margin",
        "hidden",
        "dropout",
        "lr",
    ]
    assert plan.dimensions[0].grid() == [1, 2, 3, 4, 5]
    assert plan.reference["sequence.layers"] == 3
    assert plan.reference["sequence.margin"] == 0.5
    assert (plan.num_trials, plan.stops_early) == (30, True)
    searched = text.replace("{{method: lstm}}", "{{method: lstm, space: {{cnn.lr: [0.1, 0.2]}}}}")
    assert not planned(suite(text=searched)).shared.jobs  # then every trial trains its own


def test_baselines_are_searched_by_one_number_where_they_take_a_list(suite):
    text = """\
name: small
datasets:
  toy: {{prepared: {toy}}}
settings:
  - {{within: toy, protocol: {folds}-fold}}
methods:
  svm: {{}}
search:
  method: svm
  space: {{C: {{loguniform: [0.01, 10]}}, patch: [32, 36]}}
"""
    plan = planned(suite(text=text))
    method = plan.tasks[0].method({"C": 0.5, "patch": 32})
    assert method.options["C"] == (0.5,) or method.options["C"] == [0.5]
    features = [job for job in plan.shared.jobs.values() if job.kind == "feature"]
    assert {job.spec["options"]["patch"] for job in features} == {32, 36}


MISTAKES = {
    "space: {inner.deep: [1, 2]}": "has no option 'deep' under 'inner'; did you mean 'depth'?",
    "space: {innr.depth: [1, 2]}": "has no option 'innr'; did you mean 'inner'?",
    "space: {epochs.inner: [1, 2]}": "'epochs' of method 'planted' has no options inside it",
    "space: {inner: [1, 2]}": "it is a group of options: name one inside it, such as inner.depth",
    "space: {inner.depth: [0, 1]}": "0 is no value for it: Input should be greater than",
    "space: {inner.margin: {uniform: [0.5, 0.5]}}": "the range is empty: 0.5 is not below 0.5",
    "reference: {epochs: 3}": "'epochs' is not among the searched options",
    "reference: {inner.depth: 9}": "inner.depth: 9 lies outside the search space",
    "setting: nowhere": "unknown setting 'nowhere'",
    "setting: 4": "no setting at position 4: the suite has 1",
    "algorithm: grid\n  trials: 3": "a grid has as many trials as it has points",
    "tries: 3": "unknown key 'tries'; did you mean 'trials'?",
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_line_with_its_place(suite, mistake):
    text = """\
name: planted
datasets:
  toy: {{prepared: {toy}}}
settings:
  - {{within: toy, protocol: {folds}-fold}}
methods:
  planted: {{method: "toy_search:{method}"}}
search:
  method: planted
"""
    if "space" not in mistake:
        text += "  space: {{inner.depth: {{int: [1, 6]}}}}\n"
    file = suite(text=text + "  " + mistake.replace("{", "{{").replace("}", "}}") + "\n")
    with pytest.raises(UserError) as error:
        planned(file)
    said = str(error.value)
    assert "\n" not in said
    assert MISTAKES[mistake] in said
    line = int(said.split(":")[1])
    assert line >= 8, said


def test_a_suite_without_a_search_or_with_another_method_says_so(suite):
    text = """\
name: planted
datasets:
  toy: {{prepared: {toy}}}
settings:
  - {{within: toy, protocol: {folds}-fold}}
methods:
  all-present: {{}}
"""
    with pytest.raises(UserError, match="has no 'search' block"):
        planned(suite(text=text))
    with pytest.raises(UserError, match=r":8: the suite has no method 'lstm'"):
        planned(suite(text=text + "search: {{method: lstm}}\n"))
    with pytest.raises(UserError, match="has no search space of its own"):
        planned(suite(text=text + "search: {{method: all-present}}\n"))


def test_what_changes_a_search_changes_its_key(suite):
    keys = [planned(suite(more)).key for more in ("seed: 0", "seed: 1", "trials: 9", "epochs: 2")]
    keys.append(planned(suite("seed: 0", options="epochs: 9")).key)
    assert len(set(keys)) == len(keys)
    assert planned(suite("seed: 0")).key == keys[0]
