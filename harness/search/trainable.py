"""A trial as Ray Tune runs it: an actor that stays warm from one trial to the next.

The training runs in a thread of its own and stands still at every report until Tune has decided; so
a trial that is stopped has not trained past its last report. Between trials the actor keeps its
process with everything that is loaded, and the frames of the fold. No trial starts a worker group.
"""

from __future__ import annotations

import queue
import threading
from typing import Any

from ray import tune

from harness.search.space import decoded, suggestion_number
from harness.search.trial import TrialEnded, TrialFrames, run_trial
from harness.search.trial_task import TrialTask

STOP_SECONDS = 60.0


class TrialActor(tune.Trainable):
    """What Tune steps through: a step is the training from one report to the next."""

    def setup(self, config: dict[str, Any], task: TrialTask | None = None) -> None:
        """Opens the fold and begins the first trial."""
        assert task is not None
        self._task = task
        self._frames = TrialFrames(task)
        self._begin(config)

    def step(self) -> dict[str, Any]:
        """The next row with the metric; the last one says that the trial is done."""
        return self._training.next()

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Ends the trial, if it was stopped, and begins another in the same process."""
        if not self._training.stop():
            return False
        self._begin(new_config)
        return True

    def cleanup(self) -> None:
        """Ends the trial."""
        self._training.stop()

    def _begin(self, config: dict[str, Any]) -> None:
        number = suggestion_number(config, self._task.dimensions)
        chosen = decoded(config, self._task.dimensions)
        self._training = _Training(self._task, chosen, number, self._frames)


class _Training:
    """A trial in a thread, and the two queues by which the actor and it take turns."""

    def __init__(
        self, task: TrialTask, chosen: dict[str, Any], number: int, frames: TrialFrames
    ) -> None:
        self._task, self._chosen, self._number, self._frames = task, chosen, number, frames
        self._go: queue.Queue[bool] = queue.Queue()
        self._said: queue.Queue[dict[str, Any] | BaseException] = queue.Queue()
        self._thread = threading.Thread(target=self._run, name="trial", daemon=True)
        self._thread.start()

    def next(self) -> dict[str, Any]:
        """Lets the training go on to its next report and gives it."""
        self._go.put(True)
        said = self._said.get()
        if isinstance(said, BaseException):
            raise said
        return said

    def stop(self) -> bool:
        """Ends the training at the report where it stands; says whether it has ended."""
        if self._thread.is_alive():
            self._go.put(False)
            self._thread.join(STOP_SECONDS)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            self._wait()
            record = run_trial(
                self._task, self._chosen, self._number, self._frames, listener=self._report
            )
        except TrialEnded:
            return  # before it had begun
        except BaseException as error:
            self._said.put(error)
            return
        self._said.put({self._task.metric: record["value"], "ran_to_its_end": True, "done": True})

    def _report(self, row: dict[str, float]) -> None:
        self._said.put({self._task.metric: row[self._task.metric]})
        self._wait()

    def _wait(self) -> None:
        if not self._go.get():
            raise TrialEnded(stopped=True)
