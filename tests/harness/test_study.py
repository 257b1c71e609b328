"""Studies from the suite to the store: what they see, what they share, what they leave."""

import json
from pathlib import Path

import numpy as np
import pytest

from harness.context import LocalContext
from harness.engine.studies import write_result
from harness.engine.work import do_job
from harness.errors import UserError
from harness.plan.build import build_plan
from harness.plan.jobs import Plan
from harness.plan.listing import print_plan
from harness.registry import STUDIES, load_study
from harness.store import RunStore
from harness.study import Study, StudyResult
from harness.suite.load import load_suite
from harness.sweep import frozen_suite

SUITE = """\
name: studied
datasets:
  toy: {{prepared: {toy}}}
  other: {{prepared: {other}}}
settings:
  - {{within: toy, protocol: 2-fold}}
  - {{train: toy, test: other}}
methods:
  pixel: {{method: "toy_methods:Pixel"}}
studies:
  bare: {{study: "toy_studies:Brightness"}}
  own: {{study: "toy_studies:Brightness", options: {{stage: train}}}}
  away: {{study: "toy_studies:Brightness", options: {{stage: other}}}}
  across: {{study: "toy_studies:Brightness", on: toy → other, options: {{stage: train}}}}
  nowhere: {{study: "toy_studies:Brightness", on: 1, options: {{stage: other}}}}
  either: {{study: "toy_studies:Brightness", on: 1, options: {{stage: other or train}}}}
"""


@pytest.fixture
def suite_of(tmp_path, toy_dataset, other_dataset):
    def suite_of(text=SUITE):
        file = tmp_path / "suite.yaml"
        file.write_text(text.format(toy=toy_dataset.folder, other=other_dataset.folder))
        return load_suite(file)

    return suite_of


@pytest.fixture
def plan(suite_of):
    return build_plan(suite_of())


def study_job(plan, name):
    return plan.jobs[next(s.job for s in plan.studies if s.study == name)]


def run_everything(plan, suite, folder):
    store = RunStore(folder)
    store.begin(plan, frozen_suite(suite))
    for job in plan.jobs.values():
        do_job(job, plan.splits.get(job.split), folder)
    return store


def test_one_job_a_study_on_the_first_fold_of_its_setting(plan):
    found = {s.study: (s.setting, s.fold, s.protocol, s.seed) for s in plan.studies}
    assert found == {
        "bare": ("toy 2-fold", "1", "2-fold", 0),
        "own": ("toy 2-fold", "1", "2-fold", 0),
        "away": ("toy 2-fold", "1", "2-fold", 0),
        "across": ("toy → other", "1", "cross-dataset", 0),
        "either": ("toy → other", "1", "cross-dataset", 0),
    }
    assert all(plan.jobs[s.job].kind == "study" for s in plan.studies)
    seen = set()
    for key, job in plan.jobs.items():
        assert set(job.needs) <= seen
        seen.add(key)


def test_a_stage_of_a_study_is_that_of_the_methods(plan, suite_of):
    """The stage of `own` is the job that a method's stage with the same options would be."""
    own = study_job(plan, "own")
    text = SUITE.replace(
        "studies:", '  staged: {{method: "toy_methods:OnStage"}}\nstudies:', 1
    ).replace("stage: train}}}}\n  away", "stage: train}}}}\n  away")
    with_method = build_plan(suite_of(text))
    assert study_job(with_method, "own").key == own.key
    stages = [job for job in plan.jobs.values() if job.kind == "stage"]
    # `own`; `away` on other; `across` and `either` share the one of the cross-dataset split.
    assert len(stages) == 3
    assert study_job(plan, "across").needs == study_job(plan, "either").needs


def test_what_cannot_be_trained_elsewhere_is_left_out_and_said(plan, capsys):
    assert [(o.name, o.setting) for o in plan.omitted] == [("nowhere", "toy → other")]
    assert "the suite has none" in plan.omitted[0].reason
    print_plan(plan, dict.fromkeys(plan.jobs, "waiting"))
    said = capsys.readouterr().out
    assert "not planned: nowhere · toy → other: it needs a network" in said
    assert "3 cells, 5 studies, " in said
    assert "study    own · toy 2-fold" in said


def test_a_plan_with_studies_survives_json_and_older_plans_are_read(plan):
    data = json.loads(json.dumps(plan.to_json()))
    again = Plan.from_json(data)
    assert (again.studies, again.omitted) == (plan.studies, plan.omitted)
    del data["studies"], data["omitted"]
    old = Plan.from_json(data)
    assert (old.studies, old.omitted) == ((), ())


def test_options_seed_and_code_version_change_the_key(plan, suite_of, monkeypatch):
    before = {s.study: s.job for s in plan.studies}
    changed = build_plan(
        suite_of(SUITE.replace("stage: other}}}}\n  ac", "stage: other, bins: 5}}}}\n  ac"))
    )
    after = {s.study: s.job for s in changed.studies}
    assert {name for name in before if before[name] != after[name]} == {"away"}
    two = build_plan(suite_of(SUITE + "seeds: [0, 1]\n"))
    assert [s.seed for s in two.studies if s.study == "own"] == [0, 1]
    assert len({s.job for s in two.studies}) == 2 * len(before)
    import toy_studies

    monkeypatch.setattr(toy_studies.Brightness, "code_version", 2)
    assert not set(before.values()) & {s.job for s in build_plan(suite_of()).studies}


def test_studies_see_whom_no_network_of_theirs_has_seen(plan, suite_of, tmp_path, toy_dataset):
    store = run_everything(plan, suite_of(), tmp_path / "run")
    assert set(store.states(plan).values()) == {"done"}
    found = {s.study: store.study(s.job)[0] for s in plan.studies}
    everybody = np.unique(toy_dataset.table.subjects.astype(str)).tolist()
    assert found["bare"]["subjects"] == everybody
    assert found["away"]["subjects"] == everybody
    test = plan.splits[study_job(plan, "own").split].test
    assert tuple(found["own"]["subjects"]) == test
    assert len(found["across"]["subjects"]) == 5
    assert found["own"]["positives"] > 0  # a study is given labels
    counts = store.study(study_job(plan, "bare").key)[1]["counts/all"]
    assert counts.sum() == len(toy_dataset.table.subjects)
    assert store.result(study_job(plan, "own").key)["part"] == "test"
    # Features are extracted once a dataset, whoever reads them.
    assert sum(job.kind == "feature" for job in plan.jobs.values()) == 2

    file = store.job_folder(study_job(plan, "own").key) / "study.npz"
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(UserError, match=r"study.npz is missing or damaged"):
        store.study(study_job(plan, "own").key)
    with pytest.raises(UserError, match=r"study.json is missing"):
        store.study(next(c.job for c in plan.cells))


def test_a_study_of_people_its_network_has_seen_is_refused(plan, suite_of, tmp_path):
    folder = tmp_path / "run"
    store = run_everything(plan, suite_of(), folder)
    job = study_job(plan, "own")
    card = store.job_folder(job.spec["stages"]["pixel"]) / "model" / "card.json"
    data = json.loads(card.read_text())
    data["stage_subjects"] = [plan.splits[job.split].test[0]]
    card.write_text(json.dumps(data))
    (store.job_folder(job.key) / "result.json").unlink()
    with pytest.raises(UserError, match=r"has seen test subject"):
        do_job(job, plan.splits[job.split], folder)


@pytest.mark.parametrize(
    ("study", "line", "message"),
    [
        ("x: {{study: embeding}}", 11, "did you mean 'embedding'"),
        ("x: {{study: 'toy_methods:Pixel'}}", 11, "is not a study"),
        ("x: {{study: 'toy_studies:Brightness', options: {{bin: 3}}}}", 11, "unknown key 'bin'"),
        ("x: {{study: 'toy_studies:Brightness', options: {{bins: 0}}}}", 11, "options.bins"),
        ("x: {{study: 'toy_studies:Brightness', on: 2}}", 11, "no setting at position 2"),
        ("x: {{study: 'toy_studies:Brightness', on: -1}}", 11, "no setting at position -1"),
        ("x: {{study: 'toy_studies:Brightness', on: toy 3-fold}}", 11, "unknown setting"),
        ("x: {{study: 'toy_studies:Brightness', of: 1}}", 11, "unknown key 'of'; valid: study, on"),
        ("x: {{study: 'toy_studies:Brightness', resources: {{workers: 2}}}}", 11, "one process"),
        ("[a]", 10, "studies"),
    ],
)
def test_mistakes_are_named_with_their_line(suite_of, study, line, message):
    head = SUITE[: SUITE.index("studies:")] + "studies:\n  "
    with pytest.raises(UserError) as caught:
        build_plan(suite_of(head + study + "\n"))
    said = str(caught.value)
    assert "\n" not in said
    assert f"suite.yaml:{line}" in said
    assert message in said


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (StudyResult(values={"x": float("nan")}), "not plain JSON"),
        (StudyResult(values={"x": np.float32(1)}), "not plain JSON"),
        (StudyResult(values={}, arrays={"a": np.array([object()])}), "cannot be kept"),
        (StudyResult(values={}, arrays={"../a": np.zeros(1)}), "cannot be kept"),
    ],
)
def test_what_cannot_be_kept_is_refused(tmp_path, result, message):
    with pytest.raises(UserError, match=message):
        write_result(result, tmp_path, "toy")
    assert not (tmp_path / "study.json").exists()


def test_every_registered_study_loads_and_says_what_it_needs():
    for name in STUDIES:
        study = load_study(name)()
        assert isinstance(study, Study)
        assert study.needs().workers == 1
        assert study.features() or study.stages()


def test_a_bare_name_is_a_study_with_default_options(suite_of):
    head = SUITE[: SUITE.index("studies:")]
    plan = build_plan(suite_of(head + "studies:\n  filters:\n"))
    assert [(s.study, s.kind) for s in plan.studies] == [("filters", "filters")]


def test_a_study_runs_in_a_bare_process(toy_dataset, tmp_path):
    from toy_studies import Brightness

    from harness.data.features import extract_feature

    extract_feature(toy_dataset, "mean", "toy_studies:MeanFace", {})
    frames = toy_dataset.frames({"mean_face": "mean"})
    found = Brightness().study(frames, LocalContext(Path(tmp_path)))
    assert found.values["positives"] > 0


def test_a_row_of_predictions_leaves_the_studies_as_they_are(plan, suite_of, tmp_path):
    """Its plan is of one setting, where `on: 1` would point nowhere; the run keeps all studies."""
    from harness.predictions.method import PredictedOptions
    from harness.predictions.row import add_row, old_target
    from tests.harness.predictions.written import plain

    suite = suite_of()
    store = run_everything(plan, suite, tmp_path / "run")
    dataset = str(suite.spec.datasets["toy"].prepared)
    target = old_target(store, dataset, "2-fold")
    file = tmp_path / "p.csv"
    plain(target.dataset.table).to_csv(file, index=False)
    options = PredictedOptions(file=str(file), kind="probability")
    add_row(store, target, "theirs", options, drop_extra=False)
    joined = store.plan()
    assert joined.studies == plan.studies
    assert "theirs" in joined.methods
    assert set(store.states(joined).values()) == {"done"}
