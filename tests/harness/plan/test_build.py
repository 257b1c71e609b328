"""What a plan is made of: keys that change exactly when a result could, and shared work."""

import json
import shutil
import time
from dataclasses import replace

import pytest

from harness.errors import UserError
from harness.plan.build import build_plan
from harness.plan.jobs import Plan
from harness.suite.load import load_suite

SUITE = """\
name: trial
datasets:
  toy: {{prepared: {toy}}}
  other: {{prepared: {other}}}
settings:
  - {{within: toy, protocol: 3-fold}}
  - {{train: toy, test: other}}
methods:
  pixel: {{method: "toy_methods:Pixel", options: {{scale: {scale}}}}}
  staged: {{method: "toy_methods:OnStage"}}
  twin: {{method: "toy_methods:OnStage", options: {{scale: 5.0}}}}
"""


@pytest.fixture
def plan_of(tmp_path, toy_dataset, other_dataset):
    def plan_of(scale=1.0, extra=""):
        file = tmp_path / "suite.yaml"
        text = SUITE.format(toy=toy_dataset.folder, other=other_dataset.folder, scale=scale)
        file.write_text(text + extra)
        return build_plan(load_suite(file))

    return plan_of


def test_every_cell_has_its_job_and_every_need_stands_before_it(plan_of):
    plan = plan_of()
    assert len(plan.cells) == (3 + 1) * 3
    seen = set()
    for key, job in plan.jobs.items():
        assert set(job.needs) <= seen
        seen.add(key)
    assert {cell.job for cell in plan.cells} <= seen


def test_methods_that_ask_for_the_same_stage_share_it(plan_of):
    plan = plan_of()
    stages = [job for job in plan.jobs.values() if job.kind == "stage"]
    assert len(stages) == 4  # one a split, for two rows
    for stage in stages:
        assert sum(stage.key in job.needs for job in plan.jobs.values()) == 2


def test_an_option_changes_the_keys_of_its_own_cells_only(plan_of):
    before = {(c.method, c.setting, c.fold): c.job for c in plan_of(1.0).cells}
    after = {(c.method, c.setting, c.fold): c.job for c in plan_of(2.0).cells}
    changed = {key for key in before if before[key] != after[key]}
    assert changed == {key for key in before if key[0] == "pixel"}


def test_seed_and_code_version_change_keys(plan_of, monkeypatch):
    before = {cell.job for cell in plan_of().cells}
    assert not before & {cell.job for cell in plan_of(extra="seeds: [7]\n").cells}
    import toy_methods

    monkeypatch.setattr(toy_methods.Pixel, "code_version", 2)
    after = {cell.job for cell in plan_of().cells}
    assert not before & after


def test_a_renamed_row_keeps_its_results(tmp_path, plan_of):
    before = {c.job for c in plan_of().cells if c.method == "pixel"}
    file = tmp_path / "suite.yaml"
    file.write_text(file.read_text().replace("  pixel:", "  brightness:"))
    after = {c.job for c in build_plan(load_suite(file)).cells if c.method == "brightness"}
    assert before == after


def test_one_split_has_one_seed_for_all_methods(plan_of):
    plan = plan_of()
    by_split = {}
    for cell in plan.cells:
        job = plan.jobs[cell.job]
        by_split.setdefault(job.split, set()).add(job.spec["seed"])
    assert all(len(seeds) == 1 for seeds in by_split.values())
    assert len({min(seeds) for seeds in by_split.values()}) == len(by_split)


def test_cross_dataset_uses_the_shared_aus_and_all_test_subjects(plan_of):
    plan = plan_of()
    cell = next(c for c in plan.cells if c.setting == "toy → other")
    job = plan.jobs[cell.job]
    assert job.spec["aus"] == [1, 12]
    assert len(plan.splits[job.split].test) == 5


def test_a_plan_survives_json(plan_of):
    plan = plan_of()
    again = Plan.from_json(json.loads(json.dumps(plan.to_json())))
    assert again == replace(plan, jobs=dict(plan.jobs))


def test_many_cells_are_planned_quickly(plan_of):
    """A tenth of a 100,000-cell plan; the bound leaves room for a busy machine."""
    seeds = f"seeds: {list(range(850))}\n"
    begun = time.perf_counter()
    plan = plan_of(extra=seeds)
    assert len(plan.cells) == 850 * 12
    assert time.perf_counter() - begun < 6


def test_people_recorded_together_stay_together(tmp_path, toy_dataset):
    file = tmp_path / "suite.yaml"
    suite = (
        "name: t\ndatasets: {{toy: {{prepared: {folder}{groups}}}}}\n"
        "settings: [{{within: toy, protocol: 3-fold}}]\nmethods: {{majority: }}\n"
    )
    file.write_text(suite.format(folder=toy_dataset.folder, groups=", groups: 'S0(?P<group>0).'"))
    with pytest.raises(UserError, match=r"suite.yaml:3.*group"):  # everybody in one group
        build_plan(load_suite(file))
    file.write_text(suite.format(folder=toy_dataset.folder, groups=", groups: 'S(0'"))
    with pytest.raises(UserError, match=r"suite.yaml:2.*regular expression"):
        build_plan(load_suite(file))
    pairs = {"S001": "a", "S002": "a", "S003": "b", "S004": "b", "S005": "c", "S006": "c"}
    description = toy_dataset.folder / "dataset.json"
    copy = tmp_path / "copy"
    shutil.copytree(toy_dataset.folder, copy)
    data = json.loads(description.read_text())
    data["source"]["groups"] = {f"toy:{s}": g for s, g in pairs.items()}
    (copy / "dataset.json").write_text(json.dumps(data))
    file.write_text(suite.format(folder=copy, groups=""))
    together = build_plan(load_suite(file)).splits
    for split in together.values():
        for part in ("train", "validation", "test"):
            groups = [pairs[s.split(":")[1]] for s in split.part(part)]
            assert all(groups.count(g) == 2 for g in groups)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("frame_f2", "unknown metric 'frame_f2'; valid are frame_f1"),
        ("nowhere:f", "metric 'nowhere:f' cannot be loaded"),
        ("textwrap:dedent", "metric 'textwrap:dedent' does not work on a few made-up frames: Type"),
        ("builtins:max", "metric 'builtins:max': no signature found"),
    ],
)
def test_a_metric_that_cannot_be_had_is_a_mistake_in_the_suite(
    tmp_path, toy_dataset, name, message
):
    suite = tmp_path / "s.yaml"
    text = (
        f"name: s\nmetrics: [roc_auc, '{name}']\ndatasets: {{t: {{prepared: {toy_dataset.folder}}}}}\n"
        "settings: [{within: t, protocol: 2-fold}]\nmethods: {all-present: }\n"
    )
    suite.write_text(text)
    with pytest.raises(UserError, match=f"s.yaml:2: {message}"):
        build_plan(load_suite(str(suite)))
    suite.write_text(text.replace(f", '{name}'", ""))
    assert build_plan(load_suite(str(suite))).cells
