"""Trials of a search as W&B runs: one group of their own, each sent once."""

import json

from offline_files import read_runs

from harness.search.records import SearchStore
from harness.tracking.mirror import mirror_sweep


def add_trial(store, number, state, value, searches="now"):
    record = {
        "key": f"t{number}",
        "row": "lstm",
        "setting": "lab 3-fold",
        "fold": "1",
        "fold_position": 0,
        "options": {"sequence.layers": number},
        "state": state,
        "value": value,
        "rows": [{"step": 1.0, "validation_mean_f1": 0.2}],
        "final": {"validation_mean_f1": value} if value else {},
        "cost": {"started": 5.0, "seconds": 1.5},
        "error": "ValueError: planted",
    }
    store.write_trial(record, searches, number)


def test_trials_are_runs_of_one_group_and_are_sent_once(hand_made, login):
    store = SearchStore(hand_made.folder)
    store.begin({"key": "now", "metric": "validation_mean_f1", "algorithm": "tpe", "seed": 3})
    add_trial(store, 0, "finished", 0.5)
    add_trial(store, 1, "failed", None)
    add_trial(store, 2, "finished", 0.4, searches="another")
    with mirror_sweep(hand_made.store, "offline"):
        pass
    runs = read_runs(hand_made.folder)
    assert set(runs) == {"trial-t0-1", "trial-t1-1"}
    (group,) = {run["group"] for run in runs.values()}
    assert group.startswith("small-")
    assert group.endswith("-search")
    first = runs["trial-t0-1"]
    assert first["job_type"] == "trial"
    assert first["config"]["options"] == {"sequence.layers": 0}
    assert first["config"]["seed"] == 3
    assert first["summary"]["value"] == 0.5
    assert first["summary"]["cost/seconds"] == 1.5
    assert [row["validation_mean_f1"] for row in first["history"]] == [0.2]
    assert runs["trial-t1-1"]["summary"]["error"] == "ValueError: planted"
    assert runs["trial-t1-1"]["exit"] == 1
    with mirror_sweep(hand_made.store, "offline"):
        pass
    assert set(read_runs(hand_made.folder)) == set(runs)


def test_a_search_that_cannot_be_read_stops_nothing(hand_made, login):
    folder = hand_made.folder / "search"
    (folder / "trials").mkdir(parents=True)
    (folder / "search.json").write_text(json.dumps({"key": "now"}))
    (folder / "trials" / "broken.json").write_text('{"key": ')
    hand_made.finish("cell1", frame_f1=0.5, frames=10)
    with mirror_sweep(hand_made.store, "offline"):
        pass
    assert set(read_runs(hand_made.folder)) == {"cell1-1"}
