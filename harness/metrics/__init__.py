"""What is measured: per-AU numbers from labels and scores, with unknown labels left out.

Every function takes ``(labels, scores)``, (N, L) in {-1 absent, 0 unknown, +1 present} and (N, L)
real, and gives (L,); NaN where the number is undefined.
"""

from harness.metrics.events import EventF1, event_f1
from harness.metrics.frame_measures import (
    balanced_accuracy,
    cohen_kappa,
    frame_f1,
    precision,
    recall,
    s_score,
    skew_normalised_f1,
)
from harness.metrics.ranking import average_precision, roc_auc
from harness.metrics.registry import METRICS, Metric, find_metric
from harness.metrics.scored import ScoredFrames

__all__ = [
    "EventF1",
    "METRICS",
    "Metric",
    "ScoredFrames",
    "average_precision",
    "balanced_accuracy",
    "cohen_kappa",
    "event_f1",
    "find_metric",
    "frame_f1",
    "precision",
    "recall",
    "roc_auc",
    "s_score",
    "skew_normalised_f1",
]
