"""Gradient ascent on logits that are known, its operators against oracles."""

import numpy as np
import pytest
import torch
from linear_network import linear_model
from scipy.ndimage import gaussian_filter

from harness.errors import UserError
from hybrid.studies.ascent import (
    PRESETS,
    Ascent,
    AscentOptions,
    Climb,
    blurred,
    cut,
    displayed,
    logit_statistics,
    regularised,
)

BARE = {"decay": 0, "blur": 0, "norm_percentile": 0}
SD = torch.tensor([2.0, 1.0, 0.5])


def test_a_step_adds_the_asked_progress_to_each_logit(weights):
    climb = Climb(linear_model(weights), SD, AscentOptions(iterations=9, progress=0.1, **BARE))
    climb.begin(torch.zeros(3, 3, 16, 16))
    climb.step(1)
    logits = climb._logits(climb.x_LCSS)
    assert logits == pytest.approx(0.1 * SD)


def test_the_rate_is_capped_and_no_slope_ends_the_climb(weights):
    options = AscentOptions(iterations=1, progress=0.1, max_rate=2.0, **BARE)
    climb = Climb(linear_model(weights), SD, options)
    climb.begin(torch.zeros(3, 3, 16, 16))
    assert climb.step(1)
    assert torch.allclose(climb.x_LCSS, 2 * weights, atol=1e-4)
    flat = Climb(linear_model(0 * weights), SD, options)
    flat.begin(torch.ones(3, 3, 16, 16))
    assert not flat.step(1)
    assert torch.equal(flat.best_LCSS, torch.ones(3, 3, 16, 16))


def test_it_climbs_to_the_valid_pixels_that_excite_most(weights):
    """Of a linear logit the best picture is white where the AU looks; the best is never lost."""
    model = linear_model(weights)
    climb = Climb(model, SD, AscentOptions(iterations=60, progress=1, **BARE))
    climb.begin(torch.zeros(3, 3, 16, 16))
    best = [torch.full((3,), -torch.inf)]
    for iteration in range(1, 61):
        climb.step(iteration)
        assert (climb.best_L >= best[-1]).all()
        best.append(climb.best_L)
    white = (255 - model.mean).view(3, 1, 1).expand(3, 16, 16)
    looked = weights > 0
    assert torch.allclose(climb.best_LCSS[looked], white.expand(3, -1, -1, -1)[looked])
    assert not climb.best_LCSS[~looked].any()


def test_operators_follow_every_step_but_the_last(weights):
    heavy = AscentOptions(iterations=2, decay=0.9, blur=0, norm_percentile=0, progress=1.0)
    climb = Climb(linear_model(weights), SD, heavy)
    climb.begin(torch.zeros(3, 3, 16, 16))
    climb.step(1)
    after_first = climb._logits(climb.x_LCSS)
    assert after_first == pytest.approx(0.1 * SD)
    climb.step(2)
    assert climb.best_L == pytest.approx(1.1 * SD)


def test_blur_is_that_of_scipy():
    pictures = torch.randn(2, 3, 20, 20, generator=torch.Generator().manual_seed(0))
    found = blurred(pictures, 1.3).numpy()
    for picture, smooth in zip(pictures.numpy(), found, strict=True):
        for colour in range(3):
            expected = gaussian_filter(picture[colour], 1.3, mode="mirror", radius=4)
            assert smooth[colour] == pytest.approx(expected, abs=1e-5)


def test_small_pixels_are_cut_picture_by_picture():
    pictures = torch.ones(2, 3, 2, 5)
    weight = torch.arange(20.0).view(2, 2, 5)
    kept = cut(pictures, weight, 35)[:, 0] > 0
    # Below the 35th percentile: the 4 values that fill 35 % of 10, less the one that is the limit.
    assert kept.flatten(1).sum(1).tolist() == [7, 7]
    assert torch.equal(kept, weight >= torch.tensor([3.0, 13.0]).view(2, 1, 1))


def test_the_order_of_blur_and_cut_is_a_choice():
    pictures = torch.randn(1, 3, 12, 12, generator=torch.Generator().manual_seed(1))
    slope = torch.ones_like(pictures)
    both = {"decay": 0.1, "blur": 1.0, "blur_every": 2, "norm_percentile": 30}
    first = regularised(pictures, slope, 2, AscentOptions(**both))
    after = regularised(pictures, slope, 2, AscentOptions(order="cut-first", **both))
    assert (first.norm(dim=1) == 0).float().mean() == pytest.approx(0.3, abs=0.02)
    assert (after.norm(dim=1) == 0).sum() == 0
    # Between two blurs only decay and the cut are left.
    unblurred = regularised(pictures, slope, 1, AscentOptions(**both))
    alive = unblurred.norm(dim=1, keepdim=True).expand_as(pictures) > 0
    assert torch.allclose(unblurred[alive], 0.9 * pictures[alive])


def test_contributions_weigh_pixels_by_their_slope():
    pictures = torch.ones(1, 3, 2, 2)
    slope = torch.tensor([[4.0, 1.0], [-3.0, 2.0]]).expand(1, 3, 2, 2)
    only = {"decay": 0, "blur": 0, "norm_percentile": 0, "contribution_percentile": 75}
    kept = regularised(pictures, slope, 1, AscentOptions(**only))[0, 0]
    assert kept.tolist() == [[1, 0], [1, 0]]


def test_presets_fill_what_is_not_given():
    assert AscentOptions(preset="contribution").contribution_percentile == 90
    assert AscentOptions(preset="sparse", decay=0.1).decay == 0.1
    assert AscentOptions(preset="sparse").norm_percentile == PRESETS["sparse"]["norm_percentile"]
    assert AscentOptions() == AscentOptions(preset="paper")


def test_a_network_of_local_contrast_climbs_in_grey(weights):
    coloured = weights * torch.tensor([1.0, 2.0, 3.0]).view(1, 3, 1, 1)
    options = AscentOptions(iterations=5, progress=0.1, **BARE)
    model = linear_model(coloured, pixels="local")
    model.mean = torch.full((3,), 128.0)
    climb = Climb(model, SD, options)
    climb.begin(torch.randn(3, 3, 16, 16))
    before = climb._logits(climb.x_LCSS)
    climb.step(1)
    assert climb._logits(climb.x_LCSS) - before == pytest.approx(0.1 * SD, rel=1e-3)
    assert (climb.x_LCSS - climb.x_LCSS[:, :1]).abs().max() < 1e-5


def test_pictures_are_shown_about_mid_grey():
    pictures = torch.zeros(2, 3, 8, 8)
    pictures[0, 0, 0, 0], pictures[0, 1, 1, 1] = 4.0, -4.0
    shown = displayed(pictures)
    assert (shown.shape, shown.dtype) == ((2, 8, 8, 3), np.uint8)
    assert (shown[1] == 128).all()
    assert (shown[0, 0, 0, 0], shown[0, 1, 1, 1], shown[0, 5, 5, 2]) == (255, 0, 128)


class Known(Ascent):
    """Climbs a network that the test has made."""

    def trained(self, context):
        return self.model


def test_the_whole_study_on_known_logits(weights, toy_parts, context):
    options = AscentOptions(iterations=40, starts=3, progress=0.5, frames=20, **BARE)
    study = Known(options)
    study.model = linear_model(weights)
    job = context(seed=1)
    found = study.study(toy_parts[2], job)
    values, activations = found.values, found.arrays["activations"]
    assert values["aus"] == [1, 6, 12]
    assert (values["iterations"], values["starts"], values["frames"]) == (40, 3, 20)
    assert values["own_largest"] == 3
    assert (activations.shape, activations.dtype) == ((3, 3), np.float32)
    assert (activations.argmax(axis=1) == np.arange(3)).all()
    # Of three starts the middle one is shown, and its own logit is on the diagonal.
    reached = np.array(values["reached"])
    assert np.median(reached, axis=0) == pytest.approx(np.diag(activations), abs=1e-3)
    assert reached[values["chosen_start"], [0, 1, 2]] == pytest.approx(
        np.diag(activations), abs=1e-3
    )
    mean, sd = logit_statistics(study.model, toy_parts[2], 20)
    rows = np.unique(np.linspace(0, len(toy_parts[2]) - 1, 20).astype(int))
    logits = study.model.scores(toy_parts[2].select(rows).unlabelled())
    assert mean.numpy() == pytest.approx(logits.mean(axis=0), rel=1e-4)
    assert sd.numpy() == pytest.approx(logits.std(axis=0), rel=1e-3)
    # Bright where the AU looks.
    images = found.arrays["images"]
    assert images[0, 2:6, 2:6].mean() > images[0, 8:].mean() + 50
    rows = [line for line in (job.folder / "history.jsonl").read_text().splitlines() if line]
    assert len(rows) == 3 * 20


def test_a_trained_network_is_left_as_it_was(stage_folder, small_cnn, toy_parts, context):
    options = AscentOptions(cnn=small_cnn, iterations=5, starts=2, frames=10)
    results = [
        Ascent(options).study(toy_parts[2], context(f"run{i}", stages={"cnn": stage_folder}))
        for i in range(2)
    ]
    assert np.array_equal(results[0].arrays["images"], results[1].arrays["images"])
    assert results[0].arrays["images"].shape == (3, 36, 36, 3)
    empty = toy_parts[2].select(np.zeros(0, int))
    with pytest.raises(UserError, match="needs frames"):
        Ascent(options).study(empty, context("empty", stages={"cnn": stage_folder}))
