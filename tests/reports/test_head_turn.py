import numpy as np
import pandas as pd
import pytest

from harness.metrics import ScoredFrames
from harness.store import RunStore
from reports.evaluation import evaluate_run
from reports.head_turn import by_head_turn, mean_head_turn
from reports.tables.head_turn import head_turn


def frames(labels, scores):
    num = len(labels)
    names = np.array(["s"] * num, object)
    return ScoredFrames(
        aus=(1, 2),
        subjects=names,
        sequences=names,
        numbers=np.arange(num),
        folds=names,
        labels=labels,
        scores=scores,
    )


def test_thirds_are_by_distance_from_the_median_yaw():
    rng = np.random.default_rng(0)
    yaw = rng.permutation(np.linspace(10, 70, 91)).astype(np.float32)  # the camera stands aside
    labels = np.where(rng.random((91, 2)) < 0.5, 1, -1).astype(np.int8)
    away = np.abs(yaw - 40)
    scores = np.where(away[:, None] < 20.1, labels, -labels).astype(np.float32)
    found = by_head_turn(frames(labels, scores), [yaw])
    assert found.f1_K.tolist() == [1, 1, 0]
    assert found.angle_K == pytest.approx([5, 15, 25], abs=0.5)
    two = by_head_turn(frames(labels, scores), [yaw[:40], yaw[40:]])
    assert np.array_equal(two.f1_K, found.f1_K)


def test_frames_without_a_pose_are_left_out_and_runs_without_any_have_no_table():
    labels = np.ones((60, 2), np.int8)
    scores = np.ones((60, 2), np.float32)
    yaw = np.linspace(-9, 9, 60).astype(np.float32)
    yaw[::4], scores[::4] = np.nan, -1
    assert by_head_turn(frames(labels, scores), [yaw]).f1_K.tolist() == [1, 1, 1]
    assert by_head_turn(frames(labels, scores), [None]) is None
    assert by_head_turn(frames(labels, scores), [yaw[:30], None]) is None
    assert by_head_turn(frames(labels, scores), [np.full(60, np.nan)]) is None
    still = np.random.default_rng(0).normal(0, 0.01, 60)  # landmarks of a mean face
    assert by_head_turn(frames(labels, scores), [still]) is None
    assert mean_head_turn([None, None]) is None


def with_yaw(table: pd.DataFrame) -> pd.DataFrame:
    place = np.arange(len(table))
    return table.assign(yaw=(20 * np.sin(place / 7)).astype(np.float32))


def test_the_report_has_a_row_a_method_where_scores_hold_a_pose(planted, tmp_path):
    plan = planted.planted_plan(methods=("svm", "hybrid"), settings=(("lab", "lab"),))
    run = planted.make_run(tmp_path / "run", plan)
    title = plan.settings[0]
    assert head_turn(evaluate_run(run), title) is None
    for cell in plan.cells:
        planted.replace_scores(RunStore(run), cell.job, with_yaw)
    table = head_turn(evaluate_run(run), title)
    assert [row.method for row in table.rows] == ["svm", "hybrid"]
    keys = [column.key for column in table.columns]
    assert keys == ["method", "frontal", "between", "turned", "difference"]
    for row in table.rows:
        frontal, _, turned, difference = (entry.value for entry in row.entries[1:])
        assert difference == pytest.approx(turned - frontal)
    assert table.rows[1].entries[1].value > table.rows[0].entries[1].value
