"""CPM, the confidence preserving machine: the paper's column "CPM [12]" (section 4.2).

Training (``confident_pair.py``) gives each AU a pair of classifiers that are sure of their own
class. Testing (``personal_machine.py``) turns the frames on which the pair agrees into virtual
labels of the test subject, and learns a machine for that subject from these and from the smoothness
of its scores in time and appearance. It is transductive: it looks at all frames of a test subject,
and at none of their labels. So scores depend on which of a subject's frames are scored together.

C is chosen on the validation subjects by the F1 of the pair's mean, then C_t and gamma by the F1 of
the personal machines, for each AU. ``mode="inductive"`` stops at the pair's mean, which sees no
test frame; ``mode="icpm"`` lets a test subject's easy frames back into training (``icpm.py``).

What always holds: projection, pair and options come from training and validation subjects alone; an
AU of one class scores 0; frames whose face was lost take no part in learning a personal machine.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from baselines.cpm_options import CpmOptions
from baselines.selection import require_validation
from baselines.svm import landmark_hog
from harness.data.frames import FrameSet
from harness.method import Context, Feature, Method

if TYPE_CHECKING:
    from baselines.cpm_model import CpmModel


class Cpm(Method):
    """The confidence preserving machine on landmark HOG."""

    Options = CpmOptions
    options: CpmOptions

    def features(self) -> tuple[Feature, ...]:
        """Landmark HOG."""
        return (landmark_hog(self.options.patch),)

    def fit(self, train: FrameSet, validation: FrameSet, context: Context) -> CpmModel:
        """Trains the pair; chooses C, C_t and gamma on ``validation``."""
        from baselines.cpm_training import CpmTraining

        options = self.options
        require_validation(validation, options.C, "C")
        if options.mode != "inductive":
            require_validation(validation, options.C_t, "C_t")
            require_validation(validation, options.gamma, "gamma")
        return CpmTraining(options, self.features()[0].name, train, validation, context).model()

    @classmethod
    def load(cls, folder: Path) -> CpmModel:
        """The model that ``fit`` gave and that was saved into ``folder``."""
        from baselines.cpm_model import CpmModel

        return CpmModel.load(folder)
