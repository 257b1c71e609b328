"""The filters are the weights, colours last."""

import numpy as np
import pytest
import torch
from torch import nn

from harness.errors import UserError
from hybrid.anet_model import AnetModel
from hybrid.studies.filters import Filters, first_convolution


def test_the_weights_of_conv1_come_as_they_are(stage_folder, small_cnn, toy_parts, context):
    study = Filters(Filters.Options(cnn=small_cnn))
    found = study.study(toy_parts[2], context(stages={"cnn": stage_folder}))
    weights = AnetModel.load(stage_folder).network.trunk.conv1.weight.detach().numpy()
    conv1 = found.arrays["conv1"]
    assert (conv1.shape, conv1.dtype) == ((8, 11, 11, 3), np.float32)
    assert np.array_equal(conv1[5, 2, 7], weights[5, :, 2, 7])
    assert found.values["network"] == "ANet, geometry alexnet_pad"


def test_a_network_that_sees_grey_has_grey_filters(stage_folder, small_cnn, toy_parts, context):
    options = Filters.Options(cnn={**small_cnn, "pixels": "local"})
    grey = Filters(options).study(toy_parts[2], context(stages={"cnn": stage_folder}))
    weights = AnetModel.load(stage_folder).network.trunk.conv1.weight.detach().numpy()
    assert np.ptp(grey.arrays["conv1"], axis=3).max() == 0
    assert grey.arrays["conv1"][0, 0, 0, 0] == pytest.approx(weights[0, :, 0, 0].mean(), abs=1e-7)


def test_a_network_without_a_convolution_says_so():
    with pytest.raises(UserError, match="no convolution"):
        first_convolution(nn.Sequential(nn.Flatten(), nn.Linear(3, 2)))
    backbone = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 5, 3))
    assert first_convolution(backbone).weight.shape == torch.Size([4, 3, 3, 3])


def test_networks_for_single_aus_are_refused():
    with pytest.raises(ValueError, match="a network for each AU"):
        Filters.Options(cnn={"labels": "single"})


def test_the_stage_is_that_of_the_method_anet(small_cnn):
    from hybrid.methods import Anet

    ours = Filters(Filters.Options(cnn=small_cnn)).stages()["cnn"]
    assert ours == Anet(Anet.Options(**small_cnn)).stages()["cnn"]
