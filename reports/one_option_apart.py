"""Pairs of methods that differ in one option only, so that a difference of scores has one cause.

Two rows of a suite with the same method and options that differ under one name (``sampler``, or
``cnn.sampler`` of a stage's options) are such a pair. Options of one choice belong together:
``sampler`` and ``sampler_options`` count as one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from harness.plan.jobs import Plan


@dataclass(frozen=True, kw_only=True)
class OptionPair:
    """``after`` differs from ``before`` in ``option``, which went from one value to the other."""

    before: str
    after: str
    option: str
    values: tuple[str, str]


def one_option_apart(plan: Plan) -> list[OptionPair]:
    """Every such pair, in the suite's order of methods: the earlier one is ``before``."""
    specs: dict[str, Mapping[str, Any]] = {}
    for cell in plan.cells:
        specs.setdefault(cell.method, plan.jobs[cell.job].spec)
    found = []
    for before, after in combinations([m for m in plan.methods if m in specs], 2):
        if specs[before].get("method") != specs[after].get("method"):
            continue
        first, second = (_flat(specs[name].get("options", {})) for name in (before, after))
        changed = [
            name for name in dict.fromkeys([*first, *second]) if first.get(name) != second.get(name)
        ]
        causes = {_cause(name): name for name in reversed(changed)}
        if len({_leaf(cause) for cause in causes}) == 1:
            name = next(iter(causes.values()))
            values = (str(first.get(name)), str(second.get(name)))
            found.append(OptionPair(before=before, after=after, option=_leaf(name), values=values))
    return found


def _flat(options: Mapping[str, Any], place: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in options.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{place}{name}.")
        else:
            flat[f"{place}{name}"] = value
    return flat


def _cause(name: str) -> str:
    """The choice that an option belongs to: ``sampler_options.S`` belongs to ``sampler``."""
    return ".".join(part.removesuffix("_options") for part in _without_tail(name))


def _without_tail(name: str) -> list[str]:
    parts = name.split(".")
    for place, part in enumerate(parts):
        if part.endswith("_options"):
            return parts[: place + 1]
    return parts


def _leaf(cause: str) -> str:
    return cause.rpartition(".")[2]
