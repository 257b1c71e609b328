"""Stacked LSTMs over fc7 (section 3.2, Fig. 2c): one vector of AU scores at each time step.

    dropout - LSTM - dropout - LSTM - dropout - LSTM - dropout - linear - tanh

A standard LSTM without peepholes; one bias a gate. The tanh keeps scores in (-1, 1), which is why
the paper's margin is 0.5.

What always holds: the input is packed (``hybrid.segments``), each segment starts from a zero state,
and the recurrence itself sees no dropout; the paper's stack on 1024-D input has 2,362,368 trained
parameters without its head.

Legend: M packed rows, D features, H cells, L action units.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from harness.errors import UserError
from hybrid.draws import derived_seed
from hybrid.dropout import Dropout
from hybrid.options import SequenceOptions
from hybrid.segments import Packing

States = list[tuple[Tensor, Tensor]]


class LstmStack(nn.Module):
    """The network. ``num_features`` is the size of the projected fc7."""

    def __init__(self, options: SequenceOptions, num_features: int, num_aus: int) -> None:
        super().__init__()
        if options.head == "last_h" and num_aus > options.hidden:
            raise UserError(
                f"head 'last_h' needs hidden of {num_aus} at least, not {options.hidden}"
            )
        self.options, self.num_aus = options, num_aus
        self.width = width = options.hidden * (2 if options.bidirectional else 1)
        self.dropouts = nn.ModuleList(Dropout(options.dropout) for _ in range(options.layers + 1))
        self.layers = nn.ModuleList(
            nn.LSTM(
                num_features if i == 0 else width,
                options.hidden,
                bidirectional=options.bidirectional,
            )
            for i in range(options.layers)
        )
        self.head = nn.Linear(width, num_aus) if options.head == "linear_tanh" else None

    def forward(self, features_MD: Tensor, packing: Packing) -> tuple[Tensor, Tensor]:
        """Scores (M, L) in (-1, 1) and last hidden states (M, H), both in packed order.

        Args:
            features_MD: rows already in packed order.
        """
        burn_in = self.options.burn_in
        if self.training and self.options.burnin == "detach" and burn_in:
            head, tail = packing.split(burn_in)
            num_head = len(head.order_M)
            first, states = self._run(features_MD, head, None, slice(0, num_head))
            if len(tail.order_M):
                running = int(tail.batch_sizes_T[0])
                held = [(h[:, :running].detach(), c[:, :running].detach()) for h, c in states]
                rest, _ = self._run(features_MD, tail, held, slice(num_head, None))
                hidden_MH = torch.cat([first.detach(), rest])
            else:
                hidden_MH = first.detach()
        else:
            hidden_MH, _ = self._run(features_MD, packing, None, slice(None))
        if self.head is None:
            return torch.tanh(hidden_MH[:, : self.num_aus]), hidden_MH
        return torch.tanh(self.head(hidden_MH)), hidden_MH

    def _run(
        self, x_MD: Tensor, packing: Packing, states: States | None, part: slice
    ) -> tuple[Tensor, States]:
        """All layers over a part of the packed rows; hidden of the last, and all last states."""
        sizes = torch.from_numpy(np.ascontiguousarray(packing.batch_sizes_T))
        ended: States = []
        x_MD = self.dropouts[0](x_MD[part], part)
        for i, layer in enumerate(self.layers):
            packed, state = layer(
                PackedSequence(x_MD, sizes), None if states is None else states[i]
            )
            ended.append(state)
            x_MD = self.dropouts[i + 1](packed.data, part)
        return x_MD, ended


def build_stack(options: SequenceOptions, num_features: int, num_aus: int, seed: int) -> LstmStack:
    """The stack with its first weights. Leaves torch's global generator as it found it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derived_seed(seed, "weights"))
        stack = LstmStack(options, num_features, num_aus)
        for name, parameter in stack.named_parameters():
            nn.init.uniform_(parameter, -options.init_range, options.init_range)
            if "bias_hh" in name:
                # torch adds two biases; the second stays out, as there is one bias a gate.
                nn.init.zeros_(parameter)
                parameter.requires_grad_(False)
            elif "bias_ih" in name and options.forget_bias:
                with torch.no_grad():
                    parameter[options.hidden : 2 * options.hidden] = 1.0  # gates i, f, g, o
    return stack


def num_trained(network: nn.Module) -> int:
    """Number of parameters that training changes."""
    return sum(p.numel() for p in network.parameters() if p.requires_grad)
