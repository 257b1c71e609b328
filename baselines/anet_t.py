"""ANet_T (section 4.2): linear SVMs here on the fc7 of a CNN that was trained on another dataset.

It asks how well a learned representation carries over: nothing of the network has seen this
dataset, so its fc7 stands beside HOG as a feature that was there before.

What always holds: the CNN's training set is neither the one that the SVMs learn from nor the one
that they are tested on, and nobody in it is in those; the plan sees to that.
"""

from __future__ import annotations

from collections.abc import Mapping

from baselines.svm_fc7 import STAGE, SvmFc7
from harness.method import Stage


class AnetT(SvmFc7):
    """Linear SVMs on the fc7 of another dataset's CNN."""

    class Options(SvmFc7.Options):
        """Options of ANet_T."""

        cnn_dataset: str | None = None
        """The suite's name for the dataset that the CNN is trained on; may be left out where only
        one is left beside those that the cell trains and tests on."""

    options: AnetT.Options

    def stages(self) -> Mapping[str, Stage]:
        """The CNN, trained on the other dataset."""
        return {
            "cnn": Stage(
                method=STAGE,
                options=self.options.anet,
                on="other",
                dataset=self.options.cnn_dataset,
            )
        }
