"""JPML, joint patch and multi-label learning: the paper's column "JPML [14]" (section 4.2).

One logistic regression for each AU on landmark HOG, all learned together: a group lasso picks the
face patches (one of 128 values at each landmark) that matter to an AU, and two penalties make the
scores of AUs that go together alike (PC) and let AUs that compete not fire together (NC). The
objective is in ``joint_loss.py``, its solvers in ``group_lasso.py`` and ``group_lasso_admm.py``,
the relations in ``au_relations.py``.

Options are chosen on validation subjects one after the other: alpha for each AU with the AUs apart,
then beta1, then beta2, one value for all AUs.

What always holds: relations and machines come from training and validation subjects alone; patches
are whole, so there is no principal component analysis here; an AU of one class scores 0.
"""

from __future__ import annotations

from pathlib import Path

from baselines.jpml_options import JpmlOptions
from baselines.linear_model import LinearModel
from baselines.patch_importance import write_patches
from baselines.selection import require_validation
from baselines.svm import landmark_hog
from harness.data.frames import FrameSet
from harness.method import Context, Feature, Method


class Jpml(Method):
    """Joint patch and multi-label learning on landmark HOG."""

    Options = JpmlOptions
    code_version = 2
    options: JpmlOptions

    def features(self) -> tuple[Feature, ...]:
        """Landmark HOG."""
        return (landmark_hog(self.options.patch),)

    def fit(self, train: FrameSet, validation: FrameSet, context: Context) -> LinearModel:
        """Chooses alpha, beta1 and beta2 on ``validation``, then fits on both parts."""
        from baselines.jpml_training import JpmlTraining

        for grid in ("alpha", "beta1", "beta2"):
            require_validation(validation, getattr(self.options, grid), grid)
        name = self.features()[0].name
        model = JpmlTraining(self.options, name, train, validation, context).model()
        if context.rank == 0:
            write_patches(context.folder, model.weights, train)
        return model

    @classmethod
    def load(cls, folder: Path) -> LinearModel:
        """The model that ``fit`` gave and that was saved into ``folder``."""
        return LinearModel.load(folder)
