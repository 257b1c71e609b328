"""A network whose logits are known: weights on pixels, so that every gradient can be written down."""

import numpy as np
import torch
from torch import nn

from hybrid.anet_model import AnetModel
from hybrid.options import CnnOptions


class LinearNetwork(nn.Module):
    """Logit l is the sum of weights l times the picture; ``maps`` is the picture, as a convolution
    of one-to-one would give it."""

    def __init__(self, weights_LCSS):
        super().__init__()
        self.maps = nn.Conv2d(3, 3, 1, bias=False)
        self.maps.weight.data = torch.eye(3)[:, :, None, None]
        self.weights_LCSS = weights_LCSS

    def forward(self, faces_BCHW):
        maps = self.maps(faces_BCHW)
        logits = torch.einsum("bchw,lchw->bl", maps, self.weights_LCSS)
        return logits, logits


def linear_model(weights_LCSS, aus=(1, 6, 12), **options):
    side = weights_LCSS.shape[-1]
    chosen = {"pixels": "caffe", "resolution": side + 4, "crop": side, **options}
    network = LinearNetwork(weights_LCSS).eval().requires_grad_(False)
    return AnetModel(
        CnnOptions(size="small", **chosen),
        aus,
        network,
        mean=torch.tensor([100.0, 120.0, 140.0]),
        scale=1.0,
        correction=np.zeros(len(aus), np.float32),
        device="cpu",
    )
