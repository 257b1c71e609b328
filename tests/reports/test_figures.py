"""Figures: the numbers that they say on hover, their ink, and what they leave out."""

import re
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest

from harness.errors import UserError
from harness.metrics import ScoredFrames
from harness.store import RunStore
from reports.evaluation import evaluate_run
from reports.figure import drawing, short, to_svg
from reports.figures.base_rates import base_rates
from reports.figures.critical_difference import critical_difference
from reports.figures.every import every_figure
from reports.figures.gains import gains
from reports.figures.gantt import gantt
from reports.figures.label_raster import _spans
from reports.figures.score_curves import event_curves
from reports.figures.training_curves import training_curves
from reports.one_option_apart import one_option_apart
from reports.ranks import rank_methods
from reports.rasters import raster_of

TITLE = "{http://www.w3.org/2000/svg}title"


def hovers(figure):
    return [node.text for node in ElementTree.fromstring(figure.svg).iter(TITLE)]


@pytest.fixture(scope="module")
def figures(evaluation):
    return every_figure(evaluation)


def test_every_kind_is_drawn(figures):
    keys = {figure.key for figure in figures}
    assert {"overview-intervals", "critical-difference", "training-curves", "gantt"} <= keys
    for kind in ("raster", "precision-recall", "event-f1", "reliability"):
        assert f"lab-to-group-{kind}" in keys


def test_ink_follows_the_page_and_text_is_text(figures):
    for figure in figures:
        root = ElementTree.fromstring(figure.svg)
        texts = [node.text for node in root.iter("{http://www.w3.org/2000/svg}text")]
        assert len(texts) > 3, figure.key
        assert "currentColor" in figure.svg
        assert "#010203" not in figure.svg
        assert "<dc:date>" not in figure.svg
        inline = str(figure.inline_svg())
        assert inline.startswith("<svg")
        for name in re.findall(r"url\(#([^)]+)\)", inline):
            assert f'id="{name}"' in inline


def test_the_overview_says_the_interval(figures, evaluation):
    said = hovers(next(f for f in figures if f.key == "overview-intervals"))
    standing = evaluation.comparisons["lab 3-fold"].f1["anet"][-1]
    low, high = 100 * standing.low, 100 * standing.high
    assert f"anet, lab 3-fold: {100 * standing.value:.1f} [{low:.1f}, {high:.1f}]" in said


def test_event_curves_say_the_harness_numbers(evaluation):
    said = hovers(event_curves(evaluation, "lab 3-fold"))
    values = evaluation.comparisons["lab 3-fold"].measured["svm"].details.values
    half, area = values["event_f1_at_half"][3], values["event_f1_area"][3]
    assert f"svm, AU6: {half:.2f} at .5, area {area:.2f}" in said


def test_base_rates_are_the_plans(evaluation, planted):
    said = hovers(base_rates(evaluation))
    assert len(said) == 2 * len(planted.AUS)
    assert f"lab, AU2: {100 * planted.RATES[1]:.1f} %" in said


def test_jobs_that_overlap_get_lanes_of_their_own(planted, tmp_path):
    plan = planted.planted_plan(methods=("svm",), settings=(("lab", "lab"),))
    run = planted.make_run(tmp_path / "run", plan=plan)
    evaluation = evaluate_run(run, details=False)
    assert _bar_heights(gantt(evaluation)) == 1
    for record in evaluation.run.records.values():
        record["cost"]["started"] = 1_700_000_000.0
    assert _bar_heights(gantt(evaluation)) == 3


def _bar_heights(figure):
    """How many lanes the bars of a chart stand in."""
    root = ElementTree.fromstring(figure.svg)
    tops = set()
    for group in root.iter("{http://www.w3.org/2000/svg}g"):
        if group.find(TITLE) is not None:
            path = group.find("{http://www.w3.org/2000/svg}path").get("d")
            tops.add(re.match(r"M\s*[\d.]+\s+([\d.]+)", path).group(1))
    return len(tops)


def test_only_what_has_steps_is_a_training_curve(evaluation, finished, own_copy):
    said = hovers(training_curves(evaluation))
    assert "anet · lab 3-fold · fold 1, validation_mean_f1: 0.467 in the end" in said
    assert not any(line.startswith("svm") for line in said)
    for file in RunStore(own_copy).folder.glob("jobs/*/history.jsonl"):
        file.write_text('{"C": 1, "validation_f1": 0.5}\n' * 5)
    assert training_curves(evaluate_run(own_copy, details=False)) is None


def test_ranks_are_over_aus_and_settings(evaluation, planted):
    ranks = rank_methods(evaluation)
    assert ranks.methods == ("svm", "anet", "hybrid")
    assert ranks.num_blocks == 4 * len(planted.AUS)
    assert ranks.mean_ranks_M[2] == 1
    said = hovers(critical_difference(evaluation))
    assert "hybrid: mean rank 1.00" in said


def test_ranks_leave_out_what_is_not_complete_everywhere(unfinished):
    assert rank_methods(evaluate_run(unfinished, details=False)) is None


def test_the_raster_of_is_shown_in_order_of_time():
    labels = np.array([[1], [-1], [1], [-1], [1], [1]], np.int8)
    test = ScoredFrames(
        aus=(12,),
        subjects=np.array(["a"] * 6),
        sequences=np.array(["a/1", "a/2", "a/2", "a/2", "a/1", "a/1"]),
        numbers=np.array([3, 9, 8, 7, 2, 1]),
        folds=np.array(["1"] * 6),
        labels=labels,
        scores=np.arange(6.0)[:, None] - 1.5,
    )
    raster = raster_of(test)
    assert raster.sequence == "a/2"
    assert raster.numbers.tolist() == [7, 8, 9]
    assert raster.labels_TL[:, 0].tolist() == [-1, 1, -1]
    assert raster.decided_TL[:, 0].tolist() == [True, True, False]


def test_the_video_that_was_asked_for_is_shown_where_it_is_tested(small):
    shown = evaluate_run(small, video="lab:S02/T1").comparisons["lab 3-fold"].measured["svm"]
    raster = shown.details.raster
    assert raster.sequence == "lab:S02/T1"
    assert evaluate_run(small).comparisons["lab 3-fold"].measured[
        "svm"
    ].details.raster.sequence != ("lab:S02/T1")
    with pytest.raises(UserError, match=r"no setting tests the sequence 'lab:S99/T1'; .*lab:S0"):
        evaluate_run(small, video="lab:S99/T1")


def test_long_names_fit_beside_an_axis():
    assert short("openface-presence") == "openface-presence"
    long = short("a-very-long-name-of-a-method-that-goes-on-and-on")
    assert len(long) == 28
    assert long.startswith("a-very-long-name-")
    assert long.endswith("-and-on")


def test_names_of_other_scripts_draw_without_a_warning(recwarn):
    with drawing(3, 1) as (figure, hover):
        figure.text(0.5, 0.5, "模型")
        svg = to_svg(figure, hover)
    assert "模型" in svg
    assert not list(recwarn)


def test_spans():
    assert _spans(np.array([True, False, True, True])) == [(0, 1), (2, 2)]
    assert _spans(np.zeros(3, bool)) == []


def test_methods_one_option_apart_are_found(planted):
    plan = planted.planted_plan(methods=("rs", "ms", "momu", "svm"), settings=(("lab", "lab"),))
    options = {
        "rs": {"size": "small", "cnn": {"sampler": "random", "sampler_options": {}}},
        "ms": {"size": "small", "cnn": {"sampler": "stratified", "sampler_options": {}}},
        "momu": {"size": "small", "cnn": {"sampler": "momu", "sampler_options": {"S": 4}}},
        "svm": {"size": "big", "cnn": {"sampler": "momu", "sampler_options": {"S": 4}}},
    }
    jobs = {
        key: replace(job, spec={**job.spec, "method": "m:anet", "options": options[job.group]})
        for key, job in plan.jobs.items()
    }
    pairs = one_option_apart(replace(plan, jobs=jobs))
    found = [(p.before, p.after, p.option, p.values) for p in pairs]
    assert found == [
        ("rs", "ms", "sampler", ("random", "stratified")),
        ("rs", "momu", "sampler", ("random", "momu")),
        ("ms", "momu", "sampler", ("stratified", "momu")),
        ("momu", "svm", "size", ("small", "big")),
    ]


def test_gains_say_the_difference(planted, tmp_path):
    plan = planted.planted_plan(methods=("rs", "momu"), settings=(("lab", "lab"),))
    jobs = {
        key: replace(job, spec={**job.spec, "method": "m", "options": {"sampler": job.group}})
        for key, job in plan.jobs.items()
    }
    plan = replace(plan, jobs=jobs)
    run = planted.make_run(tmp_path / "run", plan=plan, quality={"rs": 1.0, "momu": 1.5})
    evaluation = evaluate_run(run)
    figure = gains(evaluation, "lab 3-fold")
    measured = evaluation.comparisons["lab 3-fold"].measured
    points = 100 * (measured["momu"].f1_L - measured["rs"].f1_L)
    assert any(line.startswith(f"AU1, F1: {points[0]:+.1f} [") for line in hovers(figure))
    assert len(hovers(figure)) == 2 * len(planted.AUS)
    assert "sampler momu, was rs" in figure.caption
