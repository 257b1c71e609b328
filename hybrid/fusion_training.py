"""Training of the fusion (section 3.3), with both streams frozen.

The streams are over-confident on the subjects that they were trained on, so the fusion learns from
the validation subjects (A-5.11), less a part of them that decides which epoch is kept. The
untrained network, which adds both streams, is one of the candidates.

What always holds: the streams' weights do not change; same seed, same fusion.

Legend: N frames, I inputs, L action units.
"""

from __future__ import annotations

import copy

import numpy as np
import torch

from harness.data.frames import FrameSet
from harness.errors import UserError
from harness.method import Context
from hybrid.draws import torch_generator
from hybrid.fusion import build_fusion, fusion_inputs
from hybrid.hybrid_model import HybridModel
from hybrid.losses import max_margin, multilabel_cross_entropy
from hybrid.lstm_model import LstmModel
from hybrid.options import FusionOptions
from hybrid.progress import check_finite
from hybrid.segments import runs
from hybrid.selection import mean_f1
from hybrid.workers import device_of

SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
FEWEST_SUBJECTS_TO_PART = 3  # below, sequences are parted instead of subjects


def train_fusion(
    lstm: LstmModel,
    train: FrameSet,
    validation: FrameSet,
    options: FusionOptions,
    context: Context,
) -> HybridModel:
    """The hybrid with the fusion of the epoch that did best on frames held out of its training."""
    device_of(context)
    frames = train if options.data == "train" else validation
    if not len(frames):
        raise UserError(
            "fusion data 'val' needs validation subjects, and this split has none: take data "
            "'train', or give a validation share"
        )
    inputs_NI = fusion_inputs(lstm.streams(frames.unlabelled()), options)
    labels_NL = np.array(frames.labels)
    held_N = held_out(frames, options.holdout)
    learn = np.flatnonzero(~held_N & (labels_NL != 0).any(1))
    share = best_share(inputs_NI.numpy(), labels_NL) if options.init == "weighted" else 0.5
    fusion = build_fusion(options, inputs_NI.shape[1], len(lstm.aus), context.seed, share)
    optimiser = torch.optim.SGD(
        fusion.parameters(),
        lr=options.lr,
        momentum=options.momentum,
        weight_decay=options.weight_decay,
    )
    labels = torch.from_numpy(labels_NL)

    def held_f1() -> float:
        with torch.no_grad():
            return mean_f1(labels_NL[held_N], fusion(inputs_NI[held_N]).numpy())

    best_f1, best_epoch, best = held_f1(), 0, copy.deepcopy(fusion.state_dict())
    for epoch in range(1, options.epochs + 1):
        shuffle = torch.randperm(
            len(learn), generator=torch_generator(context.seed, "fusion", epoch)
        )
        losses = []
        for batch in torch.from_numpy(learn)[shuffle].split(options.batch):
            logits_BL = fusion(inputs_NI[batch])
            if options.loss == "hinge":
                loss = max_margin(torch.tanh(logits_BL), labels[batch])
            else:
                loss = multilabel_cross_entropy(logits_BL, labels[batch])
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
    about = {"cnn_share": share, "best_epoch": best_epoch, "held_out_mean_f1": best_f1}
    return HybridModel(lstm, fusion, options, about)


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
