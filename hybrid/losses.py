"""The two losses of the paper, with unknown labels left out.

- Multi-label cross-entropy (section 3.1, Eq. 1), on logits, in the form that cannot overflow:
  ``max(z, 0) - z [y > 0] + log(1 + exp(-|z|))`` where the label is known, 0 where it is not.
- Max-margin (section 3.2): ``1/n0 * sum over known labels of max(0, k - y * score)``.

What always holds: a label of 0 changes neither value nor gradient of a sum; the gradient of a sum
over frames is the sum of the gradients, so that workers that share a batch may each sum their part
and divide by the count of the whole batch.

Legend: N frames (any leading shape), L action units; labels in {-1 absent, 0 unknown, +1 present}.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

Normaliser = Literal["labels", "L", "batch_only", "valid"]
Gate = Literal["k", "1"]


def cross_entropy_sum(
    logits_NL: Tensor, labels_NL: Tensor, positive_weights_L: Tensor | None = None
) -> Tensor:
    """Sum of the cross-entropies of all known labels, in float32 (natural logarithm).

    ``positive_weights_L`` multiplies the terms of present labels, AU by AU.
    """
    logits_NL = logits_NL.float()
    target_NL = (labels_NL > 0).to(logits_NL.dtype)
    known_NL = (labels_NL != 0).to(logits_NL.dtype)
    return functional.binary_cross_entropy_with_logits(
        logits_NL, target_NL, weight=known_NL, pos_weight=positive_weights_L, reduction="sum"
    )


def cross_entropy_denominator(labels_NL: Tensor, normaliser: Normaliser) -> float | Tensor:
    """What Eq. 1 divides by for a whole batch, by ``normaliser``.

    ``labels`` (also ``L``): frames times L, as printed; ``batch_only``: frames, so that the loss is
    L times larger; ``valid``: the number of known labels, at least 1.
    """
    num_frames = max(labels_NL.numel() // labels_NL.shape[-1], 1)
    if normaliser in ("labels", "L"):
        return float(num_frames * labels_NL.shape[-1])
    if normaliser == "batch_only":
        return float(num_frames)
    if normaliser == "valid":
        return (labels_NL != 0).sum().clamp(min=1)
    raise ValueError(f"normaliser {normaliser!r} is not one of labels, L, batch_only, valid")


def multilabel_cross_entropy(
    logits: Tensor,
    labels: Tensor,
    normaliser: Normaliser = "labels",
    weights_L: Tensor | None = None,
) -> Tensor:
    """Eq. 1 of the paper, averaged over the batch.

    Args:
        logits: float (..., L), before the sigmoid.
        labels: (..., L) in {-1, 0, +1}.
        normaliser: see ``cross_entropy_denominator``.
        weights_L: what multiplies the terms of present labels, AU by AU.
    """
    total = cross_entropy_sum(logits, labels, weights_L)
    return total / cross_entropy_denominator(labels, normaliser)


def max_margin_sum(
    scores_NL: Tensor, labels_NL: Tensor, margin: float = 0.5, gate: Gate = "k"
) -> Tensor:
    """Sum over frames of each frame's max-margin loss; a frame without known labels adds 0.

    ``gate``: ``k`` takes the subgradient of the loss as printed; ``1`` passes the gradient
    ``-y/n0`` wherever ``y * score < 1``, as the paper's text on back-propagation says.
    """
    signs_NL = labels_NL.to(torch.float32)
    known_NL = (signs_NL != 0).to(torch.float32)
    share_NL = known_NL / known_NL.sum(-1, keepdim=True).clamp(min=1)
    agreement_NL = signs_NL * scores_NL.float()
    hinge = (share_NL * (margin - agreement_NL).clamp(min=0)).sum()
    if gate == "k":
        return hinge
    if gate == "1":
        open_NL = (agreement_NL.detach() < 1).to(torch.float32)
        linear = -(share_NL * open_NL * agreement_NL).sum()
        return hinge.detach() + linear - linear.detach()
    raise ValueError(f"gate {gate!r} is not one of 'k', '1'")


def count_labelled_frames(labels_NL: Tensor) -> Tensor:
    """Number of frames with at least one known label, at least 1."""
    return (labels_NL != 0).any(-1).sum().clamp(min=1)


def max_margin(scores: Tensor, labels: Tensor, margin: float = 0.5, gate: Gate = "k") -> Tensor:
    """The paper's loss for the LSTMs (section 3.2), averaged over the frames that have a known
    label.

    Args:
        scores: float (..., L) in [-1, 1], after the tanh.
        labels: (..., L) in {-1, 0, +1}.
        margin: k, beyond which a score costs nothing.
        gate: see ``max_margin_sum``.
    """
    return max_margin_sum(scores, labels, margin, gate) / count_labelled_frames(labels)
