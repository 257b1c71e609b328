"""What CPM's machines learn from: projected rows, labels, and the C that was chosen."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np


@dataclass(frozen=True, kw_only=True)
class TrainingRows:
    """Projected training rows float32 (N, P), labels int8 (N, L), and C for each AU."""

    rows_NP: np.ndarray
    labels_NL: np.ndarray
    cost_L: np.ndarray = field(default_factory=lambda: np.empty(0))

    def with_cost(self, cost_L: np.ndarray) -> TrainingRows:
        """The same rows with the C that was chosen."""
        return replace(self, cost_L=cost_L)
