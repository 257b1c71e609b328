"""One sentence a setting: who wins, by how much, and how sure."""

from __future__ import annotations

import math

from reports.compare import Comparison
from reports.evaluation import Evaluation


def verdicts(evaluation: Evaluation) -> list[str]:
    """A sentence for every setting, in plan order."""
    return [
        f"{setting}: {verdict(comparison)}"
        for setting, comparison in evaluation.comparisons.items()
    ]


def verdict(comparison: Comparison) -> str:
    """Who leads by mean F1, by how many points over the next, whether that exceeds chance, and who
    could not be ranked."""
    left = [name for name in comparison.measured if name not in comparison.ranked]
    rest = f" (not ranked: {_listed(left)})" if left and comparison.ranked else ""
    return _leader(comparison) + rest


def _leader(comparison: Comparison) -> str:
    ranked = comparison.ranked
    if not ranked:
        return "no method is finished yet" if comparison.measured else "nothing is scored yet"
    best = ranked[0]
    lead = comparison.f1[best][-1]
    if math.isnan(lead.value):
        return "F1 is defined for no AU"
    number = f"{best} {_percent(lead.value)}"
    if len(ranked) < 2:
        return f"{number}, with no finished method to compare it with"
    next_best = comparison.f1[ranked[1]][-1]
    if math.isnan(next_best.behind):
        return f"{number}, level with {ranked[1]}"
    gap = f"{_percent(next_best.behind)} points ahead of {ranked[1]}"
    if math.isnan(next_best.behind_low):
        return f"{number}, {gap} (too few subjects to say how sure)"
    interval = (
        f"95 % interval {_percent(next_best.behind_low)} to {_percent(next_best.behind_high)}"
    )
    level = [name for name in ranked[1:] if comparison.f1[name][-1].level]  # a tie is level too
    if not level:
        return f"{number} is best, {gap} ({interval}): beyond chance"
    return f"{number} leads, {gap} ({interval}): not significantly better than {_listed(level)}"


def _percent(value: float) -> str:
    shown = f"{100 * value:.1f}"
    return "0.0" if shown == "-0.0" else shown.replace("-", "−")


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
