"""One fit of JPML: draw frames, count relations, choose alpha, beta1 and beta2, fit.

Legend: N frames, L AUs, D features, B grid points solved side by side.

What always holds: relations are counted on the labels of training frames, all of them, drawn or
not; validation subjects serve to choose, and join only for the last fit (``refit``).
"""

from __future__ import annotations

import numpy as np
import torch

from baselines.au_relations import Relations, curated_relations, data_relations
from baselines.design_matrix import DesignMatrix
from baselines.feature_rows import FeatureRows, read_feature, require_memory, working_memory
from baselines.features.landmark_hog import DESCRIPTOR
from baselines.group_lasso import GroupLassoResult, minimise_group_lasso
from baselines.group_lasso_admm import minimise_by_admm
from baselines.joint_loss import JointLoss
from baselines.jpml_options import JpmlOptions
from baselines.linear import has_both_classes
from baselines.linear_model import LinearModel
from baselines.selection import (
    best_of_grid,
    best_overall,
    grid_f1,
    one_class_note,
    report_grid,
    undefined_note,
)
from baselines.training_draw import drawn_labels
from harness.data.frames import FrameSet
from harness.errors import UserError
from harness.method import Context


class JpmlTraining:
    """What one fit knows, from drawing its frames to its model."""

    def __init__(
        self,
        options: JpmlOptions,
        feature: str,
        train: FrameSet,
        validation: FrameSet,
        context: Context,
    ) -> None:
        self.options, self.feature, self.context = options, feature, context
        self.aus, self.train, self.validation = train.aus, train, validation
        dimension = train.feature(feature).shape[1]
        if dimension % DESCRIPTOR:
            raise UserError(
                f"feature {feature!r} has {dimension} values a frame, which is not a whole number "
                f"of patches of {DESCRIPTOR}: JPML reads landmark HOG"
            )
        self.labels_NL, wanted = self._drawn(train)
        self.labels_NL = self.labels_NL[wanted]
        grid = max(len(options.alpha), len(options.beta1), len(options.beta2))
        columns = 3 * grid * len(train.aus)
        require_memory(
            working_memory(len(wanted), dimension, columns),
            f"{len(wanted)} frames x {dimension} values x {columns} machines",
        )
        self.rows = read_feature([train], feature, unit_norm=True, wanted=[wanted])
        self.trained_L = has_both_classes(self.labels_NL)
        self.notes: list[str] = []

    def model(self) -> LinearModel:
        """Chooses what there is to choose, and fits on all training subjects."""
        options, num_aus = self.options, len(self.aus)
        fit = _Fit(self, self.rows, self.labels_NL, self._relations([self.train]))
        alpha_L = np.full(num_aus, options.alpha[0])
        beta = {"beta1": options.beta1[0], "beta2": options.beta2[0]}
        if len(options.alpha) > 1:
            alpha_L = self._chosen_alpha(fit)
        for name in ("beta1", "beta2"):
            grid = getattr(options, name)
            if len(grid) > 1:
                beta[name] = self._chosen_beta(fit, name, grid, alpha_L, beta)
        if options.refit and len(self.validation):
            fit = self._refit()
        weights_DL = fit.solve(alpha_L[None], beta["beta1"], beta["beta2"])[0]
        self._note_relations(fit.relations)
        return LinearModel(
            aus=self.aus,
            feature=self.feature,
            unit_norm=True,
            weights=weights_DL[:-1],
            bias=weights_DL[-1],
            notes=one_class_note(self.aus, fit.trained_L) + self.notes,
            chosen={"alpha": alpha_L.tolist(), **{name: [beta[name]] for name in beta}},
        )

    def _drawn(self, part: FrameSet) -> tuple[np.ndarray, np.ndarray]:
        options = self.options
        return drawn_labels(part, options.sample, options.per_subject, self.context.seed)

    def _relations(self, parts: list[FrameSet]) -> Relations:
        if self.options.relations == "curated":
            return curated_relations(self.aus)
        labels_NL = np.concatenate([part.labels for part in parts])
        return data_relations(labels_NL, weigh_by_phi=self.options.pair_weight == "phi")

    def _refit(self) -> _Fit:
        parts = [self.train, self.validation]
        draws = [self._drawn(part) for part in parts]
        rows = read_feature(
            parts, self.feature, unit_norm=True, wanted=[wanted for _, wanted in draws]
        )
        labels_NL = np.concatenate([labels[wanted] for labels, wanted in draws])
        return _Fit(self, rows, labels_NL, self._relations(parts))

    def _chosen_alpha(self, fit: _Fit) -> np.ndarray:
        """alpha for each AU, the AUs being apart; one for all where patches are shared."""
        grid = np.array(self.options.alpha)
        weights_BDL = fit.solve(np.repeat(grid[:, None], len(self.aus), axis=1), 0.0, 0.0)
        f1_BL = self._validated(weights_BDL, [{"alpha": alpha} for alpha in grid])
        self.notes += undefined_note(self.aus, f1_BL, "alpha")
        if self.options.omega == "shared":
            return np.full(len(self.aus), grid[best_overall(f1_BL)])
        chosen_L: np.ndarray = grid[best_of_grid(f1_BL)]
        return chosen_L

    def _chosen_beta(
        self,
        fit: _Fit,
        name: str,
        grid: tuple[float, ...],
        alpha_L: np.ndarray,
        beta: dict[str, float],
    ) -> float:
        tried = {other: [value] * len(grid) for other, value in beta.items()} | {name: list(grid)}
        if name == "beta1":
            # What beta2 will be is not chosen yet: PC is tried alone.
            tried["beta2"] = [0.0 if len(self.options.beta2) > 1 else beta["beta2"]] * len(grid)
        alpha_BL = np.repeat(alpha_L[None], len(grid), axis=0)
        weights_BDL = fit.solve(alpha_BL, tried["beta1"], tried["beta2"])
        f1_BL = self._validated(weights_BDL, [{name: value} for value in grid])
        return grid[best_overall(f1_BL)]

    def _validated(self, weights_BDL: np.ndarray, points: list[dict[str, float]]) -> np.ndarray:
        """float64 (B, L) F1 on validation, reported point by point."""
        unlabelled = self.validation.unlabelled()
        scores = [self._linear(weights_DL).scores(unlabelled) for weights_DL in weights_BDL]
        f1_BL = grid_f1(self.validation.labels, np.stack(scores))
        report_grid(self.context, points, f1_BL)
        return f1_BL

    def _linear(self, weights_DL: np.ndarray) -> LinearModel:
        return LinearModel(
            aus=self.aus,
            feature=self.feature,
            unit_norm=True,
            weights=weights_DL[:-1],
            bias=weights_DL[-1],
        )

    def _note_relations(self, relations: Relations) -> None:
        together, apart = relations.pairs(self.aus)
        for name, pairs, grid in (
            ("beta1", together, self.options.beta1),
            ("beta2", apart, self.options.beta2),
        ):
            if not pairs and max(grid) > 0:
                self.notes.append(
                    f"no AU pair in the relation that {name} weighs: it has no effect"
                )


class _Fit:
    """The rows of one fit, on their device, and the machines solved on them."""

    def __init__(
        self, training: JpmlTraining, rows: FeatureRows, labels_NL: np.ndarray, relations: Relations
    ) -> None:
        self.options, self.relations = training.options, relations
        self.trained_L = has_both_classes(labels_NL)
        self.design = DesignMatrix(
            rows.rows_ND,
            scale_N=rows.scale_N,
            bias=1.0 if training.options.intercept else 0.0,
            device=training.context.device,
        )
        self.labels_NL = torch.as_tensor(labels_NL, device=self.design.device)

    def solve(
        self, alpha_BL: np.ndarray, beta1_B: list[float] | float, beta2_B: list[float] | float
    ) -> np.ndarray:
        """float32 (B, D + 1, L) weights, the bias last; 0 for AUs of one class."""
        num_problems, num_aus = alpha_BL.shape
        dimension = self.design.dimension + 1
        weights_BDL = np.zeros((num_problems, dimension, num_aus), np.float32)
        columns = np.flatnonzero(self.trained_L)
        if not len(columns):
            return weights_BDL
        device = self.design.device
        block = np.ix_(columns, columns)
        relations = Relations(
            together_LL=self.relations.together_LL[block], apart_LL=self.relations.apart_LL[block]
        )
        betas = [
            torch.as_tensor(np.broadcast_to(beta, num_problems).astype(np.float32), device=device)
            for beta in (beta1_B, beta2_B)
        ]
        loss = JointLoss.on(self.labels_NL[:, columns], relations, *betas)
        alpha = torch.as_tensor(alpha_BL[:, columns].astype(np.float32), device=device)
        found = self._minimised(loss, alpha).weights_DK.cpu().numpy()
        found_DBL = found.reshape(dimension, num_problems, len(columns))
        weights_BDL[:, :, columns] = found_DBL.transpose(1, 0, 2)
        return weights_BDL

    def _minimised(self, loss: JointLoss, alpha_BL: torch.Tensor) -> GroupLassoResult:
        options = self.options
        if options.solver == "admm":
            return minimise_by_admm(
                self.design,
                loss,
                alpha_BL,
                group_size=DESCRIPTOR,
                omega=options.omega,
                rho=options.rho,
                tolerance=options.tolerance,
                max_iter=options.max_iter,
            )
        return minimise_group_lasso(
            self.design,
            loss,
            alpha_BL,
            group_size=DESCRIPTOR,
            omega=options.omega,
            tolerance=options.tolerance,
            max_iter=options.max_iter,
        )
