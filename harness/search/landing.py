"""What the driver does when a trial ends: say so in a line, and keep what only it can know.

A trial writes its own record. Where its process or its node died there is none, and the driver
writes that the trial was lost; it is then made again (``harness.search.experiment``).
"""

from __future__ import annotations

from typing import Any

import ray.exceptions
from ray.tune import Callback

from harness.search.records import SearchStore
from harness.search.space import decoded, suggestion_number
from harness.search.trial import describe_failed
from harness.search.trial_task import TrialTask


class Landing(Callback):
    """Hears from Tune how the trials of one fold end."""

    def __init__(self, task: TrialTask, num_trials: int) -> None:
        self.task = task
        self.num_trials = num_trials

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """The trial ran to its end, or was stopped early."""
        result = trial.last_result or {}
        value = result.get(self.task.metric)
        ended = "finished" if result.get("ran_to_its_end") else "stopped"
        shown = "" if value is None else f"{self.task.metric} {value:.4f}, "
        self._say(trial, ended, f"{shown}{result.get('time_total_s', 0.0):.1f} s")
        if ended == "stopped":
            SearchStore(self.task.run_folder).drop_work(self._key(trial))

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """The trial raised, or its process died."""
        store = SearchStore(self.task.run_folder)
        key = self._key(trial)
        record = store.trial(key)
        if record is None or record["state"] != "failed" or record.get("lost"):  # it wrote none
            task = self.task
            record = {
                "key": key,
                "row": task.row,
                "setting": task.setting,
                "fold": task.fold,
                "fold_position": task.fold_position,
                "options": decoded(trial.config, task.dimensions),
                **_failure(trial),
                "rows": [],
                "final": {},
                "cost": {},
            }
            store.write_trial(
                record, task.search, suggestion_number(trial.config, self.task.dimensions)
            )
        self._say(trial, "lost" if record.get("lost") else "failed", record["error"])

    def _key(self, trial: Any) -> str:
        chosen = decoded(trial.config, self.task.dimensions)
        return self.task.key(self.task.method(chosen))

    def _say(self, trial: Any, ended: str, detail: str) -> None:
        chosen = decoded(trial.config, self.task.dimensions)
        options = ", ".join(f"{name.rpartition('.')[2]} {value}" for name, value in chosen.items())
        number = suggestion_number(trial.config, self.task.dimensions) + 1
        place = f"fold {self.task.fold} {number:>3}/{self.num_trials}"
        print(f"[{place}] {ended:<8} {options}  ({detail})", flush=True)


def _failure(trial: Any) -> dict[str, Any]:
    """What Tune knows of a trial that left no record of its failure; ``lost`` if it just died."""
    error = trial.get_error()
    cause = getattr(error, "cause", None)
    if isinstance(cause, BaseException):
        return {**describe_failed(cause), "lost": False}
    died = error is None or isinstance(error, ray.exceptions.RayActorError)
    said = describe_failed(error or RuntimeError("no error was kept"))
    return {**said, **({"error": "the process of the trial died"} if died else {}), "lost": died}
