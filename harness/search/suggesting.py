"""Who suggests: Optuna's sampler, seeded, behind Ray Tune's searcher; suggestions are numbered.

Tune names trials at random; the number says which suggestion a trial was, so that two searches of
one seed can be laid side by side.
"""

from __future__ import annotations

from typing import Any

import optuna
from ray.tune.search.optuna import OptunaSearch

from harness.search.planning import SearchPlan
from harness.search.space import NUMBER, encoded, optuna_space

AT_RANDOM = 5
"""First suggestions that TPE draws at random. The same whatever the number of trials, so that a
longer search begins as a shorter one did, and finds its trials finished."""


class NumberedSearch(OptunaSearch):
    """Optuna's suggestions with their place in the sequence under ``NUMBER``."""

    def suggest(self, trial_id: str) -> dict[str, Any] | None:
        """The next values of all dimensions, or those that this trial was given before."""
        suggested = super().suggest(trial_id)
        if suggested is None:
            return None
        return {**suggested, NUMBER: list(self._ot_trials).index(trial_id)}


def suggester(plan: SearchPlan) -> NumberedSearch:
    """TPE or random suggestions of a search's space; the reference, if any, comes first."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    spec = plan.spec
    sampler: optuna.samplers.BaseSampler
    if spec.algorithm == "tpe":
        sampler = optuna.samplers.TPESampler(seed=spec.seed, n_startup_trials=AT_RANDOM)
    else:
        sampler = optuna.samplers.RandomSampler(seed=spec.seed)
    first = []
    if plan.reference is not None:
        first = [{name: encoded(value) for name, value in plan.reference.items()}]
    return NumberedSearch(
        space=optuna_space(plan.dimensions),
        metric=spec.metric,
        mode=spec.mode,
        sampler=sampler,
        points_to_evaluate=first,
    )
