"""The last step of calibration: variance moves between paces until events have their median length.

The autocorrelations fix how many events there are; how uneven their lengths are takes a look at
simulated sets, since short events sit where a quick pace rides on a slow one.

The median of few events is mostly luck: AU9 of the ``disfa`` preset has 65 events in a whole set,
and the median of one set is off by 30 % (standard deviation). So each preset is tuned on as many
sets as make the mean over them steady to a few per cent, and never on the seeds that the result is
judged by.

What always holds: an AU's paces stay at least 0 and keep their sum.

Legend: L action units, K time constants, R simulated sets.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from harness.synthetic.variance_parts import TIME_CONSTANTS

FIRST_SEED = 101  # sets of smaller seeds judge the result
ROUNDS = 16
CLOSE_ENOUGH = 0.1  # log ratio of the medians; closer would cost autocorrelation
BREAKING = 4.0  # the pace that breaks events, frames
LARGEST_MOVE = 0.03
STEEPNESS = 240.0  # change of the log median by variance at a pace of one frame, about


def tuned_paces(
    preset: str, model: dict[str, Any], target: dict[str, Any], num_sets: int, scratch: Path
) -> np.ndarray:
    """(K, L) variances of the paces that give events their median length.

    Args:
        model: the preset's model as it stands in ``latent.json``.
        target: the preset's entry of ``targets.json``.
        num_sets: simulated in each round, the same seeds in all rounds.
        scratch: a folder for the candidates' files.
    """
    paces_KL = np.array(model["paces"])
    num_aus = paces_KL.shape[1]
    units = np.arange(num_aus)
    # how far the log median goes by variance moved: a quick pace breaks more events than a slow one
    expected_K = STEEPNESS / np.array(TIME_CONSTANTS)
    slope_KL = np.tile(expected_K[:, None], (1, num_aus))
    from_L, moved_L, before_L = np.zeros(num_aus, int), np.zeros(num_aus), np.zeros(num_aus)
    for _ in range(ROUNDS):
        medians_RL = simulated_medians(preset, {**model, "paces": paces_KL}, num_sets, scratch)
        error_L = np.log(medians_RL.mean(axis=0) / np.array(target["median_event"]))
        if (np.abs(error_L) < CLOSE_ENOUGH).all():
            break
        known = np.abs(moved_L) > 1e-4
        secant_L = (before_L - error_L) / np.where(known, moved_L, 1.0)
        usual_L = expected_K[from_L]
        secant_L = np.clip(secant_L, usual_L / 4, usual_L * 4)
        slope_KL[from_L[known], units[known]] = secant_L[known]
        from_L = np.array([_quick_pace(paces_KL[:, i], error_L[i] > 0) for i in units])
        move_L = error_L / slope_KL[from_L, units]
        move_L[np.abs(error_L) < CLOSE_ENOUGH / 2] = 0.0
        before_L = error_L
        moved_L = np.array([_move(paces_KL[:, i], from_L[i], move_L[i]) for i in units])
    return paces_KL


def simulated_medians(
    preset: str, model: dict[str, Any], num_sets: int, scratch: Path
) -> np.ndarray:
    """(R, L) median event of each AU in each of the simulated full sets."""
    from harness.synthetic.labels import models_from, written
    from harness.synthetic.recipe import SyntheticRecipe, table
    from harness.synthetic.statistics import median_events

    file = scratch / "candidate.json"
    file.write_text(written({preset: model}), encoding="utf-8")
    with models_from(file):
        return np.stack(
            [
                median_events(table.__wrapped__(SyntheticRecipe(preset=preset, seed=seed)))
                for seed in range(FIRST_SEED, FIRST_SEED + num_sets)
            ]
        )


def _quick_pace(paces_K: np.ndarray, too_long: bool) -> int:
    """The pace that takes variance if events are too long, or gives it away."""
    if too_long:
        return TIME_CONSTANTS.index(BREAKING)
    return int(np.argmax(paces_K > 1e-4))


def _move(paces_K: np.ndarray, quick: int, amount: float) -> float:
    """Moves variance from the largest pace to a quick one, or back; returns how much.

    Where none of the quick paces is left, events grow by giving to the next slower pace: the
    largest would draw out the autocorrelation as well.
    """
    slow = int(paces_K.argmax())
    if TIME_CONSTANTS[quick] > BREAKING:
        slow = min(quick + 1, len(paces_K) - 1)
    if quick == slow:
        return 0.0
    amount = float(np.clip(amount, -min(LARGEST_MOVE, paces_K[quick]), LARGEST_MOVE))
    paces_K[quick] += amount
    paces_K[slow] -= amount
    return amount
