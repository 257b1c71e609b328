"""A small network for small faces, in ANet's place (``backbone``); what ``size: medium`` trains.

    conv 3x3/2 - three times: conv 3x3, max pool - 4x4 places x C channels

ANet's first kernel is 11 pixels wide, a sixteenth of the paper's face but a sixth of one that was
reduced to 64 px: what it then steps over, every 4 pixels, are lids and the corners of lips. Kernels
of 3 pixels see those, and the maps of the last convolution are the representation itself, with no
fully connected layer between them and the AUs.

Legend: B batch, S side of the crop, C channels, D = 16 C.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

PLACES = 4  # the last maps are 4 x 4, whatever the crop


class Pyramid(nn.Module):
    """From (B, 3, S, S) to (B, ``num_classes``); S at least 32.

    Args:
        num_classes: D, the length of the representation, a multiple of 16.
        widths: channels of the convolutions before the last, whose are D / 16.

    Raises:
        TypeError: ``num_classes`` is not a multiple of 16.
    """

    def __init__(self, num_classes: int, widths: Sequence[int] = (16, 32, 48)) -> None:
        super().__init__()
        channels, rest = divmod(num_classes, PLACES * PLACES)
        if rest or not channels:
            raise TypeError(f"fc {num_classes} is not a multiple of {PLACES * PLACES}")
        layers: list[nn.Module] = []
        before = 3
        for position, width in enumerate((*widths, channels)):
            layers += [nn.Conv2d(before, width, 3, 1 if position else 2, 1), nn.BatchNorm2d(width)]
            layers += [nn.ReLU(inplace=True)]
            if position == len(widths):
                layers += [nn.AdaptiveMaxPool2d(PLACES)]
            elif position:
                layers += [nn.MaxPool2d(2)]
            before = width
        self.layers = nn.Sequential(*layers)

    def forward(self, faces_BCHW: Tensor) -> Tensor:
        """(B, D), not negative."""
        return torch.flatten(self.layers(faces_BCHW), 1)
