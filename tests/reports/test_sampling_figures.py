"""What a report says of samplers: batch composition (Fig. 6) and training F1 (Fig. 7)."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from harness.plan.jobs import digest
from harness.store import RunStore
from hybrid.composition_file import write_composition
from reports.build import build
from reports.evaluation import evaluate_run
from reports.figures.batch_composition import batch_composition
from reports.figures.training_curves import training_curves
from reports.figures.training_f1 import training_f1
from reports.layout import lay_out
from reports.tables.batch_composition import batch_composition_table
from sampling import make_batches

AUS = (6, 12)
SAMPLERS = {
    "rs": {"sampler": "random", "sampler_options": {}, "batch": 32},
    "rs-val": {"sampler": "random", "sampler_options": {}, "batch": 32},
    "momu": {"sampler": "momu", "sampler_options": {"step": 2}, "batch": 32},
}
RNG = np.random.default_rng(3)
LABELS = np.where(RNG.random((500, 2)) < (0.4, 0.06), 1, -1).astype(np.int8)


def hovers(figure):
    return [
        node.text
        for node in ElementTree.fromstring(figure.svg).iter("{http://www.w3.org/2000/svg}title")
    ]


def plan_of(planted, samplers, settings=(("lab", "lab"),)):
    """Each cell rests on a stage of its own sampler, which cells of the same split share."""
    plan = planted.planted_plan(methods=tuple(samplers), settings=settings, aus=AUS)
    jobs = {}
    for key, job in plan.jobs.items():
        options = samplers[job.group]
        stage_key = digest("stage", job.split, options)
        stage = replace(job, key=stage_key, kind="stage", group="Cnn")
        jobs.setdefault(stage_key, replace(stage, spec={**job.spec, "options": options}))
        jobs[key] = replace(job, needs=(stage_key,))
    return replace(plan, jobs=jobs)


@pytest.fixture(scope="module")
def run(planted, tmp_path_factory):
    """Stages with a composition, and a training F1 that tells sampler and fold. Not to change."""
    plan = plan_of(planted, SAMPLERS)
    folder = tmp_path_factory.mktemp("sampled") / "run"
    planted.make_run(folder, plan=plan, quality=dict.fromkeys(SAMPLERS, 1.0), aus=AUS)
    store = RunStore(folder)
    for job in plan.jobs.values():
        place = store.job_folder(job.key)
        if job.kind == "cell":
            (place / "history.jsonl").unlink()
            continue
        options, fold = job.spec["options"], int(plan.splits[job.split].fold)
        batches = make_batches(options["sampler"], LABELS, 32, seed=fold)
        write_composition(place, AUS, LABELS, batches)
        start = {"random": 0.1, "momu": 0.3}[options["sampler"]]
        rows = [
            {"step": 10 * i, "loss": 1.0, "training_mean_f1": start + 0.1 * i + 0.01 * fold}
            for i in range(1, 5 if fold == 1 else 4)  # the first fold trains a step longer
        ]
        (place / "history.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


@pytest.fixture(scope="module")
def sampled(run):
    return evaluate_run(run, details=False)


def test_the_figure_says_what_the_batches_hold(sampled):
    said = hovers(batch_composition(sampled))
    assert len(said) == 2 * len(AUS)
    counts = np.concatenate(
        [
            [(LABELS[b] > 0).sum(0) for b in make_batches("momu", LABELS, 32, seed=fold)]
            for fold in (1, 2, 3)
        ]
    )[:, 1]
    line = next(line for line in said if line.startswith("momu (step 2), lab, AU12"))
    mean = float(re.search(r"AU12: ([\d.]+) frames of 32", line)[1])
    assert mean == pytest.approx(counts.mean(), abs=0.051)
    assert line.endswith(f"{counts.min()} to {counts.max()})")


def test_the_table_has_a_row_a_sampler(sampled):
    table = batch_composition_table(sampled)
    titles = [column.key for column in table.columns]
    rows = [dict(zip(titles, row.entries, strict=True)) for row in table.rows]
    assert [row["sampler"].text for row in rows] == ["random", "momu (step 2)"]
    assert {"random: rs, rs-val.", "momu (step 2): momu."} <= set(table.notes)
    assert [row["trainings"].value for row in rows] == [3, 3]
    assert rows[0]["used"].value == 100
    assert rows[1]["within"].value < rows[0]["within"].value  # what MOMU is for
    assert rows[1]["AU12"].value > 2 * rows[0]["AU12"].value


def test_without_two_samplers_nothing_is_said(planted, tmp_path, run, evaluation):
    assert batch_composition(evaluation) is None
    assert batch_composition_table(evaluation) is None
    alone = Path(shutil.copytree(run, tmp_path / "run"))
    plan = plan_of(planted, {name: SAMPLERS[name] for name in ("rs", "rs-val")})
    RunStore(alone).begin(plan, "name: planted\n")
    assert batch_composition(evaluate_run(alone, details=False)) is None


@pytest.mark.parametrize(
    "content", ['{"aus": [6', '{"aus": [6, 12]}', '{"aus": [6]}', '{"aus": [6, 12], "batches": []}']
)
def test_a_damaged_file_is_named_and_left_out(run, tmp_path, content):
    copy = Path(shutil.copytree(run, tmp_path / "run"))
    plan = RunStore(copy).plan()
    first = next(job for job in plan.jobs.values() if job.kind == "stage")
    (RunStore(copy).job_folder(first.key) / "composition.json").write_text(content)
    table = batch_composition_table(evaluate_run(copy, details=False))
    assert any("composition.json of" in note and "left out" in note for note in table.notes)
    assert table.rows[0].entries[2].value == 2


def test_a_damaged_file_is_in_the_summary_though_no_table_is_left(run, tmp_path):
    copy = Path(shutil.copytree(run, tmp_path / "run"))
    for file in RunStore(copy).folder.glob("jobs/*/composition.json"):
        file.write_text("[")
    evaluation = evaluate_run(copy, details=False)
    assert batch_composition_table(evaluation) is None
    lines = [line for head, line in lay_out(evaluation, [], []).parts[0].lines if head == "Note:"]
    assert len(lines) == 6
    assert all("composition.json of" in line for line in lines)


def test_training_f1_is_a_line_for_methods_that_went_alike(sampled):
    said = hovers(training_f1(sampled))
    assert said == [
        "rs, rs-val, lab: 0.420 in the end (0.410 to 0.430)",
        "momu, lab: 0.620 in the end (0.610 to 0.630)",
    ]


def test_training_f1_needs_trainings_that_report_it(evaluation):
    assert training_f1(evaluation) is None
    assert training_curves(evaluation) is not None


def test_settings_that_train_on_other_aus_are_not_mixed(planted, tmp_path):
    from reports.trainings import trainings_of

    plan = plan_of(planted, SAMPLERS, settings=(("lab", "lab"), ("lab", "group")))
    across = {cell.job for cell in plan.cells if cell.train_dataset != cell.test_dataset}
    jobs = {
        key: replace(job, spec={**job.spec, "aus": [12]}) if key in across else job
        for key, job in plan.jobs.items()
    }
    found = trainings_of(replace(plan, jobs=jobs), "momu")
    assert {name: len(keys) for name, keys in found.items()} == {
        "lab, AUs 6 12": 6,
        "lab, AUs 12": 2,
    }


def test_both_stand_on_the_page(run, tmp_path):
    page = (build(run, tmp_path / "out") / "report.html").read_text()
    part = page[page.index('id="training"') :]
    for anchor in ("training-f1", "batch-composition", "batches"):
        assert f'id="{anchor}"' in part
