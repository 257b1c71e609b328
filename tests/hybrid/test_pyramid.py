"""The network of preset medium: small kernels, and its maps as the representation."""

import pytest
import torch

from harness.errors import UserError
from hybrid.anet import build_network
from hybrid.options import CnnOptions, HybridOptions
from hybrid.pyramid import Pyramid


@pytest.mark.parametrize("crop", [32, 64, 70, 176])
def test_its_output_is_as_long_as_asked_for_at_any_crop(crop):
    output = Pyramid(48, widths=(4, 5))(torch.randn(2, 3, crop, crop))
    assert output.shape == (2, 48)
    assert (output >= 0).all()


def test_each_place_sees_its_part_of_the_face():
    torch.manual_seed(0)
    network = Pyramid(16).eval()
    faces = torch.zeros(1, 3, 64, 64)
    touched = faces.clone()
    touched[..., 56:, 56:] = 9.0
    places = (network(touched) - network(faces)).reshape(4, 4).detach()
    assert places[3, 3] != 0
    assert (places[:2] == 0).all()
    assert (places[:, :2] == 0).all()


def test_preset_medium_is_preset_small_with_this_network():
    medium, small = (CnnOptions(size=size).model_dump() for size in ("medium", "small"))
    assert {key for key in medium if medium[key] != small[key]} == {"size", "backbone", "fc"}
    network = build_network(CnnOptions(size="medium"), 12, seed=0)
    assert isinstance(network.trunk, Pyramid)
    logits, representation = network(torch.randn(2, 3, 64, 64))
    assert logits.shape == (2, 12)
    assert representation.shape == (2, 1024)
    whole = HybridOptions(size="medium")
    assert whole.cnn == CnnOptions(size="medium")
    assert (whole.sequence.hidden, whole.fusion.data) == (48, "oof")


def test_a_length_that_does_not_fit_is_one_line():
    with pytest.raises(UserError, match="cannot be made: fc 100 is not a multiple of 16"):
        build_network(CnnOptions(size="medium", fc=100), 12, seed=0)
