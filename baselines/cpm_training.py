"""One fit of CPM: draw frames, project them, choose C, C_t and gamma, train the pair.

Legend: N frames, L AUs, P dimensions after the projection, G points of a grid.

What always holds: the projection is fitted on drawn training rows; validation subjects serve to
choose, and join the training only for the last fit of the pair (``refit``).
"""

from __future__ import annotations

from itertools import product

import numpy as np

from baselines.cpm_model import CpmModel, Machines, train_machines
from baselines.cpm_options import CpmOptions
from baselines.feature_rows import read_feature, require_memory, working_memory
from baselines.projection import fit_projection
from baselines.selection import (
    best_of_grid,
    grid_f1,
    one_class_note,
    report_grid,
    undefined_note,
)
from baselines.training_draw import drawn_labels
from baselines.training_rows import TrainingRows
from harness.data.frames import FrameSet
from harness.method import Context


class CpmTraining:
    """What one fit knows, from drawing its frames to its model."""

    def __init__(
        self,
        options: CpmOptions,
        feature: str,
        train: FrameSet,
        validation: FrameSet,
        context: Context,
    ) -> None:
        self.options, self.feature, self.context = options, feature, context
        self.validation, self.aus = validation, train.aus
        labels_NL, wanted = self._drawn(train)
        dimension = train.feature(feature).shape[1]
        columns = 2 * len(options.C) * len(train.aus)
        require_memory(
            working_memory(len(wanted), dimension, columns),
            f"{len(wanted)} frames x {dimension} values x {columns} machines",
        )
        rows = read_feature([train], feature, unit_norm=True, wanted=[wanted])
        self.projection = fit_projection(
            rows,
            energy=options.pca,
            num_cosines=options.kernel_features if options.kernel == "rbf" else 0,
            seed=context.seed,
        )
        self.drawn = TrainingRows(
            rows_NP=self.projection.apply_rows(rows), labels_NL=labels_NL[wanted]
        )

    def model(self) -> CpmModel:
        """Chooses what there is to choose, and trains on all training subjects."""
        options, num_aus = self.options, len(self.aus)
        notes: list[str] = []
        cost_L = np.full(num_aus, options.C[0])
        if len(options.C) > 1:
            cost_L, notes = self._chosen_cost()
        stage_L2 = np.tile([options.C_t[0], options.gamma[0]], (num_aus, 1))
        chosen = {"C": cost_L.tolist()}
        if options.mode != "inductive":
            if len(options.C_t) * len(options.gamma) > 1:
                stage_L2 = self._chosen_stage(cost_L)
            chosen |= {"C_t": stage_L2[:, 0].tolist(), "gamma": stage_L2[:, 1].tolist()}
        drawn = self._with_validation() if options.refit else self.drawn
        (machines,) = self._machines(drawn, cost_L[None])
        return CpmModel(
            aus=self.aus,
            feature=self.feature,
            options=options,
            projection=self.projection,
            machines=machines,
            cost_L=stage_L2[:, 0],
            gamma_L=stage_L2[:, 1],
            training=drawn.with_cost(cost_L) if options.mode == "icpm" else None,
            notes=one_class_note(self.aus, machines.trained_L) + self._runaway(machines) + notes,
            chosen=chosen,
        )

    def _drawn(self, part: FrameSet) -> tuple[np.ndarray, np.ndarray]:
        options = self.options
        return drawn_labels(part, options.sample, options.per_subject, self.context.seed)

    def _with_validation(self) -> TrainingRows:
        labels_NL, wanted = self._drawn(self.validation)
        if not len(wanted):
            return self.drawn
        rows = read_feature([self.validation], self.feature, unit_norm=True, wanted=[wanted])
        return TrainingRows(
            rows_NP=np.concatenate([self.drawn.rows_NP, self.projection.apply_rows(rows)]),
            labels_NL=np.concatenate([self.drawn.labels_NL, labels_NL[wanted]]),
        )

    def _machines(self, drawn: TrainingRows, cost_GL: np.ndarray) -> list[Machines]:
        return train_machines(drawn, cost_GL, self.options, self.context.device)

    def _bare_model(self, machines: Machines) -> CpmModel:
        """A model that scores validation frames while options are being chosen."""
        nothing_L = np.zeros(len(self.aus))
        return CpmModel(
            aus=self.aus,
            feature=self.feature,
            options=self.options,
            projection=self.projection,
            machines=machines,
            cost_L=nothing_L,
            gamma_L=nothing_L,
        )

    def _chosen_cost(self) -> tuple[np.ndarray, list[str]]:
        """C for each AU by the F1 of the pair's mean."""
        grid = np.array(self.options.C)
        cost_GL = np.repeat(grid[:, None], len(self.aus), axis=1)
        machines = self._machines(self.drawn, cost_GL)
        rows_NP = self._bare_model(machines[0]).projected(self.validation)
        scores_GNL = np.stack([rows_NP @ m.mean_PL[:-1] + m.mean_PL[-1] for m in machines])
        f1_GL = grid_f1(self.validation.labels, scores_GNL)
        report_grid(self.context, [{"C": C} for C in grid], f1_GL)
        return grid[best_of_grid(f1_GL)], undefined_note(self.aus, f1_GL, "options")

    def _chosen_stage(self, cost_L: np.ndarray) -> np.ndarray:
        """(L, 2): C_t and gamma for each AU by the F1 of the personal machines."""
        grid_G2 = np.array(list(product(self.options.C_t, self.options.gamma)))
        (machines,) = self._machines(self.drawn, cost_L[None])
        scores_GNL = self._bare_model(machines).personal_scores(
            self.validation.unlabelled(), grid_G2[:, 0], grid_G2[:, 1]
        )
        f1_GL = grid_f1(self.validation.labels, scores_GNL)
        report_grid(self.context, [{"C_t": C_t, "gamma": gamma} for C_t, gamma in grid_G2], f1_GL)
        stage_L2: np.ndarray = grid_G2[best_of_grid(f1_GL)]
        return stage_L2

    def _runaway(self, machines: Machines) -> list[str]:
        return [
            f"AU{au}: more than half of the training frames became hard, its pair was left there"
            for au, ran_away in zip(self.aus, machines.ran_away_L, strict=True)
            if ran_away
        ]
