"""Linear SVMs for all AUs at once, and for all values of C of a grid at once.

    min  1/2 (|w|^2 + b^2) + C sum_i s_i a_{y_i} max(0, 1 - y_i (w'x_i + b))^2

with frame weights s and class weights a, which is LIBLINEAR's ``-s 2`` with ``-B 1``: the bias is
an ordinary weight on a constant entry and so is regularised. scikit-learn's
``LinearSVC(loss="squared_hinge", dual=False)`` has the same minimum. The paper's baseline (section
4.2) names a linear SVM and no more.

What always holds: an unknown label (0) takes no part, in its AU's column alone; an AU that has one
class only among the known labels is not learned: its weights and bias are 0, so its score is 0 and
says absent, and ``trained`` tells.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    import torch

    from baselines.design_matrix import DesignMatrix
    from baselines.newton import NewtonResult

ClassWeight = Literal["balanced"] | np.ndarray | None

HARD_ROUNDS = 8
"""Rounds of the joint solver after which a problem that is small is solved exactly instead."""


@dataclass(frozen=True, kw_only=True)
class LinearSvm:
    """Linear classifiers, one for each AU, with a leading axis where C was a grid.

    Attributes:
        weights: float32 (D, L), or (G, D, L) for G values of C.
        bias: float32 (L,), or (G, L).
        objective: float64 (L,), or (G, L): the value reached; 0 where not trained.
        trained: bool (L,), False where the known labels hold one class only.
    """

    weights: np.ndarray
    bias: np.ndarray
    objective: np.ndarray
    trained: np.ndarray

    def scores(self, features_ND: np.ndarray) -> np.ndarray:
        """float32 (N, L), or (G, N, L): above 0 means present."""
        scores = features_ND.astype(np.float32, copy=False) @ self.weights
        return scores + self.bias[..., None, :]


def fit_linear_svm(
    features: np.ndarray,
    labels: np.ndarray,
    C: float | Sequence[float] = 1.0,
    *,
    class_weight: ClassWeight = None,
    sample_weight: np.ndarray | None = None,
    bias: float = 1.0,
    tolerance: float = 1e-5,
    max_rounds: int = 50,
    device: str = "cpu",
) -> LinearSvm:
    """Fits the SVMs of all AUs, and of all given values of C, in one truncated Newton.

    Args:
        features: float16 or float32 (N, D); half precision halves the memory, products are in
            single precision either way.
        labels: (N, L) in {-1 absent, 0 unknown, +1 present}; (N,) is one AU.
        C: the cost of a violation, or a grid of costs.
        class_weight: ``"balanced"`` gives each class of an AU half of the weight,
            ``n / (2 n_class)`` over known labels; or (L, 2) weights of absent and present.
        sample_weight: (N,) or (N, L), at least 0.
        bias: the constant entry, LIBLINEAR's ``-B``; 0 for no bias.
        tolerance: relative precision of the objective.
        max_rounds: Newton steps at most; what has not converged by then is kept as it is.
        device: torch device, ``"cpu"`` or ``"cuda:0"``.

    Raises:
        ValueError: shapes that do not fit, labels or costs out of range, features not finite.
    """
    from baselines.design_matrix import DesignMatrix

    labels_NL = _checked_labels(features, labels)
    design = DesignMatrix(features, bias=bias, device=device)
    _check_finite(design)
    weight_NL = frame_weights(labels_NL, class_weight, sample_weight)
    return fit_design(
        design, labels_NL, weight_NL, C, tolerance=tolerance, max_rounds=max_rounds, finish=True
    )


def fit_design(
    design: DesignMatrix,
    labels_NL: np.ndarray,
    weight_NL: np.ndarray,
    C: float | Sequence[float],
    *,
    tolerance: float = 1e-5,
    max_rounds: int = 50,
    finish: bool = False,
) -> LinearSvm:
    """``fit_linear_svm`` on rows that stand ready (``design``), with the weight of each frame in
    each AU.

    A frame of weight 0 counts as not given, also for whether an AU has both classes. ``finish``:
    small problems that are hard for the joint solver are solved exactly (``exact_path.py``).
    """
    from baselines.design_matrix import as_float32
    from baselines.newton import minimise_squared_hinge

    costs_G = np.atleast_1d(np.asarray(C, dtype=np.float64))
    if costs_G.ndim != 1 or not len(costs_G) or not ((costs_G > 0) & (costs_G < np.inf)).all():
        raise ValueError(f"C must be a positive number or a list of them, not {C!r}")
    signed_NL = labels_NL * weight_NL
    trained_L = has_both_classes(signed_NL)
    columns = np.flatnonzero(trained_L)
    num_grid, num_aus, dimension = len(costs_G), labels_NL.shape[1], design.dimension
    weights_DGL = np.zeros((dimension + 1, num_grid, num_aus), np.float32)
    objective_GL = np.zeros((num_grid, num_aus))
    if len(columns):
        signed = as_float32(signed_NL[:, columns], design.device)
        signed_NGL = signed[:, None, :] * as_float32(costs_G, design.device)[:, None]
        result = minimise_squared_hinge(
            design,
            signed_NGL.reshape(len(labels_NL), -1),
            tolerance=tolerance,
            max_rounds=max_rounds,
        )
        if finish:
            _finish(design, signed_NGL.reshape(len(labels_NL), -1), result)
        shape = (num_grid, len(columns))
        found = result.weights_DK.cpu().numpy().reshape(dimension + 1, *shape)
        weights_DGL[:, :, columns] = found
        objective_GL[:, columns] = result.objective_K.cpu().numpy().reshape(shape)
    weights_GDL = np.ascontiguousarray(weights_DGL[:-1].transpose(1, 0, 2))
    bias_GL = weights_DGL[-1] * np.float32(design.bias)
    if np.ndim(C) == 0:
        weights_GDL, bias_GL, objective_GL = weights_GDL[0], bias_GL[0], objective_GL[0]
    return LinearSvm(weights=weights_GDL, bias=bias_GL, objective=objective_GL, trained=trained_L)


def _finish(design: DesignMatrix, signed_NK: torch.Tensor, result: NewtonResult) -> None:
    """Solves anew, exactly, the columns that took the joint solver so many rounds that they may not
    have arrived, where they are small enough for it; ``result`` is changed in place."""
    import torch

    from baselines.exact_path import is_small, minimise_exactly

    hard = torch.nonzero(result.rounds_K > HARD_ROUNDS).ravel().tolist()
    for column in hard:
        known = signed_NK[:, column] != 0
        if not is_small(int(known.sum()), design.dimension + 1):
            continue
        rows = design.sample(1)[known].double().cpu().numpy()
        rows_ND = np.column_stack([rows, np.full(len(rows), design.bias)])
        weights_D, objective = minimise_exactly(
            rows_ND, signed_NK[known, column].double().cpu().numpy()
        )
        if objective < float(result.objective_K[column]):
            result.weights_DK[:, column] = torch.as_tensor(weights_D).to(result.weights_DK)
            result.objective_K[column] = objective


def has_both_classes(labels_NL: np.ndarray) -> np.ndarray:
    """bool (L,): whether an AU has frames of both classes."""
    present_L, absent_L = (labels_NL > 0).any(axis=0), (labels_NL < 0).any(axis=0)
    return np.logical_and(present_L, absent_L)


def frame_weights(
    labels_NL: np.ndarray,
    class_weight: ClassWeight = None,
    sample_weight: np.ndarray | None = None,
) -> np.ndarray:
    """float32 (N, L): each frame's weight in each AU's loss, before C; 0 if unknown.
    ``class_weight`` and ``sample_weight`` as of ``fit_linear_svm``."""
    known_NL = labels_NL != 0
    weight_NL = known_NL.astype(np.float32)
    if isinstance(class_weight, str):
        if class_weight != "balanced":
            raise ValueError(f"class_weight {class_weight!r} must be None, 'balanced' or (L, 2)")
        known_L = known_NL.sum(axis=0)
        for sign in (-1, 1):
            members_NL = labels_NL == sign
            count_L = np.maximum(members_NL.sum(axis=0), 1)
            weight_NL += members_NL * (known_L / (2 * count_L) - 1).astype(np.float32)
    elif class_weight is not None:
        pair_L2 = np.asarray(class_weight, dtype=np.float32)
        if pair_L2.shape != (labels_NL.shape[1], 2):
            raise ValueError(
                f"class_weight has shape {pair_L2.shape}, not ({labels_NL.shape[1]}, 2)"
            )
        weight_NL *= np.where(labels_NL > 0, pair_L2[:, 1], pair_L2[:, 0])
    if sample_weight is not None:
        given = np.asarray(sample_weight, dtype=np.float32)
        if (given < 0).any():
            raise ValueError("sample_weight holds a negative weight")
        weight_NL *= given[:, None] if given.ndim == 1 else given
    return weight_NL


def _checked_labels(features: np.ndarray, labels: np.ndarray) -> np.ndarray:
    labels_NL = np.asarray(labels)
    if labels_NL.ndim == 1:
        labels_NL = labels_NL[:, None]
    if features.ndim != 2 or labels_NL.ndim != 2 or len(features) != len(labels_NL):
        raise ValueError(
            f"features of shape {features.shape} and labels of shape {np.shape(labels)} "
            "do not fit: expected (N, D) and (N, L)"
        )
    if not np.isin(labels_NL, (-1, 0, 1)).all():
        raise ValueError("labels must be -1 (absent), 0 (unknown) or +1 (present)")
    return labels_NL.astype(np.int8, copy=False)


def _check_finite(design: DesignMatrix) -> None:
    for rows, chunk in design.chunks():
        # A row's sum tells nearly always, at a tenth of the cost of looking at each number.
        if bool(chunk.sum(dim=1).isfinite().all()):
            continue
        finite = chunk.isfinite().all(dim=1)
        if not bool(finite.all()):
            first = rows.start + int((~finite).nonzero()[0, 0])
            raise ValueError(f"features hold NaN or infinity, first in row {first}")
