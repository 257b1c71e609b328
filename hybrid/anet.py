"""ANet: the AlexNet that the paper modified (section 3.1, Fig. 2b), as a multi-label network.

    conv1 96x11x11 - pool 2x2 - norm - conv2 96x5x5 - conv3 72x3x3 - conv4 48x3x3 - conv5 32x3x3
    - fc6 4096 - fc7 4096 - fc8 L

The figure prints no stride and no padding; ``geometry`` holds the readings (A-5.1). ReLU after
every layer but fc8, dropout after fc6 and fc7. fc7 after its ReLU, dropout off, L2-normalised, is
the representation that the rest of the paper builds on.

What always holds: the input is a float batch of channel-normalised faces (B, 3, S, S) and the
output a pair (logits (B, L), fc7 (B, D)); the convolutions of the paper's widths have 372,728
parameters in every geometry.

Legend: B batch, L action units, D size of fc7.
"""

from __future__ import annotations

import importlib
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from harness.errors import UserError
from hybrid.batch_norm import BatchNorm, over_global_batch
from hybrid.draws import derived_seed
from hybrid.dropout import Dropout
from hybrid.options import CnnOptions

STRIDE_OF_CONV1 = {"alexnet_pad": 4, "valid": 4, "s2_valid": 2, "s1_valid": 1}
PADDING = {"alexnet_pad": (0, 2, 1, 1, 1)}
KERNELS = (11, 5, 3, 3, 3)
CAFFE_STD = {"conv": 0.01, "fc6": 0.005, "fc7": 0.005, "fc8": 0.01}
CAFFE_BIAS = {"conv1": 0.0, "conv3": 0.0, "fc8": 0.0}  # the others start at 1


class Anet(nn.Module):
    """The network. ``num_aus`` outputs; its size follows from the options."""

    def __init__(self, options: CnnOptions, num_aus: int) -> None:
        super().__init__()
        self.trunk, width = _trunk(options)
        self.fc6 = nn.Linear(width, options.fc)
        self.fc7 = nn.Linear(options.fc, options.fc)
        self.fc8 = nn.Linear(options.fc, num_aus)
        self.dropout6 = Dropout(options.dropout)
        self.dropout7 = Dropout(options.dropout)

    def forward(self, faces_BCHW: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (B, L) and fc7 (B, D) after its ReLU, before dropout."""
        maps = torch.flatten(self.trunk(faces_BCHW), 1)
        fc6 = self.dropout6(functional.relu(self.fc6(maps)))
        fc7 = functional.relu(self.fc7(fc6))
        return self.fc8(self.dropout7(fc7)), fc7


class WithBackbone(nn.Module):
    """Another network in the place of ANet's layers up to fc7 (``backbone`` option).

    ``backbone`` is a callable by dotted path, ``"torchvision.models:resnet18"``, that takes
    ``num_classes`` (and ``backbone_options``) and gives a module from (B, 3, S, S) to
    (B, num_classes). Its output plays fc7. Its batch norms see the global batch, and what it draws
    in training (its own dropout) follows from the step's seed, so that a training with it is as
    repeatable as one of ANet.
    """

    def __init__(self, options: CnnOptions, num_aus: int) -> None:
        super().__init__()
        assert options.backbone is not None
        self.name, self.width = options.backbone, options.fc
        try:
            trunk = _imported(options.backbone)(num_classes=options.fc, **options.backbone_options)
        except TypeError as error:
            raise UserError(
                f"backbone {options.backbone!r} cannot be made: {error}; it must take num_classes "
                "and the backbone_options"
            ) from error
        self.trunk = over_global_batch(trunk)
        self.dropout7 = Dropout(options.dropout)
        self.fc8 = nn.Linear(options.fc, num_aus)

    def forward(self, faces_BCHW: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (B, L) and the backbone's output (B, D) after a ReLU."""
        source = self.dropout7.source
        if self.training and source is not None:
            cuda = faces_BCHW.device.type == "cuda"
            with torch.random.fork_rng(devices=[faces_BCHW.device] if cuda else []):
                torch.manual_seed(source.generator.initial_seed())
                output = self.trunk(faces_BCHW)
        else:
            output = self.trunk(faces_BCHW)
        wanted = (len(faces_BCHW), self.width)
        if not isinstance(output, Tensor) or tuple(output.shape) != wanted:
            found = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
            raise UserError(
                f"backbone {self.name!r} gives {found} for {len(faces_BCHW)} faces, not {wanted}: "
                "its output must have num_classes columns"
            )
        fc7 = functional.relu(output)
        return self.fc8(self.dropout7(fc7)), fc7


class SingleLabel(nn.Module):
    """One network for each AU, trained side by side: nothing is shared but the batches."""

    def __init__(self, networks: list[nn.Module]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)

    def forward(self, faces_BCHW: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (B, L) and the networks' fc7 side by side (B, L * D)."""
        outputs = [network(faces_BCHW) for network in self.networks]
        return torch.cat([o[0] for o in outputs], 1), torch.cat([o[1] for o in outputs], 1)


def build_network(options: CnnOptions, num_aus: int, seed: int) -> nn.Module:
    """The network with its first weights. Leaves torch's global generator as it found it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derived_seed(seed, "weights"))
        if options.labels == "single":
            return SingleLabel([_one_network(options, 1) for _ in range(num_aus)])
        return _one_network(options, num_aus)


def _one_network(options: CnnOptions, num_aus: int) -> nn.Module:
    if options.backbone is not None:
        return WithBackbone(options, num_aus)
    network = Anet(options, num_aus)
    _initialise(network, options.init)
    return network


def parameter_groups(network: nn.Module, options: CnnOptions) -> list[dict[str, Any]]:
    """Weights, and biases with twice the learning rate and no weight decay, as AlexNet's had.

    With a backbone, and for the scales of a batch norm, everything one-dimensional counts as a
    bias."""
    weights = [p for p in network.parameters() if p.requires_grad and p.ndim > 1]
    biases = [p for p in network.parameters() if p.requires_grad and p.ndim <= 1]
    return [
        {"params": weights, "weight_decay": options.weight_decay, "lr_factor": 1.0},
        {"params": biases, "weight_decay": 0.0, "lr_factor": 2.0},
    ]


def _trunk(options: CnnOptions) -> tuple[nn.Sequential, int]:
    """conv1 to conv5, and the length of the flattened maps of conv5."""
    paddings = PADDING.get(options.geometry, (0, 0, 0, 0, 0))
    layers: list[tuple[str, nn.Module]] = []
    size, channels = options.crop, 3
    for i, (width, kernel, padding) in enumerate(
        zip(options.widths, KERNELS, paddings, strict=True), start=1
    ):
        stride = STRIDE_OF_CONV1[options.geometry] if i == 1 else 1
        layers.append((f"conv{i}", nn.Conv2d(channels, width, kernel, stride, padding)))
        size, channels = (size + 2 * padding - kernel) // stride + 1, width
        if options.norm == "bn":
            layers.append((f"norm{i}", BatchNorm(width)))
        layers.append((f"relu{i}", nn.ReLU(inplace=True)))
        if i == 1:
            layers.append(("pool1", nn.MaxPool2d(2, 2, ceil_mode=True)))  # Caffe rounds up
            size = (size + 1) // 2
            if options.norm == "lrn":
                layers.append(("norm1", nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75)))
        if size < 1:
            raise UserError(
                f"geometry {options.geometry!r} leaves nothing of a {options.crop} px crop at "
                f"conv{i}: take a larger crop, or geometry 'alexnet_pad'"
            )
    trunk = nn.Sequential()
    for name, layer in layers:
        trunk.add_module(name, layer)
    return trunk, channels * size * size


def _initialise(network: nn.Module, init: str) -> None:
    for name, module in network.named_modules():
        if not isinstance(module, nn.Conv2d | nn.Linear):
            continue
        layer = name.rsplit(".", 1)[-1]
        if init == "he":
            if layer == "fc8":
                nn.init.normal_(module.weight, std=0.01)
            else:
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            bias = 0.0
        else:
            nn.init.normal_(module.weight, std=CAFFE_STD.get(layer, CAFFE_STD["conv"]))
            bias = CAFFE_BIAS.get(layer, 1.0)
        assert module.bias is not None
        nn.init.constant_(module.bias, bias)


def _imported(path: str) -> Any:
    module_name, _, name = path.partition(":")
    try:
        return getattr(importlib.import_module(module_name), name)
    except (ImportError, AttributeError) as error:
        raise UserError(
            f"backbone {path!r} cannot be imported ({error}): give module:callable, such as "
            "'torchvision.models:resnet18'"
        ) from error
