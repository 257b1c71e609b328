"""One fold's trials as one Ray Tune experiment: who suggests, who stops early, how it resumes.

Optuna's TPE (or its random sampler), seeded, suggests; ASHA stops trials that do worse than the
best third at as many reports; a grid suggests every point and stops none. Tune's own state is kept
in the run folder once a second; a search that was killed is restored from it, and trials that had
finished since are found finished by their key. A trial whose process or node died is made again,
twice at most, and goes on from its checkpoint.
"""

from __future__ import annotations

import logging
import os
import shutil
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.search.planning import SearchPlan
from harness.search.records import SearchStore
from harness.search.space import Dimension, encoded
from harness.search.trial_task import TrialTask

if TYPE_CHECKING:
    from ray import tune

QUIET = {
    "RAY_AIR_NEW_OUTPUT": "0",  # the new one prints every error whatever its verbosity
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # Ctrl-C ends the search as it ends a sweep
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "1",
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
    "TUNE_MAX_PENDING_TRIALS_PG": "auto",
}
REDUCTION = 3
LOST_RETRIES = 2
LONGEST = 10_000  # reports; more than any training makes


def run_experiment(plan: SearchPlan, task: TrialTask) -> None:
    """Makes the trials of one fold that were not made yet, on the Ray that is initialised."""
    os.environ.update(QUIET)
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)  # errors are in the trials' records
    store = SearchStore(task.run_folder)
    name = f"{plan.key}-{task.fold_position}"
    place = store.tune_folder / name
    for _ in range(1 + LOST_RETRIES):
        tuner = _restored(plan, task, place) or _fresh(plan, task, name, store)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tuner.fit()
        own = [trial for trial in store.trials(plan.key) if trial["fold"] == task.fold]
        if not any(trial.get("lost") for trial in own):
            break


def _restored(plan: SearchPlan, task: TrialTask, place: Path) -> tune.Tuner | None:
    """The experiment as it was when its driver ended; None where there is none to go on with."""
    from ray import tune

    if not tune.Tuner.can_restore(str(place)):
        return None
    try:
        return tune.Tuner.restore(
            str(place),
            trainable=_trainable(plan, task),
            resume_unfinished=True,
            restart_errored=True,
        )
    except Exception:  # a state that was being written when its driver was killed
        shutil.rmtree(place, ignore_errors=True)
        return None


def _fresh(plan: SearchPlan, task: TrialTask, name: str, store: SearchStore) -> tune.Tuner:
    from ray import tune

    from harness.search.landing import Landing
    from harness.search.suggesting import suggester

    spec = plan.spec
    grid = spec.algorithm == "grid"
    return tune.Tuner(
        _trainable(plan, task),
        param_space=_grid(plan.dimensions) if grid else {},
        tune_config=tune.TuneConfig(
            metric=spec.metric,
            mode=spec.mode,
            search_alg=None if grid else suggester(plan),
            scheduler=_scheduler(plan),
            num_samples=1 if grid else plan.num_trials,
            max_concurrent_trials=spec.parallel,
            reuse_actors=True,
            trial_dirname_creator=_folder_name,
        ),
        run_config=tune.RunConfig(
            name=name,
            storage_path=str(store.tune_folder),
            callbacks=[Landing(task, plan.num_trials)],
            # A training keeps its own checkpoints, in the folder that it works in.
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
            verbose=0,
        ),
    )


def _trainable(plan: SearchPlan, task: TrialTask) -> Any:
    from ray import tune

    from harness.search.trainable import TrialActor

    held = {"cpu": plan.cpus} | ({"gpu": plan.gpus} if plan.gpus else {})
    return tune.with_resources(tune.with_parameters(TrialActor, task=task), held)


def _folder_name(trial: Any) -> str:
    return str(trial.trial_id)


def _grid(dimensions: tuple[Dimension, ...]) -> dict[str, Any]:
    from ray import tune

    return {d.name: tune.grid_search([encoded(v) for v in d.grid()]) for d in dimensions}


def _scheduler(plan: SearchPlan) -> Any:
    from ray.tune.schedulers import ASHAScheduler, FIFOScheduler

    if not plan.stops_early:
        return FIFOScheduler()
    return ASHAScheduler(
        time_attr="training_iteration",
        max_t=LONGEST,
        grace_period=plan.spec.grace,
        reduction_factor=REDUCTION,
    )
