"""CpmModel: the trained pair of each AU, and what it takes to personalise it to a test subject.

Legend: N frames, L AUs, P dimensions after the projection, G points of a grid, K = G x L.

What always holds: scoring reads features, sequences, numbers and tracking of unlabelled frames, and
nothing else; each subject is scored from its own frames alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from baselines.confident_pair import PairOptions, train_confident_pair
from baselines.cpm_options import CpmOptions
from baselines.design_matrix import DesignMatrix, as_float32
from baselines.feature_rows import feature_chunks
from baselines.icpm import progressive_machine
from baselines.linear import has_both_classes
from baselines.linear_model import au_columns, read_json, write_json
from baselines.personal_machine import PersonalOptions, personal_machine, virtual_labels
from baselines.projection import Projection
from baselines.smoothness_graph import FrameGraph, smoothness_graph
from baselines.training_rows import TrainingRows
from harness.data.frames import FrameSet


@dataclass(frozen=True, kw_only=True)
class Machines:
    """Both machines of each AU, float32 (P + 1, L), 0 where ``trained_L`` is False."""

    plus_PL: np.ndarray
    minus_PL: np.ndarray
    trained_L: np.ndarray
    ran_away_L: np.ndarray

    @property
    def mean_PL(self) -> np.ndarray:
        """The pair's mean, the inductive machine."""
        mean: np.ndarray = 0.5 * (self.plus_PL + self.minus_PL)
        return mean


def train_machines(
    drawn: TrainingRows, cost_GL: np.ndarray, options: CpmOptions, device: str
) -> list[Machines]:
    """The pairs of every AU for each row of ``cost_GL``, all in one go."""
    num_grid, num_aus = cost_GL.shape
    trained_L = has_both_classes(drawn.labels_NL)
    columns = np.flatnonzero(trained_L)
    shape = (num_grid, len(columns))
    plus_PGL = np.zeros((drawn.rows_NP.shape[1] + 1, num_grid, num_aus), np.float32)
    minus_PGL, ran_away_GL = plus_PGL.copy(), np.zeros((num_grid, num_aus), dtype=bool)
    if len(columns):
        design = DesignMatrix(drawn.rows_NP, device=device)
        labels = torch.as_tensor(drawn.labels_NL[:, columns], device=device)
        cost_K = as_float32(cost_GL[:, columns].ravel(), device)
        pair = train_confident_pair(
            design, labels.repeat(1, num_grid), cost_K, pair_options(options)
        )
        plus_PGL[:, :, columns] = pair.plus_DK.cpu().numpy().reshape(-1, *shape)
        minus_PGL[:, :, columns] = pair.minus_DK.cpu().numpy().reshape(-1, *shape)
        ran_away_GL[:, columns] = pair.ran_away_K.cpu().numpy().reshape(shape)
    return [
        Machines(
            plus_PL=plus_PGL[:, i],
            minus_PL=minus_PGL[:, i],
            trained_L=trained_L,
            ran_away_L=ran_away_GL[i],
        )
        for i in range(num_grid)
    ]


def pair_options(options: CpmOptions) -> PairOptions:
    """The part of CPM's options that the training stage reads."""
    return PairOptions(
        relabel=options.relabel,
        hard_weight=options.hard_weight,
        max_iter=options.max_iter,
        balanced=options.class_weight == "balanced",
        class_weight_follows_relabel=options.class_weight_follows_relabel,
        tolerance=options.tolerance,
    )


@dataclass(frozen=True, kw_only=True)
class CpmModel:
    """What ``Cpm.fit`` gives.

    Attributes:
        cost_L, gamma_L: C_t and gamma of each AU.
        training: the training rows, kept for ``mode="icpm"`` only, which trains again at test.
    """

    aus: tuple[int, ...]
    feature: str
    options: CpmOptions
    projection: Projection
    machines: Machines
    cost_L: np.ndarray
    gamma_L: np.ndarray
    training: TrainingRows | None = None
    notes: list[str] = field(default_factory=list)
    chosen: dict[str, list[float]] = field(default_factory=dict)

    def scores(self, frames: FrameSet) -> np.ndarray:
        """float32 (N, L), above 0 means present."""
        columns = au_columns(self.aus, frames)
        if self.options.mode == "inductive":
            mean_PL = self.machines.mean_PL[:, columns]
            rows_NP = self.projected(frames)
            scores_NL: np.ndarray = rows_NP @ mean_PL[:-1] + mean_PL[-1]
            return scores_NL
        scores = np.empty((len(frames), len(self.aus)), np.float32)
        for rows, design, graph, tracked in self._subjects(frames):
            weights_PL = self._personal(design, graph, tracked, self.cost_L, self.gamma_L)
            scores[rows] = design.times(weights_PL).cpu().numpy()
        return scores[:, columns]

    def personal_scores(
        self, frames: FrameSet, cost_G: np.ndarray, gamma_G: np.ndarray
    ) -> np.ndarray:
        """float32 (G, N, L): scores of personal machines for each pair of C_t and gamma."""
        shape, num_aus = (len(cost_G), len(frames), len(self.aus)), len(self.aus)
        scores_GNL = np.empty(shape, np.float32)
        for rows, design, graph, tracked in self._subjects(frames):
            weights_PK = self._personal(
                design, graph, tracked, np.repeat(cost_G, num_aus), np.repeat(gamma_G, num_aus)
            )
            scores_NK = design.times(weights_PK).cpu().numpy()
            scores_GNL[:, rows] = scores_NK.reshape(len(rows), -1, num_aus).transpose(1, 0, 2)
        return scores_GNL

    def projected(self, frames: FrameSet) -> np.ndarray:
        """float32 (N, P) projected rows of the frames."""
        num_dimensions = len(self.machines.plus_PL) - 1
        rows_NP = np.empty((len(frames), num_dimensions), np.float32)
        for rows, chunk_BD in feature_chunks(frames, self.feature, unit_norm=True):
            rows_NP[rows] = self.projection.apply(chunk_BD)
        return rows_NP

    def _subjects(
        self, frames: FrameSet
    ) -> Iterator[tuple[np.ndarray, DesignMatrix, FrameGraph, torch.Tensor]]:
        """For each subject: its positions, rows, graph, and which of its frames were tracked."""
        device = "cuda" if torch.cuda.is_available() else "cpu"
        options, subjects = self.options, frames.subjects.astype(str)
        for subject in np.unique(subjects):
            rows = np.flatnonzero(subjects == subject)
            own = frames.select(rows)
            design = DesignMatrix(self.projected(own), device=device)
            graph = smoothness_graph(
                design.rows_ND,
                own.sequences,
                own.numbers,
                own.tracked,
                kind=options.graph,
                tau=options.tau,
                neighbours=options.neighbours,
            )
            yield rows, design, graph, torch.as_tensor(own.tracked.copy(), device=device)

    def _personal(
        self,
        design: DesignMatrix,
        graph: FrameGraph,
        tracked_N: torch.Tensor,
        cost_K: np.ndarray,
        gamma_K: np.ndarray,
    ) -> torch.Tensor:
        """(P + 1, K): one subject's machines."""
        device, machines, options = design.device, self.machines, self.options
        plus_PL = as_float32(machines.plus_PL, device)
        minus_PL = as_float32(machines.minus_PL, device)
        personal = PersonalOptions(
            qss_balance=options.qss_balance, w0=options.w0, tolerance=options.tolerance
        )
        cost, gamma = as_float32(cost_K, device), as_float32(gamma_K, device)
        if self.training is not None:
            return progressive_machine(
                self.training,
                (plus_PL, minus_PL),
                design,
                graph,
                tracked_N,
                cost_K=cost,
                gamma_K=gamma,
                pair_options=pair_options(options),
                personal_options=personal,
            )
        virtual_NL = virtual_labels(design.times(plus_PL), design.times(minus_PL))
        virtual_NL *= tracked_N[:, None]
        num_grid = len(cost_K) // len(self.aus)
        return personal_machine(
            design,
            graph,
            virtual_NL.repeat(1, num_grid),
            (0.5 * (plus_PL + minus_PL)).repeat(1, num_grid),
            cost_K=cost,
            gamma_K=gamma,
            options=personal,
        )

    def save(self, folder: Path) -> None:
        """Writes ``machines.npz`` and ``model.json``."""
        arrays: dict[str, Any] = {
            "plus": self.machines.plus_PL,
            "minus": self.machines.minus_PL,
            "trained": self.machines.trained_L,
            "ran_away": self.machines.ran_away_L,
            "cost": self.cost_L,
            "gamma": self.gamma_L,
            **{f"projection_{k}": v for k, v in self.projection.arrays().items()},
        }
        if self.training is not None:
            arrays["training_rows"] = self.training.rows_NP
            arrays["training_labels"] = self.training.labels_NL
            arrays["training_cost"] = self.training.cost_L
        np.savez(folder / "machines.npz", **arrays)
        about = {
            "aus": list(self.aus),
            "feature": self.feature,
            "options": self.options.model_dump(mode="json"),
            "notes": self.notes,
            "chosen": self.chosen,
        }
        write_json(folder / "model.json", about)

    @classmethod
    def load(cls, folder: Path) -> CpmModel:
        """The model that ``save`` wrote."""
        about = read_json(folder / "model.json")
        with np.load(folder / "machines.npz", allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        parts = {k.partition("_")[2]: v for k, v in arrays.items() if k.startswith("projection_")}
        training = None
        if "training_rows" in arrays:
            training = TrainingRows(
                rows_NP=arrays["training_rows"],
                labels_NL=arrays["training_labels"],
                cost_L=arrays["training_cost"],
            )
        return cls(
            aus=tuple(about["aus"]),
            feature=about["feature"],
            options=CpmOptions.model_validate(about["options"]),
            projection=Projection(**parts),
            machines=Machines(
                plus_PL=arrays["plus"],
                minus_PL=arrays["minus"],
                trained_L=arrays["trained"],
                ran_away_L=arrays["ran_away"],
            ),
            cost_L=arrays["cost"],
            gamma_L=arrays["gamma"],
            training=training,
            notes=about["notes"],
            chosen=about["chosen"],
        )
