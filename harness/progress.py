"""Progress of a sweep: a live table in a terminal, plain lines when piped."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from harness.plan.jobs import Job, Plan
from harness.store import State

if TYPE_CHECKING:
    from rich.table import Table

STATES: tuple[State, ...] = ("waiting", "running", "done", "failed", "blocked")
COLOURS = {"done": "green", "running": "cyan", "failed": "red", "blocked": "yellow", "waiting": ""}


class Progress:
    """Counts jobs by group and state, and says what changed.

    ``groups`` are the rows of the table in plan order: datasets, features, then methods.
    """

    def __init__(self, plan: Plan, states: Mapping[str, State]) -> None:
        self.plan = plan
        self.states: dict[str, State] = dict(states)
        self.begun = time.monotonic()
        self.done_before = sum(state == "done" for state in states.values())
        self.failures: list[tuple[str, str]] = []

    def changed(self, job: Job, state: State, detail: str) -> None:
        """Takes note of a job's new state."""
        self.states[job.key] = state
        if state == "failed":
            self.failures.append((job.title, detail))

    def tick(self) -> None:
        """Nothing to draw."""

    def count(self, state: State) -> int:
        """Jobs in a state."""
        return sum(found == state for found in self.states.values())

    def eta_seconds(self) -> float | None:
        """Time left at the pace so far, once something was done in this run."""
        done = self.count("done") - self.done_before
        left = self.count("waiting") + self.count("running")
        return (time.monotonic() - self.begun) / done * left if done else None


class LineProgress(Progress):
    """One line for every job that ends."""

    def changed(self, job: Job, state: State, detail: str) -> None:
        """Prints what ended."""
        super().changed(job, state, detail)
        if state in ("done", "failed", "blocked"):
            ended = sum(self.count(s) for s in ("done", "failed", "blocked"))
            suffix = f"  ({detail})" if detail else ""
            print(f"[{ended:>3}/{len(self.states)}] {state:<7} {job.title}{suffix}", flush=True)


class LiveProgress(Progress):
    """A table that is redrawn in place, with what is running, the time left, and failures."""

    def __init__(self, plan: Plan, states: Mapping[str, State]) -> None:
        from rich.live import Live

        super().__init__(plan, states)
        self.live = Live(self._table(), refresh_per_second=4, transient=False)

    def tick(self) -> None:
        """Redraws the table."""
        self.live.update(self._table())

    def _table(self) -> Table:
        return state_table(self.plan, self.states, self._caption())

    def _caption(self) -> str:
        elapsed = time.monotonic() - self.begun
        eta = self.eta_seconds()
        line = f"{elapsed:.0f} s" + (f", about {eta:.0f} s left" if eta is not None else "")
        running = [j.title for k, j in self.plan.jobs.items() if self.states[k] == "running"]
        shown = "; ".join(running[:3]) + (f"; and {len(running) - 3} more" if running[3:] else "")
        failures = "".join(f"\nfailed: {title}: {error}" for title, error in self.failures[-3:])
        return line + (f" · {shown}" if shown else "") + failures


def state_table(plan: Plan, states: Mapping[str, State], caption: str = "") -> Table:
    """Jobs by group and state, as a table for a terminal."""
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=escape(plan.suite), caption=escape(caption), caption_justify="left")
    table.add_column("jobs")
    for state in STATES:
        table.add_column(state, justify="right", style=COLOURS[state])
    counts: dict[str, Counter[str]] = {}
    for key, job in plan.jobs.items():
        counts.setdefault(job.group, Counter())[states[key]] += 1
    for group, row in counts.items():
        table.add_row(escape(group), *(str(row[state] or "·") for state in STATES))
    return table


@contextmanager
def show_progress(plan: Plan, states: Mapping[str, State]) -> Iterator[Progress]:
    """Progress that suits standard output: live in a terminal, lines in a pipe."""
    if sys.stdout.isatty():
        progress = LiveProgress(plan, states)
        with progress.live:
            yield progress
            progress.tick()
    else:
        yield LineProgress(plan, states)
