"""A stage from another dataset: which one, whom of it, and when there is none."""

import json
import shutil

import pytest
from toy_dataset import build_toy_dataset

from harness.engine.work import do_job
from harness.errors import UserError
from harness.plan.build import build_plan
from harness.store import RunStore
from harness.suite.load import load_suite
from harness.sweep import frozen_suite


@pytest.fixture(scope="module")
def datasets(tmp_path_factory):
    folder = tmp_path_factory.mktemp("three")
    built = {
        name: build_toy_dataset(folder / name, name, 4, 6, seed, aus)
        for seed, (name, aus) in enumerate(
            {"a": (1, 2, 12), "b": (1, 12), "c": (1, 2, 4), "d": (2, 4)}.items()
        )
    }
    # Two preparations of one dataset hold the same people.
    for name in ("bp4d", "bp4d-again"):
        built[name] = build_toy_dataset(folder / name, name, 4, 6, 9, (1, 2))
    return built


@pytest.fixture
def suite_of(tmp_path, datasets):
    def suite_of(names, settings, methods='  it: {method: "toy_studies:Elsewhere"}\n'):
        text = "name: t\ndatasets:\n"
        text += "".join(f"  {n}: {{prepared: {datasets[n].folder}}}\n" for n in names)
        text += f"settings:\n{settings}methods:\n{methods}"
        file = tmp_path / "suite.yaml"
        file.write_text(text)
        return load_suite(file)

    return suite_of


WITHIN = "  - {within: a, protocol: 2-fold}\n"
ACROSS = "  - {train: a, test: b}\n"


def stages_of(plan):
    return [job for job in plan.jobs.values() if job.kind == "stage"]


def test_within_a_dataset_the_stage_is_trained_once_on_all_of_the_other(suite_of, datasets):
    plan = build_plan(suite_of(["a", "b"], WITHIN))
    (stage,) = stages_of(plan)  # one for both folds
    split = plan.splits[stage.split]
    assert split.test == ()
    assert {*split.train, *split.validation} == set(datasets["b"].table.subjects)
    assert split.validation
    assert stage.spec["train_dataset"] == str(datasets["b"].folder)
    assert stage.spec["aus"] == [1, 12]  # what b has of the setting's
    assert [job.kind for job in plan.jobs.values() if stage.key in job.needs] == ["cell"] * 2
    assert stage.title == "Pixel · all of b"


def test_across_datasets_it_never_sees_the_tested_one(suite_of):
    plan = build_plan(suite_of(["a", "b"], WITHIN + ACROSS))
    assert {cell.setting for cell in plan.cells} == {"a 2-fold"}
    assert [(o.name, o.setting) for o in plan.omitted] == [("it", "a → b")]
    assert "than a and b, and the suite has none" in plan.omitted[0].reason
    third = build_plan(suite_of(["a", "b", "c"], ACROSS))
    assert not third.omitted
    assert stages_of(third)[0].spec["train_dataset"].endswith("/c")
    assert stages_of(third)[0].spec["aus"] == [1]


def test_of_several_other_datasets_one_must_be_named(suite_of):
    with pytest.raises(UserError, match=r"suite.yaml:\d+: a 2-fold: .*several \(b, c\): name one"):
        build_plan(suite_of(["a", "b", "c"], WITHIN))
    named = '  it: {method: "toy_studies:Elsewhere", options: {dataset: %s}}\n'
    plan = build_plan(suite_of(["a", "b", "c"], WITHIN, named % "c"))
    assert stages_of(plan)[0].spec["train_dataset"].endswith("/c")
    with pytest.raises(UserError, match=r"suite.yaml:\d+: unknown dataset 'e' to train on"):
        build_plan(suite_of(["a", "b", "c"], WITHIN, named % "e"))
    both = WITHIN + "  - {within: b, protocol: 2-fold}\n"
    left = build_plan(suite_of(["a", "b"], both, named % "b"))
    assert [o.reason for o in left.omitted] == ["b is a dataset that it trains or tests on itself"]


def test_with_a_fallback_it_is_trained_on_the_cells_own_split(suite_of):
    own = '  it: {method: "toy_studies:Elsewhere", options: {fallback: true}}\n'
    plan = build_plan(suite_of(["a", "b"], ACROSS, own))
    assert not plan.omitted
    assert stages_of(plan)[0].split == plan.jobs[plan.cells[0].job].split


def test_a_suite_of_which_nothing_is_left_is_refused(suite_of):
    with pytest.raises(UserError, match=r"suite.yaml:\d+: nothing to run: .*the suite has none"):
        build_plan(suite_of(["a"], WITHIN))


def test_no_shared_aus_is_a_reason(suite_of):
    settings = WITHIN.replace("a,", "b,")
    with pytest.raises(UserError, match="nothing to run: d has labels for none"):
        build_plan(suite_of(["b", "d"], settings))


def test_a_stage_below_stays_apart_from_the_cells_datasets_too(suite_of):
    """The inner stage of a stage on b must not go back to a, whose people are tested."""
    twice = '  it: {method: "toy_studies:OnElsewhere"}\n'
    with pytest.raises(UserError, match="than b and a, and the suite has none"):
        build_plan(suite_of(["a", "b"], WITHIN, twice))


def test_people_of_the_cells_dataset_are_not_trained_on(suite_of, datasets):
    settings = "  - {within: bp4d, protocol: 2-fold}\n"
    lonely = build_plan(suite_of(["bp4d", "c"], settings))
    assert len(lonely.splits[stages_of(lonely)[0].split].train) == 3
    with pytest.raises(UserError, match=r"everybody in it \('bp4d-again:S001', ...\) is also in"):
        build_plan(suite_of(["bp4d", "bp4d-again"], settings))


def test_a_model_remembers_whom_its_stages_have_seen(suite_of, tmp_path, datasets):
    suite = suite_of(["a", "b"], WITHIN)
    plan = build_plan(suite)
    folder = tmp_path / "run"
    store = RunStore(folder)
    store.begin(plan, frozen_suite(suite))
    for job in plan.jobs.values():
        do_job(job, plan.splits[job.split], folder)
    cell = plan.cells[0]
    card = json.loads((store.job_folder(cell.job) / "model" / "card.json").read_text())
    assert card["stage_subjects"] == sorted(set(datasets["b"].table.subjects))
    # A stage that has seen a tested person is found out where the cell is scored.
    stage = store.job_folder(stages_of(plan)[0].key) / "model" / "card.json"
    data = json.loads(stage.read_text())
    data["train_subjects"] = [plan.splits[plan.jobs[cell.job].split].test[0]]
    stage.write_text(json.dumps(data))
    job = plan.jobs[cell.job]
    shutil.rmtree(store.job_folder(cell.job))
    with pytest.raises(UserError, match="the model has seen test subject"):
        do_job(job, plan.splits[job.split], folder)
