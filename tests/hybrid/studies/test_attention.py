"""Both maps on networks whose answer is known, and what integrated gradients must add up to."""

import json

import numpy as np
import pytest
import torch
from linear_network import LinearNetwork, linear_model
from torch import nn

from harness.errors import UserError
from hybrid.anet import build_network
from hybrid.options import CnnOptions
from hybrid.studies.attention import (
    Attention,
    chosen_frames,
    grad_cam,
    integrated_gradients,
    last_maps,
)


def picture(seed=0, side=16):
    return torch.randn(1, 3, side, side, generator=torch.Generator().manual_seed(seed))


def test_integrated_gradients_of_a_linear_logit_are_its_terms(weights):
    face = picture()
    found, gap = integrated_gradients(LinearNetwork(weights), face, 1, steps=1)
    assert found == pytest.approx((face[0] * weights[1]).sum(0).numpy(), abs=1e-6)
    assert gap < 1e-4


@pytest.mark.parametrize("norm", ["bn", "lrn"])
def test_integrated_gradients_add_up_to_what_the_logit_rose_by(norm):
    options = CnnOptions(size="small", resolution=40, crop=36, widths=(8,) * 5, fc=32, norm=norm)
    network = build_network(options, 3, seed=3).eval().requires_grad_(False)
    generator = torch.Generator().manual_seed(4)
    for parameter in network.parameters():
        if parameter.ndim == 1:  # without biases its logits would be linear from 0 to any picture
            parameter.data += torch.randn(parameter.shape, generator=generator)
    face = picture(side=36)
    gaps = []
    for steps in (4, 512):
        found, gap = integrated_gradients(network, face, 2, steps)
        gaps.append(gap)
        with torch.inference_mode():
            risen = (network(face)[0] - network(0 * face)[0])[0, 2].item()
        assert abs(found.sum() - risen) / abs(risen) == pytest.approx(gap, abs=1e-3)
    assert gaps[1] < 0.01
    assert gaps[1] < gaps[0]


def test_grad_cam_weighs_maps_by_their_mean_gradient(weights):
    """With maps that are the picture, the map of AU l is ReLU(sum of colours x mean weight)."""
    network = LinearNetwork(weights * torch.tensor([1.0, -1.0, 2.0]).view(1, 3, 1, 1))
    face = picture()
    mean_weight = network.weights_LCSS[1].mean(dim=(1, 2)).view(3, 1, 1)
    expected = torch.relu((mean_weight * face[0]).sum(0))
    assert grad_cam(network, face, 1) == pytest.approx(expected.numpy(), abs=1e-6)


def test_the_last_maps_are_anets_after_relu_or_the_last_convolution():
    options = CnnOptions(size="small", resolution=40, crop=36, widths=(8,) * 5, fc=32)
    anet = build_network(options, 3, seed=0)
    assert last_maps(anet) is anet.trunk
    other = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(inplace=True), nn.Conv2d(4, 2, 3))
    assert last_maps(other) is other[2]
    with pytest.raises(UserError, match="no convolution"):
        last_maps(nn.Linear(2, 2))
    # ANet's ReLUs write into their input; the map must not notice.
    cam = grad_cam(anet.eval(), picture(side=36), 0)
    assert cam.shape == (36, 36)
    assert (cam >= 0).all()


def test_frames_are_at_even_ranks_among_those_that_show_the_au():
    labels = np.array([[1, 1], [1, -1], [1, -1], [-1, -1], [0, -1]])
    scores = np.array([[0.5, 1.0], [3.0, 0], [-2.0, 0], [9.0, 0], [8.0, 0]])
    assert chosen_frames(labels, scores, 1) == [(0, 0), (0, 1)]
    assert chosen_frames(labels, scores, 3) == [(1, 0), (0, 0), (2, 0), (0, 1)]
    assert chosen_frames(-np.abs(labels), scores, 1) == []


class Known(Attention):
    """Looks at a network that the test has made."""

    def trained(self, context):
        return self.model


def test_the_whole_study_on_known_logits(weights, toy_parts, context):
    study = Known(Attention.Options(per_au=2, candidates=40))
    study.model = linear_model(weights)
    job = context()
    found = study.study(toy_parts[2], job)
    frames = toy_parts[2]
    shown = found.values["frames"]
    assert [entry["au"] for entry in shown] == [1, 1, 6, 6, 12, 12]
    assert found.values["left_out"] == []
    assert json.dumps(found.values)
    for k, entry in enumerate(shown):
        assert entry["label"] == 1
        assert entry["completeness_gap"] < 1e-3
        row = np.flatnonzero(
            (frames.sequences == entry["sequence"]) & (frames.numbers == entry["number"])
        )[0]
        assert np.array_equal(found.arrays["faces"][k], frames.faces[row])
        assert frames.labels[row, frames.aus.index(entry["au"])] == 1
    maps = found.arrays["gradients"]
    assert (maps.shape, maps.dtype) == ((6, 200, 200), np.float32)
    assert maps.min() == 0
    assert maps.max() == 1
    # The crop of 16 in 20 px begins at 20 of 200; AU1 looks at 2..6 of it, so at 40 to 80.
    inside = np.zeros((200, 200), bool)
    inside[35:85, 35:85] = True
    assert not maps[0][~inside].any()
    assert maps[0][45:75, 45:75].any()
    assert found.arrays["cam"].shape == (6, 200, 200)
    assert found.arrays["cam"].max() <= 1


def test_aus_that_nobody_shows_are_named(weights, toy_parts, context):
    one = toy_parts[2]
    without = one.select(np.flatnonzero(one.labels[:, 1] < 0))
    study = Known(Attention.Options())
    study.model = linear_model(weights)
    found = study.study(without, context())
    assert found.values["left_out"] == [6]
    nobody = one.select(np.flatnonzero((one.labels < 0).all(axis=1)))
    with pytest.raises(UserError, match="shows an AU"):
        study.study(nobody, context("nobody"))


def test_a_trained_network(stage_folder, small_cnn, toy_parts, context):
    study = Attention(Attention.Options(cnn=small_cnn, steps=256))
    found = study.study(toy_parts[2], context(stages={"cnn": stage_folder}))
    assert len(found.values["frames"]) == 3
    assert all(np.isfinite(entry["completeness_gap"]) for entry in found.values["frames"])
    for name in ("cam", "gradients"):
        assert np.isfinite(found.arrays[name]).all()
    # Around the crop nothing was seen.
    assert not found.arrays["gradients"][:, :9].any()
