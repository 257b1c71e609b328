"""Another network in ANet's place, as torchvision's are made: a class that takes num_classes."""

import sys
import types

import numpy as np
import pytest
import torch
from torch import nn

from harness.errors import UserError
from hybrid.anet import build_network
from hybrid.batch_norm import BatchNorm
from hybrid.cnn_training import train_cnn
from hybrid.fusion_training import train_fusion
from hybrid.hybrid_model import HybridModel
from hybrid.options import CnnOptions, FusionOptions, SequenceOptions
from hybrid.sequence_training import train_lstm


class SmallResNet(nn.Module):
    """A stem, one residual block, pooling to any size, dropout, and a classifier."""

    def __init__(self, num_classes=1000, width=6):
        super().__init__()
        self.stem = nn.Conv2d(3, width, 5, stride=4, bias=False)
        self.norm1, self.norm2 = nn.BatchNorm2d(width), nn.BatchNorm2d(width)
        self.block = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.pool, self.dropout = nn.AdaptiveAvgPool2d(2), nn.Dropout(0.3)
        self.fc = nn.Linear(4 * width, num_classes)

    def forward(self, x):
        x = torch.relu(self.norm1(self.stem(x)))
        x = torch.relu(x + self.norm2(self.block(x)))
        return self.fc(self.dropout(torch.flatten(self.pool(x), 1)))


OPTIONS = {
    "size": "small",
    "resolution": 24,
    "crop": 22,
    "backbone": "my_networks:SmallResNet",
    "fc": 8,
    "batch": 8,
    "iterations": 6,
    "evaluate_every": 3,
    "pixels": "unit",
    "training_probe": 0,
}
SEQUENCE = SequenceOptions(
    size="small", pca=4, hidden=4, window=20, windows=2, updates=2, evaluate_every=2, min_active=0
)


@pytest.fixture(autouse=True)
def networks(monkeypatch):
    module = types.ModuleType("my_networks")
    module.SmallResNet = SmallResNet
    module.NoClasses = lambda width=3: nn.Identity()
    module.Pictures = lambda num_classes: nn.Conv2d(3, num_classes, 3)
    module.Outputs = lambda num_classes: type("Net", (nn.Module,), {"forward": lambda s, x: (x,)})()
    monkeypatch.setitem(sys.modules, "my_networks", module)


def test_it_trains_scores_saves_and_loads_through_the_whole_hybrid(toy_parts, context, tmp_path):
    train, validation, test = toy_parts
    cnn = train_cnn(train, validation, CnnOptions(**OPTIONS), context("cnn"))
    assert cnn.represent(test.unlabelled()).shape == (60, 8)
    lstm = train_lstm(cnn, train, validation, SEQUENCE, context("lstm"))
    model = train_fusion(lstm, train, validation, FusionOptions(epochs=2), context("fusion"))
    scores = model.scores(test.unlabelled())
    assert (scores.std(0) > 0).all()
    (tmp_path / "saved").mkdir()
    model.save(tmp_path / "saved")
    again = HybridModel.load(tmp_path / "saved")
    assert np.array_equal(again.scores(test.unlabelled()), scores)


def test_a_training_that_was_cut_short_draws_the_dropout_of_one_that_was_not(toy_parts, context):
    train, validation, _ = toy_parts
    whole = train_cnn(train, validation, CnnOptions(**OPTIONS), context("whole"))
    torch.manual_seed(99)  # whatever the process drew before
    half = CnnOptions(**{**OPTIONS, "iterations": 3, "schedule": "constant"})
    constant = CnnOptions(**{**OPTIONS, "schedule": "constant"})
    train_cnn(train, validation, half, context("cut"))
    resumed = train_cnn(train, validation, constant, context("cut"))
    undisturbed = train_cnn(train, validation, constant, context("undisturbed"))
    one, other = resumed.network.state_dict(), undisturbed.network.state_dict()
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert not torch.equal(whole.network.state_dict()["fc8.weight"], other["fc8.weight"])


def test_its_draws_leave_the_global_generator_alone_and_its_batch_norms_see_the_global_batch():
    network = build_network(CnnOptions(**OPTIONS), 3, seed=0)
    assert [type(m) for m in network.modules() if isinstance(m, nn.BatchNorm2d)] == [BatchNorm] * 2
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    build_network(CnnOptions(**OPTIONS), 3, seed=0)
    network.train()(torch.randn(4, 3, 22, 22, generator=torch.Generator().manual_seed(0)))
    from hybrid.dropout import MaskSource, draw_masks_from

    torch.manual_seed(5)
    draw_masks_from(network, MaskSource(generator=torch.Generator().manual_seed(1), num_rows=4))
    network.train()(torch.zeros(4, 3, 22, 22))
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("NoClasses", "cannot be made: .*num_classes.*; it must take num_classes"),
        ("Pictures", r"gives \(2, 8, 20, 20\) for 2 faces, not \(2, 8\)"),
        ("Outputs", r"gives tuple for 2 faces, not \(2, 8\)"),
    ],
)
def test_one_that_does_not_fit_is_one_line(name, message):
    options = CnnOptions(**{**OPTIONS, "backbone": f"my_networks:{name}"})
    with pytest.raises(UserError, match=message):
        build_network(options, 3, seed=0)(torch.zeros(2, 3, 22, 22))
