"""A study of a trained ANet: the one that the methods train on the setting's first fold.

What always holds: with the same options as a method's network it is the same training, which is
then done once; the network is studied in evaluation mode, in single precision, and its weights stay
as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from harness.method import Context, Options, Stage
from harness.study import Study
from hybrid.methods import cnn_stage
from hybrid.options import CnnOptions

if TYPE_CHECKING:
    from hybrid.anet_model import AnetModel


class CnnStudyOptions(Options):
    """Which network is looked at.

    Attributes:
        cnn: its options, as the methods ``lstm`` and ``hybrid`` take them.
    """

    cnn: CnnOptions = CnnOptions()


class CnnStudy(Study):
    """Base of studies of one network."""

    Options = CnnStudyOptions
    options: Any

    def stages(self) -> Mapping[str, Stage]:
        """The CNN."""
        return {"cnn": cnn_stage(self.options.cnn)}

    def trained(self, context: Context) -> AnetModel:
        """The network on the job's device, ready to be looked at."""
        import torch

        from hybrid.anet_model import AnetModel

        torch.set_num_threads(context.threads)
        model = AnetModel.load(context.stage("cnn"), context.device)
        model.network.eval().requires_grad_(False)
        return model


def refuse_single_label(options: CnnOptions) -> None:
    """One picture of one network is asked for, and ``labels: single`` trains one for each AU."""
    if options.labels == "single":
        raise ValueError("cnn.labels 'single' is a network for each AU: take 'multi'")
