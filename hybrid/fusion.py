"""Fusion of the spatial and the temporal stream (section 3.3): two fully connected layers a frame.

"The fusion network merges the stacked L2-normalized scores in the first fully connected layer",
with parameters shared over time. ``mode`` holds the readings (A-5.9):

    score_fc2   [cnn / |cnn| ; lstm / |lstm|] -> FC -> ReLU -> FC
    siamese     the same FC -> ReLU on each normalised score, added -> FC
    feature     [fc7 / |fc7| ; h] -> FC -> ReLU -> FC
    linear      [cnn / |cnn| ; lstm / |lstm|] -> FC

``normalise`` says along what the scores are L2-normalised, across a frame's AUs (as above) or over
the frames of an AU.

What always holds: a frame's output depends on that frame's inputs alone; with ``init`` ``sum`` the
untrained network's sign is that of the sum of both normalised scores.

Legend: N frames, L action units, D features, H hidden units.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from harness.errors import UserError
from hybrid.draws import derived_seed
from hybrid.lstm_model import Streams
from hybrid.options import FusionOptions

GAIN = 4.0  # of the untrained sum, so that sigmoids of it are neither flat nor saturated
TINY = 1e-8  # below, a length counts as none
SMALL = 0.01  # standard deviation of the weights that the sum leaves over


class Fusion(nn.Module):
    """The network. ``num_inputs`` is the width of ``fusion_inputs`` under the same options."""

    def __init__(self, options: FusionOptions, num_inputs: int, num_aus: int) -> None:
        super().__init__()
        self.options, self.num_aus = options, num_aus
        width = {"siamese": num_aus}.get(options.mode, num_inputs)
        hidden = num_aus if options.mode == "linear" else options.hidden
        self.first = nn.Linear(width, hidden)
        self.second = None if options.mode == "linear" else nn.Linear(hidden, num_aus)

    def forward(self, inputs_NI: Tensor) -> Tensor:
        """Logits (N, L)."""
        if self.second is None:
            return torch.as_tensor(self.first(inputs_NI))
        if self.options.mode == "siamese":
            cnn, lstm = inputs_NI.split(self.num_aus, dim=1)
            hidden = functional.relu(self.first(cnn)) + functional.relu(self.first(lstm))
        else:
            hidden = functional.relu(self.first(inputs_NI))
        return torch.as_tensor(self.second(hidden))


def fusion_inputs(
    streams: Streams, options: FusionOptions, sizes_2L: Tensor | None = None
) -> Tensor:
    """float32 (N, I): what the network reads of both streams.

    ``sizes_2L`` are those of ``stream_sizes``, which ``normalise`` ``au`` needs.
    """
    if options.mode == "feature":
        return torch.cat([torch.from_numpy(streams.fc7_ND), torch.from_numpy(streams.hidden_NH)], 1)
    both = scores_of(streams, options)
    if options.normalise == "frame":
        return torch.cat([_unit(scores_NL) for scores_NL in both], 1)
    assert sizes_2L is not None
    return torch.cat([scores / size for scores, size in zip(both, sizes_2L, strict=True)], 1)


def stream_sizes(streams: Streams, options: FusionOptions, rows_N: np.ndarray) -> Tensor:
    """float32 (2, L): what divides the scores of each stream and AU, so that over the frames
    ``rows_N`` (bool) a vector has length 1 in the mean square, and each AU the same share in it."""
    rows = torch.from_numpy(rows_N)
    squares = [scores[rows].square().mean(0) for scores in scores_of(streams, options)]
    sizes_2L = (torch.stack(squares) * len(squares[0])).sqrt()
    return torch.where(sizes_2L > TINY, sizes_2L, torch.ones(()))


def scores_of(streams: Streams, options: FusionOptions) -> tuple[Tensor, Tensor]:
    """The scores (N, L) of CNN and LSTMs, before they are normalised."""
    cnn_NL = torch.from_numpy(streams.logits_NL)
    if options.score == "prob":
        cnn_NL = torch.sigmoid(cnn_NL)
    return cnn_NL, torch.from_numpy(streams.scores_NL)


def build_fusion(
    options: FusionOptions, num_inputs: int, num_aus: int, seed: int, cnn_share: float = 0.5
) -> Fusion:
    """The network with its first weights. Leaves torch's global generator as it found it.

    ``cnn_share`` is the CNN's weight in the sum that it starts as; the LSTMs have the rest.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derived_seed(seed, "fusion"))
        fusion = Fusion(options, num_inputs, num_aus)
        if options.init != "random":
            _start_as_sum(fusion, num_aus, cnn_share)
    return fusion


def _unit(scores_NL: Tensor) -> Tensor:
    return functional.normalize(scores_NL, dim=1, eps=TINY)


@torch.no_grad()
def _start_as_sum(fusion: Fusion, num_aus: int, cnn_share: float) -> None:
    """Weights under which the logits are GAIN times the (weighted) sum of both normalised scores.

    A pair of rectified units carries a signed value: x = relu(x) - relu(-x).
    """
    identity = torch.eye(num_aus)
    if fusion.options.mode == "siamese":
        stacked = identity
    else:
        stacked = torch.cat([2 * cnn_share * identity, 2 * (1 - cnn_share) * identity], 1)
    for layer in (fusion.first, fusion.second):
        if layer is not None:
            nn.init.normal_(layer.weight, std=SMALL)
            nn.init.zeros_(layer.bias)
    if fusion.second is None:
        fusion.first.weight.copy_(GAIN * stacked)
        return
    if fusion.first.out_features < 2 * num_aus:
        raise UserError(
            f"fusion init 'sum' needs hidden of {2 * num_aus} at least, not "
            f"{fusion.first.out_features}: raise hidden, or take init 'random'"
        )
    fusion.first.weight[:num_aus] = stacked
    fusion.first.weight[num_aus : 2 * num_aus] = -stacked
    fusion.second.weight[:, :num_aus] = GAIN * identity
    fusion.second.weight[:, num_aus : 2 * num_aus] = -GAIN * identity
    # Units beyond the pairs add nothing yet, but may learn to.
    fusion.second.weight[:, 2 * num_aus :] = 0.0
