"""Training of the fusion (section 3.3), with both streams frozen.

The streams are over-confident on the subjects that they were trained on, so the fusion learns from
the validation subjects (A-5.11), less a part of them that decides which epoch is kept; or from the
training subjects as scored by networks that did not see them (``oof``), and then all validation
subjects decide. The untrained network, which adds both streams, is one of the candidates.

What always holds: the streams' weights do not change; the frames that decide are none that the
fusion learned from; same seed, same fusion.

Legend: N frames, K of them learned from, H held out, I inputs, L action units.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from harness.data.frames import FrameSet
from harness.errors import UserError
from harness.method import Context
from hybrid.draws import torch_generator
from hybrid.fusion import build_fusion, fusion_inputs, stream_sizes
from hybrid.hybrid_model import HybridModel
from hybrid.losses import max_margin, multilabel_cross_entropy
from hybrid.lstm_model import LstmModel
from hybrid.options import FusionOptions
from hybrid.out_of_fold import OutOfFoldModel
from hybrid.progress import check_finite
from hybrid.segments import runs
from hybrid.selection import mean_f1
from hybrid.workers import device_of
from sampling.loss_weights import positive_weights

SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
FEWEST_SUBJECTS_TO_PART = 3  # below, sequences are parted instead of subjects


@dataclass(frozen=True, kw_only=True)
class FusionData:
    """What a fusion learns from, and what decides which epoch is kept.

    Attributes:
        inputs_KI, labels_KL: frames with a known label to learn from.
        held_inputs_HI, held_labels_HL: frames apart from those.
        share: the CNN's weight in the sum that the fusion starts as.
        sizes_2L: what divides the scores of both streams under ``normalise`` ``au``, else None.
    """

    inputs_KI: Tensor
    labels_KL: np.ndarray
    held_inputs_HI: Tensor
    held_labels_HL: np.ndarray
    share: float
    sizes_2L: Tensor | None


def fusion_data(
    lstm: LstmModel,
    train: FrameSet,
    validation: FrameSet,
    options: FusionOptions,
    unseen: OutOfFoldModel | None,
) -> FusionData:
    """Both streams' scores of the frames that ``options.data`` names; ``unseen`` gives them for
    ``oof``."""
    frames = validation if options.data == "val" else train
    if not len(frames):
        raise UserError(
            "fusion data 'val' needs validation subjects, and this split has none: take data "
            "'oof' or 'train', or give a validation share"
        )
    source = lstm if unseen is None else unseen
    streams = source.streams(frames.unlabelled())
    labels_NL = np.array(frames.labels)
    others_decide = options.data == "oof" and len(validation) > 0
    held_N = np.zeros(len(frames), bool) if others_decide else held_out(frames, options.holdout)
    learned_N = ~held_N
    sizes_2L = stream_sizes(streams, options, learned_N) if options.normalise == "au" else None
    inputs_NI = fusion_inputs(streams, options, sizes_2L)
    share = 0.5
    if options.init == "weighted":
        share = best_share(inputs_NI.numpy()[learned_N], labels_NL[learned_N])
    if others_decide:
        held_inputs = fusion_inputs(lstm.streams(validation.unlabelled()), options, sizes_2L)
        held_labels = np.array(validation.labels)
    else:
        held_inputs, held_labels = inputs_NI[held_N], labels_NL[held_N]
    learn_K = np.flatnonzero(learned_N & (labels_NL != 0).any(1))
    return FusionData(
        inputs_KI=inputs_NI[learn_K],
        labels_KL=labels_NL[learn_K],
        held_inputs_HI=held_inputs,
        held_labels_HL=held_labels,
        share=share,
        sizes_2L=sizes_2L,
    )


def train_fusion(
    lstm: LstmModel,
    train: FrameSet,
    validation: FrameSet,
    options: FusionOptions,
    context: Context,
    unseen: OutOfFoldModel | None = None,
) -> HybridModel:
    """The hybrid with the fusion of the epoch that did best on frames held out of its training.

    ``unseen`` scores the training subjects for data ``oof``.
    """
    device_of(context)
    data = fusion_data(lstm, train, validation, options, unseen)
    fusion = build_fusion(options, data.inputs_KI.shape[1], len(lstm.aus), context.seed, data.share)
    optimiser = torch.optim.SGD(
        fusion.parameters(),
        lr=options.lr,
        momentum=options.momentum,
        weight_decay=options.weight_decay,
    )
    labels = torch.from_numpy(data.labels_KL)
    weights_L = None
    if options.positive_weights:
        weights_L = torch.from_numpy(positive_weights(data.labels_KL).astype(np.float32))

    def held_f1() -> float:
        with torch.no_grad():
            return mean_f1(data.held_labels_HL, fusion(data.held_inputs_HI).numpy())

    best_f1, best_epoch, best = held_f1(), 0, copy.deepcopy(fusion.state_dict())
    for epoch in range(1, options.epochs + 1):
        shuffle = torch.randperm(
            len(labels), generator=torch_generator(context.seed, "fusion", epoch)
        )
        losses = []
        for batch in shuffle.split(options.batch):
            logits_BL = fusion(data.inputs_KI[batch])
            if options.loss == "hinge":
                loss = max_margin(torch.tanh(logits_BL), labels[batch])
            else:
                loss = multilabel_cross_entropy(logits_BL, labels[batch], weights_L=weights_L)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            losses.append(loss.detach())
        if losses:
            check_finite(torch.stack(losses), (epoch - 1) * len(losses) + 1, context)
        f1 = held_f1()
        context.report(
            {
                "step": epoch,
                "loss": float(torch.stack(losses).mean()) if losses else 0.0,
                "validation_mean_f1": f1,
            }
        )
        if f1 > best_f1:
            best_f1, best_epoch, best = f1, epoch, copy.deepcopy(fusion.state_dict())
    fusion.load_state_dict(best)
    about = {"cnn_share": data.share, "best_epoch": best_epoch, "held_out_mean_f1": best_f1}
    return HybridModel(lstm, fusion, options, about, data.sizes_2L)


def best_share(inputs_NI: np.ndarray, labels_NL: np.ndarray) -> float:
    """The CNN's weight in the sum of both normalised scores with the best mean F1; of equally good
    ones the nearest to a half."""
    cnn_NL, lstm_NL = np.split(inputs_NI, 2, axis=1)
    f1 = {w: mean_f1(labels_NL, w * cnn_NL + (1 - w) * lstm_NL) for w in SHARES}
    return max(SHARES, key=lambda w: (f1[w], -abs(w - 0.5)))


def held_out(frames: FrameSet, share: float) -> np.ndarray:
    """bool (N,): about ``share`` of the frames, apart from the others.

    Whole subjects (every fifth, for a share of 0.2) where there are three or more; else the last
    stretch of each sequence, since neighbouring frames are near-copies of each other.
    """
    held_N = np.zeros(len(frames), bool)
    subjects = np.unique(frames.subjects.astype(str))
    if len(subjects) >= FEWEST_SUBJECTS_TO_PART:
        num = max(round(share * len(subjects)), 1)
        chosen = subjects[np.linspace(0, len(subjects) - 1, num).astype(int)]
        held_N[np.isin(frames.subjects.astype(str), chosen)] = True
    else:
        for start, length in zip(*runs(frames.sequences), strict=True):
            held_N[start + length - round(share * length) : start + length] = True
    return held_N
