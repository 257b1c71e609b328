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
        self._counts = Counter(states.values())
        self.losses: Counter[str] = Counter()
        self.cluster = ""
        self.begun = time.monotonic()
        self.done_before = sum(state == "done" for state in states.values())
        self.failures: list[tuple[str, str]] = []

    def changed(self, job: Job, state: State, detail: str) -> None:
        """Takes note of a job's new state."""
        self._counts[self.states[job.key]] -= 1
        self._counts[state] += 1
        self.states[job.key] = state
        if state == "failed":
            self.failures.append((job.title, detail))

    def lost(self, job: Job, reason: str) -> None:
        """Takes note of an attempt that came to nothing and is made again."""
        self.losses[reason] += 1

    def resources(self, held: Mapping[str, float], total: Mapping[str, float], nodes: int) -> None:
        """Takes note of what jobs hold of the cluster."""
        self.cluster = describe_resources(held, total, nodes)

    def tick(self) -> None:
        """Nothing to draw."""

    def count(self, state: State) -> int:
        """Jobs in a state."""
        return self._counts[state]

    def eta_seconds(self) -> float | None:
        """Time left at the pace so far, once something was done in this run."""
        done = self.count("done") - self.done_before
        left = self.count("waiting") + self.count("running")
        return (time.monotonic() - self.begun) / done * left if done else None


class LineProgress(Progress):
    """One line for every job that ends, and for every attempt that was lost."""

    def lost(self, job: Job, reason: str) -> None:
        """Prints what is tried again."""
        super().lost(job, reason)
        print(f"again: {job.title}  ({reason})", flush=True)

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
        line += f" · {self.cluster}" if self.cluster else ""
        lost = f"\n{describe_losses(self.losses)}" if self.losses else ""
        return line + (f"\nrunning: {shown}" if shown else "") + lost + failures


def describe_resources(held: Mapping[str, float], total: Mapping[str, float], nodes: int) -> str:
    """``"3 nodes, CPU 5 of 6, GPU 0.5 of 1, memory 2.0 of 16.0 GB"``: memory if a job asks for it,
    GPUs if there are any."""
    parts = [f"{nodes} node{'' if nodes == 1 else 's'}", f"CPU {held['CPU']:g} of {total['CPU']:g}"]
    if total["GPU"]:
        parts.append(f"GPU {held['GPU']:g} of {total['GPU']:g}")
    if held["memory"]:
        parts.append(f"memory {held['memory'] / 1e9:.1f} of {total['memory'] / 1e9:.1f} GB")
    return ", ".join(parts)


def describe_losses(losses: Mapping[str, int]) -> str:
    """``"attempts lost: 5 (3 node died, 2 worker died)"``."""
    reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(losses.items()))
    return f"attempts lost: {sum(losses.values())} ({reasons})"


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
