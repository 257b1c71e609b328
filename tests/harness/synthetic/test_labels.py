"""Labels at full size against their calibration, and what holds for each sequence."""

import numpy as np
import pytest

from harness.synthetic.calibrate import GROUP_RATES, PLUS_RATES
from harness.synthetic.labels import MIN_RUN, coding, latent_model, population
from harness.synthetic.presets import PRESETS
from harness.synthetic.recipe import SyntheticRecipe, table
from harness.synthetic.statistics import LAGS, figures, targets

SEEDS = range(5)


@pytest.fixture(scope="module", params=["lab", "disfa"])
def measured(request):
    """Figures at full size, averaged over the seeds, and the target."""
    runs = [
        figures(table.__wrapped__(SyntheticRecipe(preset=request.param, seed=s))) for s in SEEDS
    ]

    def mean(get):
        return np.nanmean([get(run) for run in runs], axis=0)

    return mean, targets()[request.param]


def test_base_rates(measured):
    mean, target = measured
    np.testing.assert_allclose(mean(lambda f: f.base_rate), target["base_rate"], atol=0.02)


def test_phi_matrix(measured):
    mean, target = measured
    error = np.abs(mean(lambda f: f.phi) - np.array(target["phi"]))
    assert error[~np.eye(12, dtype=bool)].mean() < 0.06


def test_median_event_length(measured):
    mean, target = measured
    ratio = mean(lambda f: f.median_event) / np.array(target["median_event"])
    assert (np.abs(ratio - 1) < 0.30).all(), ratio


@pytest.mark.parametrize("lag", LAGS)
def test_autocorrelation(measured, lag):
    mean, target = measured
    np.testing.assert_allclose(
        mean(lambda f: f.autocorrelation[lag]), target["autocorrelation"][str(lag)], atol=0.08
    )


def test_people_differ_as_much_as_real_ones(measured):
    mean, target = measured
    error = np.abs(mean(lambda f: f.subject_sd) - np.array(target["subject_sd"]))
    assert error.mean() < 0.03
    assert error.max() < 0.08


def test_tasks_swing():
    labelled = table.__wrapped__(SyntheticRecipe(preset="lab"))
    task = np.char.partition(labelled.sequences.astype(str), "/")[:, 2]
    smile = labelled.labels[:, labelled.aus.index(12)] > 0
    assert smile[task == "T4"].mean() > 0.8
    assert smile[task == "T2"].mean() < 0.06


@pytest.mark.parametrize(("preset", "expected"), [("group", GROUP_RATES), ("lab-plus", PLUS_RATES)])
def test_other_domains_have_their_own_base_rates(preset, expected):
    tables = [table.__wrapped__(SyntheticRecipe(preset=preset, seed=s)) for s in SEEDS]
    rates = np.mean([(t.labels > 0).sum(0) / (t.labels != 0).sum(0) for t in tables], axis=0)
    np.testing.assert_allclose(rates, expected, atol=0.02)
    if preset == "lab-plus":
        assert rates.max() > 10 * rates.min()


def test_a_coder_sees_no_run_shorter_than_three_frames():
    for subject in range(6):
        present = coding("lab", 3, subject, 0, 300).present
        edges = [np.flatnonzero(np.diff(present[:, i].astype(int))) for i in range(12)]
        runs = np.concatenate([np.diff(edge) for edge in edges])
        assert len(runs)
        assert runs.min() >= MIN_RUN


def test_intensity_is_graded_and_goes_with_presence():
    made = [coding("lab", 0, s, 0, 400) for s in range(8)]
    intensity = np.concatenate([m.intensity for m in made])
    present = np.concatenate([m.present for m in made])
    assert intensity.min() >= 0
    assert intensity.max() <= 1
    assert intensity[present].mean() > intensity[~present].mean() + 0.3
    # trace activity outside events, weak events, and nothing jumps from one frame to the next
    assert 0.02 < (intensity[~present] > 0.05).mean() < 0.35
    assert (intensity[present] < 0.3).mean() > 0.05
    steps = np.concatenate([np.abs(np.diff(m.intensity, axis=0)).ravel() for m in made])
    assert np.quantile(steps, 0.999) < 0.25


def test_onsets_of_actions_that_come_together_are_staggered():
    """Cheeks and lip corners rise together in most smiles, but not in the same frame."""
    aus = latent_model("lab").aus
    smile, cheek = aus.index(12), aus.index(6)
    gaps = []
    for subject in range(41):
        present = coding("lab", 0, subject, 3, 450).present
        rises = [np.flatnonzero(np.diff(present[:, i].astype(int)) > 0) for i in (smile, cheek)]
        if len(rises[0]) and len(rises[1]):
            gaps += [np.abs(rises[1] - at).min() for at in rises[0]]
    assert np.mean(np.array(gaps) == 0) < 0.3


def test_offsets_and_draws_of_the_full_population_balance_out():
    own, in_task = population("lab", 7)
    assert own.shape == (PRESETS["lab"].subjects, 12)
    np.testing.assert_allclose(own.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(in_task.mean(axis=0), 0, atol=1e-12)
    model = latent_model("lab")
    np.testing.assert_allclose((own**2).mean(axis=0), model.person, rtol=1e-6)
    np.testing.assert_allclose((in_task**2).mean(axis=0), 1, rtol=1e-6)


@pytest.mark.parametrize("seed", SEEDS)
def test_no_single_set_drifts_from_its_base_rates(seed):
    """Drawn freely, AU25 would be off by .033 (standard deviation) over 27 long sequences."""
    labelled = table.__wrapped__(SyntheticRecipe(preset="disfa", seed=seed))
    rates = (labelled.labels > 0).mean(axis=0)
    np.testing.assert_allclose(rates, targets()["disfa"]["base_rate"], atol=0.035)
