"""What a search has found: the best options of each fold, those agreed over folds, their overlay,
and how much each option mattered.

Best of a fold: the finished trial with the best value; of equals, the first. Agreed: where every
fold tried the same points (a grid), the point with the best mean; else, option by option, the
middle one of the folds' best values (the most frequent one of those that are no numbers). No test
subject has a part in either; but the agreed options rest on every fold's training part, so that a
fold's own are what a nested evaluation uses: the overlay gives each fold its own.
"""

from __future__ import annotations

import statistics
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from harness.search.planning import SearchPlan
from harness.search.space import Dimension, encoded, optuna_space, with_choice
from harness.search.trial_task import TrialTask

Record = Mapping[str, Any]


def find_outcome(plan: SearchPlan, trials: Sequence[Record]) -> dict[str, Any]:
    """What stands in ``search.json`` beside the description of the search."""
    by_fold = {
        task.fold: [trial for trial in trials if trial["fold"] == task.fold] for task in plan.tasks
    }
    best = {
        fold: best_trial(own, plan.spec.mode)
        for fold, own in by_fold.items()
        if any(trial["state"] == "finished" for trial in own)
    }
    return {
        "complete": True,
        "best": {
            fold: {"options": trial["options"], "value": trial["value"], "key": trial["key"]}
            for fold, trial in best.items()
        },
        "agreed": agreed_options(plan, list(best.values()), by_fold),
        "importance": {
            fold: importance(own, plan.dimensions, plan.spec.mode) for fold, own in by_fold.items()
        },
    }


def best_trial(trials: Sequence[Record], mode: str) -> Record:
    """The finished trial with the best value, the first of equals."""
    finished = [trial for trial in trials if trial["state"] == "finished"]
    sign = 1 if mode == "max" else -1
    return max(finished, key=lambda trial: sign * trial["value"])


def agreed_options(
    plan: SearchPlan, best: Sequence[Record], by_fold: Mapping[str, Sequence[Record]]
) -> dict[str, Any]:
    """One value for each dimension, for all folds."""
    values: dict[str, list[float]] = {}
    points: dict[str, Mapping[str, Any]] = {}
    for own in by_fold.values():
        for trial in own:
            if trial["state"] == "finished":
                name = str(sorted((k, encoded(v)) for k, v in trial["options"].items()))
                points.setdefault(name, trial["options"])
                values.setdefault(name, []).append(trial["value"])
    if plan.spec.algorithm == "grid":
        everywhere = [name for name, found in values.items() if len(found) == len(by_fold)]
        if everywhere:
            sign = 1 if plan.spec.mode == "max" else -1
            return dict(points[max(everywhere, key=lambda n: sign * statistics.mean(values[n]))])
    middle = {
        d.name: _middle([trial["options"][d.name] for trial in best]) for d in plan.dimensions
    }
    return middle if _is_valid(plan.tasks[0], middle) else dict(_best_of(best, plan)["options"])


def _middle(values: Sequence[Any]) -> Any:
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return statistics.median_low(values)
    most, _ = Counter(str(encoded(value)) for value in values).most_common(1)[0]
    return next(value for value in values if str(encoded(value)) == most)


def _is_valid(task: TrialTask, chosen: Mapping[str, Any]) -> bool:
    """Whether a method takes the options together; each for itself it does."""
    try:
        task.method(chosen)
    except ValueError:
        return False
    return True


def _best_of(best: Sequence[Record], plan: SearchPlan) -> Record:
    return best_trial(best, plan.spec.mode)


def importance(
    trials: Sequence[Record], dimensions: tuple[Dimension, ...], mode: str
) -> dict[str, float]:
    """Share of the trials' variance that each option accounts for (Optuna's fANOVA), stopped ones
    with the value that they had come to; empty where there are too few, or they do not differ."""
    import optuna
    from optuna.trial import create_trial

    valued = [trial for trial in trials if trial["value"] is not None]
    if len(valued) < 4 or len({trial["value"] for trial in valued}) < 2:
        return {}
    space = optuna_space(dimensions)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(direction="maximize" if mode == "max" else "minimize")
    for trial in valued:
        params = {name: encoded(value) for name, value in trial["options"].items()}
        study.add_trial(
            create_trial(params=params, distributions=space, value=float(trial["value"]))
        )
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = optuna.importance.get_param_importances(study, evaluator=evaluator)
    return {dimension.name: float(found.get(dimension.name, 0.0)) for dimension in dimensions}


def overlay_text(plan: SearchPlan, outcome: Mapping[str, Any], suite: str) -> str:
    """``best.yaml``: the agreed options for the row, and each fold's own for the setting that was
    searched."""
    dimensions = plan.dimensions
    best: Mapping[str, Any] = outcome["best"]
    own = {fold: _nested(dimensions, found["options"]) for fold, found in best.items()}
    row = {
        "options": _nested(dimensions, outcome["agreed"]),
        "folds": {plan.tasks[0].setting: own},
    }
    text = yaml.safe_dump({"methods": {plan.spec.method: row}}, sort_keys=False, allow_unicode=True)
    return (
        f"# Found by `aubench tune {suite}`: {plan.num_trials} trials a fold "
        f"({plan.spec.algorithm}, seed {plan.spec.seed}) by {plan.spec.metric} on validation "
        "subjects.\n"
        "# options: agreed over folds. folds: each fold's own best, from its own training part;\n"
        "# these go over the agreed ones there, so that no fold is tested with options that its\n"
        f"# test subjects helped to choose. Use: aubench run {suite} --with <this file>\n{text}"
    )


def _nested(dimensions: tuple[Dimension, ...], chosen: Mapping[str, Any]) -> dict[str, Any]:
    return with_choice({}, dimensions, chosen)
