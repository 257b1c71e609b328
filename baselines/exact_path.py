"""One squared-hinge SVM to the last digit: Newton's method with direct solves along a path of C.

On rows that can be separated, or nearly, the minimum at a large C lies where few rows are active,
and conjugate gradients in single precision creep towards it. Solved in double precision from a
small C to the wanted one, each solution is a good start for the next, and a handful of direct
solves with the active rows serve each. The work grows with the third power of the problem's smaller
side, so it is for small problems, and for those of which the joint solver says that they are hard.

Legend: N rows, D entries of a row with its bias, A active rows.

What always holds: the objective never rises from one solve to the next at one C.
"""

from __future__ import annotations

import numpy as np

FACTOR, LEVELS = 4.0, 10
MAX_ROUNDS = 30
MAX_LINE_STEPS = 60
LARGEST_WORK = 2e11
"""Multiplications that one problem may take: some seconds."""


def is_small(num_rows: int, dimension: int) -> bool:
    """Whether a problem with so many rows and entries is small enough for direct solves."""
    small, large = sorted((num_rows, dimension))
    return 3.0 * LEVELS * small * small * large <= LARGEST_WORK


def minimise_exactly(rows_ND: np.ndarray, signed_N: np.ndarray) -> tuple[np.ndarray, float]:
    """Weights float64 (D,) at the minimum of 1/2 |w|^2 + sum c max(0, 1 - y w'x)^2, and its value.

    Args:
        rows_ND: float64, the bias entry included.
        signed_N: float64, cost times label of each row, none of them 0.
    """
    labelled_ND = rows_ND * np.sign(signed_N)[:, None]
    cost_N = np.abs(signed_N)
    gram_NN = labelled_ND @ labelled_ND.T if len(rows_ND) <= rows_ND.shape[1] else None
    weights_D = np.zeros(rows_ND.shape[1])
    for level in range(LEVELS, -1, -1):
        weights_D = _newton(labelled_ND, cost_N * FACTOR**-level, gram_NN, weights_D)
    return weights_D, _objective(weights_D, labelled_ND @ weights_D, cost_N)


def _newton(
    labelled_ND: np.ndarray, cost_N: np.ndarray, gram_NN: np.ndarray | None, weights_D: np.ndarray
) -> np.ndarray:
    margins_N = labelled_ND @ weights_D
    for _ in range(MAX_ROUNDS):
        active = margins_N < 1
        if not active.any():
            return weights_D
        towards_D = _minimum_of(labelled_ND, cost_N, gram_NN, active) - weights_D
        along_N = labelled_ND @ towards_D
        step = _exact_step(weights_D, towards_D, margins_N, along_N, cost_N)
        weights_D = weights_D + step * towards_D
        margins_N = margins_N + step * along_N
        pull_N = cost_N * np.maximum(0, 1 - margins_N)
        gradient_D = weights_D - 2 * labelled_ND.T @ pull_N
        # The gap to the dual is half the gradient's square.
        if gradient_D @ gradient_D <= 1e-10 * _objective(weights_D, margins_N, cost_N):
            break
    return weights_D


def _minimum_of(
    labelled_ND: np.ndarray, cost_N: np.ndarray, gram_NN: np.ndarray | None, active: np.ndarray
) -> np.ndarray:
    """(D,): the minimum if the active rows were all that there are, and stayed so."""
    rows_AD, weight_A = labelled_ND[active], 2 * cost_N[active]
    if gram_NN is not None:
        inner_AA = gram_NN[np.ix_(active, active)]
        inner_AA[np.diag_indices_from(inner_AA)] += 1 / weight_A
        by_rows: np.ndarray = rows_AD.T @ np.linalg.solve(inner_AA, np.ones(len(rows_AD)))
        return by_rows
    hessian_DD = rows_AD.T @ (weight_A[:, None] * rows_AD)
    hessian_DD[np.diag_indices_from(hessian_DD)] += 1
    return np.linalg.solve(hessian_DD, rows_AD.T @ weight_A)


def _exact_step(
    weights_D: np.ndarray,
    towards_D: np.ndarray,
    margins_N: np.ndarray,
    along_N: np.ndarray,
    cost_N: np.ndarray,
) -> float:
    """The step to the minimum along a direction: a root of a rising, piecewise linear slope."""
    inner, square = float(weights_D @ towards_D), float(towards_D @ towards_D)
    step, low, high = 1.0, 0.0, np.inf
    for _ in range(MAX_LINE_STEPS):
        short_N = np.maximum(0, 1 - margins_N - step * along_N)
        slope = inner + step * square - 2 * float((cost_N * short_N) @ along_N)
        bend = square + 2 * float((cost_N * (short_N > 0)) @ np.square(along_N))
        low, high = (step, high) if slope < 0 else (low, step)
        new = step - slope / bend if bend > 0 else step
        if not low < new < high:
            new = 2 * step if np.isinf(high) else 0.5 * (low + high)
        if abs(new - step) <= 1e-12 * step:
            break
        step = new
    return step


def _objective(weights_D: np.ndarray, margins_N: np.ndarray, cost_N: np.ndarray) -> float:
    loss = float(cost_N @ np.square(np.maximum(0, 1 - margins_N)))
    return 0.5 * float(weights_D @ weights_D) + loss
