"""fc7 of a training and a validation part, projected: what LSTMs of any depth and margin read.

A search trains many LSTMs on one CNN and the same frames, one after the other in one process. What
they read is the same for all, so it is computed once and kept for as long as someone holds on to
the training part itself (the very FrameSet); in a job that trains one LSTM it goes with the job.

What always holds: the projection is fitted on the training part alone; another network, other
frames, another number of components or scale are computed anew.

Legend: N frames, K components.
"""

from __future__ import annotations

import hashlib
import weakref
from dataclasses import dataclass

import torch
from torch import Tensor

from harness.data.frames import FrameSet
from hybrid.anet_model import AnetModel
from hybrid.cnn_training import rows_with_faces
from hybrid.lstm_model import project
from hybrid.options import SequenceOptions
from hybrid.pca import Pca, fit_pca


@dataclass(frozen=True, kw_only=True)
class Projections:
    """float32 (N, K) features of both parts on the device, and the projection that gave them."""

    train_NK: Tensor
    validation_NK: Tensor
    pca: Pca


_kept: weakref.WeakKeyDictionary[FrameSet, tuple[str, weakref.ref[FrameSet], Projections]]
_kept = weakref.WeakKeyDictionary()


def projections(
    cnn: AnetModel,
    train: FrameSet,
    validation: FrameSet,
    options: SequenceOptions,
    device: torch.device,
) -> Projections:
    """The projections of both parts, computed or as they were kept."""
    key = f"{_digest(cnn)} {options.pca} {options.scale} {device}"
    known = _kept.get(train)
    if known is not None and known[0] == key and known[1]() is validation:
        return known[2]
    fc7 = torch.from_numpy(cnn.represent(train.unlabelled()))
    pca = fit_pca(fc7[rows_with_faces(train)], options.pca, device)
    train_NK = project(fc7, pca, options, device)
    del fc7
    validation_fc7 = torch.from_numpy(cnn.represent(validation.unlabelled()))
    found = Projections(
        train_NK=train_NK, validation_NK=project(validation_fc7, pca, options, device), pca=pca
    )
    _kept[train] = (key, weakref.ref(validation), found)
    return found


def _digest(cnn: AnetModel) -> str:
    """Hash of everything that can change a network's fc7."""
    found = hashlib.blake2b(digest_size=16)
    found.update(cnn.options.model_dump_json().encode())
    for name, value in sorted(cnn.network.state_dict().items()):
        found.update(name.encode())
        found.update(value.detach().cpu().contiguous().numpy().tobytes())
    found.update(cnn.mean.cpu().numpy().tobytes() + str(cnn.scale).encode())
    return found.hexdigest()
