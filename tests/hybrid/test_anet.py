import pytest
import torch

from harness.errors import UserError
from hybrid.anet import STRIDE_OF_CONV1, build_network, parameter_groups
from hybrid.options import CnnOptions

GEOMETRIES = {  # geometry: (maps after conv1, pool1, conv2, ..., flattened, parameters in millions)
    "alexnet_pad": ((42, 21, 21, 21, 21, 21), 14112, 75.0),
    "valid": ((42, 21, 17, 15, 13, 11), 3872, 33.1),
    "s2_valid": ((83, 42, 38, 36, 34, 32), 32768, 151),
    "s1_valid": ((166, 83, 79, 77, 75, 73), 170528, 716),
}


def _build(**fields):
    with torch.device("meta"):  # sizes without the memory of 716 million weights
        from hybrid.anet import Anet

        return Anet(CnnOptions(**fields), 12)


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_sizes_of_the_paper_network(geometry):
    maps, flat, millions = GEOMETRIES[geometry]
    network = _build(geometry=geometry)
    found, picture = [], torch.empty((1, 3, 176, 176), device="meta")
    for name, layer in network.trunk.named_children():
        picture = layer(picture)
        if name.startswith(("conv", "pool")):
            found.append(picture.shape[-1])
    assert tuple(found) == maps
    assert picture[0].numel() == flat == network.fc6.in_features
    total = sum(p.numel() for p in network.parameters())
    assert total / 1e6 == pytest.approx(millions, rel=0.005)
    convolutions = sum(p.numel() for p in network.trunk.parameters())
    assert convolutions == 372_728


def test_exact_number_of_parameters_of_the_default():
    assert sum(p.numel() for p in _build().parameters()) == 75_010_052


@pytest.mark.parametrize(("geometry", "millions"), [("alexnet_pad", 285), ("valid", 182)])
def test_multiplications_an_image(geometry, millions):
    network = _build(geometry=geometry)
    picture, total = torch.empty((1, 3, 176, 176), device="meta"), 0
    for layer in network.trunk:
        picture = layer(picture)
        if isinstance(layer, torch.nn.Conv2d):
            total += picture[0].numel() * layer.weight[0].numel()
    total += sum(fc.weight.numel() for fc in (network.fc6, network.fc7, network.fc8))
    assert total / 1e6 == pytest.approx(millions, rel=0.01)
    assert set(GEOMETRIES) == set(STRIDE_OF_CONV1)


def test_initial_weights_follow_caffe_and_the_seed():
    options = CnnOptions(fc=64)
    first, again, other = (build_network(options, 5, seed) for seed in (0, 0, 1))
    assert torch.equal(first.trunk.conv2.weight, again.trunk.conv2.weight)
    assert not torch.equal(first.trunk.conv2.weight, other.trunk.conv2.weight)
    assert first.trunk.conv2.weight.std().item() == pytest.approx(0.01, rel=0.02)
    assert first.fc6.weight.std().item() == pytest.approx(0.005, rel=0.02)
    biases = {n: m.bias.unique().tolist() for n, m in first.named_modules() if hasattr(m, "bias")}
    ones = {n for n, b in biases.items() if b == [1.0]}
    assert ones == {"trunk.conv2", "trunk.conv4", "trunk.conv5", "fc6", "fc7"}
    assert all(b in ([0.0], [1.0]) for b in biases.values())


def test_building_leaves_the_global_generator_alone():
    torch.manual_seed(3)
    before = torch.random.get_rng_state()
    build_network(CnnOptions(size="small"), 3, 7)
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize("norm", ["lrn", "none", "bn"])
def test_norm_decides_the_layers(norm):
    network = build_network(CnnOptions(size="small", norm=norm), 3, 0)
    kinds = [type(layer).__name__ for layer in network.trunk]
    assert kinds.count("LocalResponseNorm") == (norm == "lrn")
    assert kinds.count("BatchNorm") == (5 if norm == "bn" else 0)
    if norm == "lrn":
        assert kinds.index("LocalResponseNorm") == kinds.index("MaxPool2d") + 1


def test_biases_take_twice_the_rate_and_no_decay():
    options = CnnOptions(size="small", norm="none", weight_decay=0.1)
    network = build_network(options, 3, 0)
    weights, biases = parameter_groups(network, options)
    assert (weights["weight_decay"], weights["lr_factor"]) == (0.1, 1.0)
    assert (biases["weight_decay"], biases["lr_factor"]) == (0.0, 2.0)
    assert len(weights["params"]) == len(biases["params"]) == 8


def test_a_crop_too_small_for_the_geometry_is_refused():
    with pytest.raises(UserError, match=r"geometry 's2_valid' leaves nothing of a 16 px crop"):
        build_network(CnnOptions(resolution=20, crop=16, geometry="s2_valid"), 3, 0)


def test_single_label_networks_share_nothing():
    network = build_network(CnnOptions(size="small", labels="single"), 3, 0)
    logits, fc7 = network(torch.randn(2, 3, 64, 64))
    assert logits.shape == (2, 3)
    assert fc7.shape == (2, 3 * 128)
    logits[:, 0].sum().backward()
    touched = [any(p.grad.any() for p in n.parameters()) for n in network.networks]
    assert touched == [True, False, False]


def toy_backbone(num_classes, width=4):
    return torch.nn.Sequential(
        torch.nn.AdaptiveAvgPool2d(width), torch.nn.Flatten(), torch.nn.LazyLinear(num_classes)
    )


def test_a_backbone_by_dotted_path_takes_the_place_of_the_layers_below_fc8(monkeypatch):
    import sys
    import types

    module = types.ModuleType("toy_backbones")
    module.toy_backbone = toy_backbone
    monkeypatch.setitem(sys.modules, "toy_backbones", module)
    options = CnnOptions(
        size="small", backbone="toy_backbones:toy_backbone", backbone_options={"width": 2}, fc=9
    )
    logits, fc7 = build_network(options, 5, 0)(torch.randn(2, 3, 64, 64))
    assert (logits.shape, fc7.shape) == ((2, 5), (2, 9))
    assert (fc7 >= 0).all()


def test_a_backbone_that_cannot_be_imported_is_named():
    options = CnnOptions(backbone="no_such_module:net")
    with pytest.raises(UserError, match=r"backbone 'no_such_module:net' cannot be imported"):
        build_network(options, 5, 0)
