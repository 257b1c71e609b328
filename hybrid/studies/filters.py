"""The filters of conv1: what the first layer looks for (paper, Fig. 2d and 2e).

What always holds: the weights are given in the order of the network's channels, with colours last
(red, green, blue); nothing is scaled for display. A network that sees grey local contrast gets the
same picture in all three colours, so what its filter looks for is the mean over them; then all
three are that mean.

Legend: F filters, h w their height and width, C colours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import numpy as np
from pydantic import model_validator

from harness.data.frames import FrameSet
from harness.errors import UserError
from harness.method import Context
from harness.study import StudyResult
from hybrid.studies.cnn_study import CnnStudy, CnnStudyOptions, refuse_single_label

if TYPE_CHECKING:
    from torch import nn


class Filters(CnnStudy):
    """Array: ``conv1`` float32 (F, h, w, C). Value: ``network``, what it is and where trained."""

    class Options(CnnStudyOptions):
        """Options of the filters: the network alone."""

        @model_validator(mode="after")
        def _one_network(self) -> Self:
            refuse_single_label(self.cnn)
            return self

    options: Filters.Options

    def study(self, frames: FrameSet, context: Context) -> StudyResult:
        """The weights of the first convolution."""
        model = self.trained(context)
        weights_FChw = first_convolution(model.network).weight.detach().float().cpu().numpy()
        if self.options.cnn.pixels == "local":
            mean_F1hw = weights_FChw.mean(axis=1, keepdims=True)
            weights_FChw = np.broadcast_to(mean_F1hw, weights_FChw.shape)
        kind = self.options.cnn.backbone or f"ANet, geometry {self.options.cnn.geometry}"
        return StudyResult(
            values={"network": kind, "pixels": self.options.cnn.pixels, "about": model.about},
            arrays={"conv1": weights_FChw.transpose(0, 2, 3, 1).copy()},
        )


def first_convolution(network: nn.Module) -> nn.Conv2d:
    """The convolution that reads the faces."""
    from torch import nn

    for module in network.modules():
        if isinstance(module, nn.Conv2d) and module.in_channels == 3:
            return module
    raise UserError(
        f"{type(network).__name__} has no convolution of three colours: its filters cannot be shown"
    )
