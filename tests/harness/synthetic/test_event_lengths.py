"""Tuning of the paces against a made-up simulator, and candidates that leave no trace."""

import json

import numpy as np
import pytest

from harness.synthetic import event_lengths
from harness.synthetic.event_lengths import CLOSE_ENOUGH, FIRST_SEED, tuned_paces
from harness.synthetic.labels import LATENT_FILE, latent_model, models_from
from harness.synthetic.variance_parts import TIME_CONSTANTS


@pytest.mark.parametrize("steepness", [60.0, 240.0, 700.0])
def test_medians_are_reached_and_variance_is_kept(steepness, monkeypatch, tmp_path):
    """Medians of a simulator in which quick variance shortens events, AU by AU at its own rate."""
    start = np.array([[0.0, 0.01, 0.02], [0.02, 0.03, 0.03], [0.0, 0.1, 0.1]] + [[0.2] * 3] * 4)
    rates = steepness / np.array(TIME_CONSTANTS) * np.array([[1.0], [0.7], [1.3]])

    def medians(preset, model, num_sets, scratch):
        return np.tile(np.exp(-(rates * np.asarray(model["paces"]).T).sum(1)), (num_sets, 1))

    aimed = medians("", {"paces": start}, 1, None)[0] * [0.7, 1.0, 1.3]
    monkeypatch.setattr(event_lengths, "simulated_medians", medians)
    found = tuned_paces("lab", {"paces": start}, {"median_event": aimed}, 2, tmp_path)
    np.testing.assert_allclose(found.sum(axis=0), start.sum(axis=0))
    assert found.min() >= 0
    reached = medians("", {"paces": found}, 1, None)[0]
    assert np.abs(np.log(reached / aimed)).max() < CLOSE_ENOUGH


def test_the_tuning_seeds_do_not_judge_the_result():
    assert FIRST_SEED > 60


def test_candidates_are_read_meanwhile_and_forgotten(tmp_path):
    before = latent_model("lab").person
    models = json.loads(LATENT_FILE.read_text(encoding="utf-8"))
    models["lab"]["person"] = [0.5] * 12
    (tmp_path / "candidate.json").write_text(json.dumps(models))
    with models_from(tmp_path / "candidate.json"):
        assert latent_model("lab").person.tolist() == [0.5] * 12
    np.testing.assert_array_equal(latent_model("lab").person, before)
