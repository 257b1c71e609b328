"""iCPM: CPM that trains on, with each test subject's easy frames (the source's Algorithm 2).

For one test subject, in turn: relabel the hard training frames and train the pair; take virtual
labels; learn the personal machine; keep the virtual labels that it confirms; let those test frames
join the training as easy frames. It ends when the easy frames stand still, or after ``MAX_ROUNDS``.

Legend: N training frames, M frames of the subject, L AUs, P dimensions and the bias.

What always holds: the subject's frames enter with virtual labels only.
"""

from __future__ import annotations

import torch

from baselines.confident_pair import (
    RUNAWAY,
    SETTLED,
    PairOptions,
    both_classes,
    easy_frames,
    relabelled,
    solve_one,
)
from baselines.design_matrix import DesignMatrix, as_float32
from baselines.personal_machine import PersonalOptions, personal_machine, virtual_labels
from baselines.smoothness_graph import FrameGraph
from baselines.training_rows import TrainingRows

MAX_ROUNDS = 5


def progressive_machine(
    training: TrainingRows,
    pair: tuple[torch.Tensor, torch.Tensor],
    subject: DesignMatrix,
    graph: FrameGraph,
    tracked_M: torch.Tensor,
    *,
    cost_K: torch.Tensor,
    gamma_K: torch.Tensor,
    pair_options: PairOptions,
    personal_options: PersonalOptions,
) -> torch.Tensor:
    """float32 (P + 1, L): the subject's own weights; ``pair`` is that of the training stage."""
    device = subject.device
    labels_NL = torch.as_tensor(training.labels_NL, device=device)
    train_rows = as_float32(training.rows_NP, device)
    both = DesignMatrix(torch.cat([train_rows, subject.rows_ND]), device=str(device))
    num_train = len(train_rows)
    plus_PL, minus_PL = (machine.clone() for machine in pair)
    # AUs of one class have no machines to go on with; their weights are 0 and stay so.
    learnt = both_classes(labels_NL)
    num_known_L = (labels_NL != 0).sum(dim=0).clamp_min(1)
    joined_ML = torch.zeros((subject.num_rows, labels_NL.shape[1]), dtype=torch.int8, device=device)
    plus, minus = both.times(plus_PL), both.times(minus_PL)
    easy_NL = easy_frames(labels_NL, plus[:num_train], minus[:num_train])
    cost_L = as_float32(training.cost_L, device)
    weights_PL = 0.5 * (plus_PL + minus_PL)
    for round_number in range(MAX_ROUNDS):
        labels = torch.cat([labels_NL, joined_ML])
        easy = torch.cat([easy_NL, joined_ML != 0])
        targets = relabelled(labels, easy, plus, minus, pair_options.relabel)
        kept = learnt & both_classes(targets[0]) & both_classes(targets[1])
        kept &= 1 - easy_NL.sum(dim=0) / num_known_L <= RUNAWAY
        for machine_PL, target in zip((plus_PL, minus_PL), targets, strict=True):
            machine_PL[:, kept] = solve_one(
                both,
                labels[:, kept],
                target[:, kept],
                easy[:, kept],
                cost_L[kept],
                machine_PL[:, kept],
                pair_options,
            )
        plus, minus = both.times(plus_PL), both.times(minus_PL)
        virtual_ML = virtual_labels(plus[num_train:], minus[num_train:]) * tracked_M[:, None]
        weights_PL = personal_machine(
            subject,
            graph,
            virtual_ML,
            0.5 * (plus_PL + minus_PL),
            cost_K=cost_K,
            gamma_K=gamma_K,
            options=personal_options,
        )
        confirmed = virtual_ML == torch.sign(subject.times(weights_PL))
        before = easy
        joined_ML = torch.where(confirmed, virtual_ML, 0).to(torch.int8)
        easy_NL = easy_frames(labels_NL, plus[:num_train], minus[:num_train])
        moved = (torch.cat([easy_NL, joined_ML != 0]) != before).float().mean()
        if round_number and float(moved) < SETTLED:
            break
    return weights_PL
