"""Multi-label sampling: which frames go into a mini-batch. Knows labels, and nothing else."""

from sampling.batches import Batches
from sampling.class_aware import ClassAwareBatches
from sampling.diagnostics import Composition, batch_counts, composition
from sampling.imbalance import imbalance_ratios, minority_labels, scumble
from sampling.loss_weights import positive_weights
from sampling.mlsmote import mlsmote
from sampling.momu import MomuBatches
from sampling.prior import base_rates, prior_offsets, stream_prior_offsets
from sampling.random_batches import RandomBatches
from sampling.registry import STRATEGIES, make_batches
from sampling.remedial import remedial
from sampling.resampled_batches import ResampledBatches
from sampling.resampling import lp_ros, lp_rus, ml_ros, ml_rus
from sampling.stratified import StratifiedBatches
from sampling.weighted import WeightedBatches, rarest_label_weights

__all__ = [
    "STRATEGIES",
    "Batches",
    "ClassAwareBatches",
    "Composition",
    "MomuBatches",
    "RandomBatches",
    "ResampledBatches",
    "StratifiedBatches",
    "WeightedBatches",
    "base_rates",
    "batch_counts",
    "composition",
    "imbalance_ratios",
    "lp_ros",
    "lp_rus",
    "make_batches",
    "minority_labels",
    "ml_ros",
    "ml_rus",
    "mlsmote",
    "positive_weights",
    "prior_offsets",
    "rarest_label_weights",
    "remedial",
    "scumble",
    "stream_prior_offsets",
]
