"""The search space: which options may take which values.

    space:
      sequence.layers: {int: [1, 5]}                 # whole numbers, both ends included
      sequence.margin: {uniform: [0.1, 1.0]}
      sequence.lr: {loguniform: [1.0e-4, 1.0e-2]}
      sequence.hidden: [64, 128, 256]                # or {choices: [...]}
      cnn.widths: {choices: [[24, 32], [48, 64]]}    # any value that the option takes

A name is a path into the options of the method. ``logint`` is ``int`` on a logarithmic scale;
``step`` goes with ``int``, ``points`` says how many values of a range stand in a grid. An option
that takes a list (the ``C`` of an SVM) takes a single number as a list of one.

What always holds: a value is drawn to four significant digits, so that what is tried can be written
down; every dimension holds at least two values. Nothing here imports
Ray, and Optuna only where it is spoken to.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from harness.errors import UserError

RANGES = ("uniform", "loguniform", "int", "logint")
KINDS = ("choices", *RANGES)
DIGITS = 4
GRID_POINTS = 5
NUMBER = "number of the suggestion"
"""Key under which a suggestion carries its place; no option has such a name."""


@dataclass(frozen=True, kw_only=True)
class Dimension:
    """One option and its values.

    Attributes:
        name: path of the option, ``"sequence.margin"``.
        kind: ``choices`` takes one of ``values``; ``float`` and ``int`` lie from ``low`` to
            ``high``, both included.
        log: whether the range is even on a logarithmic scale.
        step: between whole numbers.
        points: values of a range in a grid; 0 for all whole numbers, or five.
        listed: whether the option takes a list, so that a single value goes in as a list of one.
    """

    name: str
    kind: Literal["choices", "float", "int"]
    values: tuple[Any, ...] = ()
    low: float = 0
    high: float = 0
    log: bool = False
    step: int = 1
    points: int = 0
    listed: bool = False

    def grid(self) -> list[Any]:
        """The values that stand in a grid, in order."""
        if self.kind == "choices":
            return list(self.values)
        if self.kind == "int" and not self.points and not self.log:
            return list(range(int(self.low), int(self.high) + 1, self.step))
        count = self.points or GRID_POINTS
        low, high = (math.log(self.low), math.log(self.high)) if self.log else (self.low, self.high)
        even = [low + (high - low) * i / (count - 1) for i in range(count)]
        exact = [math.exp(value) for value in even] if self.log else even
        if self.kind == "int":
            return sorted({self._whole(value) for value in exact})
        return [short(value) for value in exact]

    def ends(self) -> list[Any]:
        """Values that the option must be able to take: every choice, or both ends."""
        if self.kind == "choices":
            return list(self.values)
        return [self.low, self.high] if self.kind == "float" else [int(self.low), int(self.high)]

    def holds(self, value: Any) -> bool:
        """Whether a value is one of the dimension's."""
        if self.kind == "choices":
            return any(value == known for known in self.values)
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not self.low <= value <= self.high:
            return False
        return self.kind == "float" or value == self._whole(value)

    def option_value(self, value: Any) -> Any:
        """A value as the option takes it."""
        return [value] if self.listed and not isinstance(value, list | tuple) else value

    def to_json(self) -> dict[str, Any]:
        """Plain JSON, read back by ``Dimension(**...)``."""
        return {**asdict(self), "values": list(self.values)}

    def _whole(self, value: float) -> int:
        return int(self.low) + round((value - self.low) / self.step) * self.step


def short(value: float) -> float:
    """A number to four significant digits."""
    return float(f"{value:.{DIGITS}g}")


def parse_dimension(name: str, given: Any) -> Dimension:
    """What a suite says of one option; raises UserError that says what is wrong with it."""
    if isinstance(given, list):
        given = {"choices": given}
    if not isinstance(given, Mapping):
        raise UserError(f"give a list of choices, or one of {', '.join(KINDS)}")
    asked = dict(given)
    kinds = [kind for kind in KINDS if kind in asked]
    extra = set(asked) - {*KINDS, "step", "points"}
    if extra or len(kinds) != 1:
        wrong = f"unknown key {min(map(str, extra))!r}; " if extra else ""
        raise UserError(f"{wrong}give one of {', '.join(KINDS)}")
    kind = kinds[0]
    values = asked.pop(kind)
    if kind == "choices":
        return _choices(name, values, asked)
    return _range(name, kind, values, asked)


def _choices(name: str, values: Any, asked: Mapping[str, Any]) -> Dimension:
    if asked:
        raise UserError(f"{next(iter(asked))!r} goes with a range, not with choices")
    if not isinstance(values, list) or len(values) < 2:
        raise UserError("the range is empty: give at least two choices")
    if any(value in values[:i] for i, value in enumerate(values)):
        raise UserError("a choice is given twice")
    return Dimension(name=name, kind="choices", values=tuple(values))


def _range(name: str, kind: str, ends: Any, asked: Mapping[str, Any]) -> Dimension:
    whole = kind.endswith("int")
    proper = int if whole else int | float
    is_pair = isinstance(ends, list) and len(ends) == 2
    if not is_pair or any(isinstance(e, bool) or not isinstance(e, proper) for e in ends):
        raise UserError(f"{kind} takes two {'whole ' if whole else ''}numbers, [lowest, highest]")
    low, high = ends
    if not math.isfinite(low) or not math.isfinite(high) or low >= high:
        raise UserError(f"the range is empty: {low:g} is not below {high:g}")
    log = kind.startswith("log")
    if log and low <= 0:
        raise UserError(f"a logarithmic range begins above 0, not at {low:g}")
    step, points = asked.get("step", 1), asked.get("points", 0)
    if not isinstance(step, int) or step < 1 or ("step" in asked and kind != "int"):
        raise UserError("step is a whole number from 1, and goes with int")
    if not isinstance(points, int) or ("points" in asked and points < 2):
        raise UserError("points is a whole number from 2")
    high = low + (high - low) // step * step if whole else high
    if low == high:
        raise UserError(f"the range is empty: a step of {step} leads out of it")
    return Dimension(
        name=name,
        kind="int" if whole else "float",
        low=low,
        high=high,
        log=log,
        step=step,
        points=points,
    )


def set_option(options: Mapping[str, Any], name: str, value: Any) -> dict[str, Any]:
    """A copy of nested options with the one at a path set."""
    first, _, rest = name.partition(".")
    if not rest:
        return {**options, first: value}
    inner = options.get(first)
    return {**options, first: set_option(inner if isinstance(inner, Mapping) else {}, rest, value)}


def get_option(options: Mapping[str, Any], name: str) -> Any:
    """The option at a path, or None."""
    found: Any = options
    for part in name.split("."):
        if not isinstance(found, Mapping) or part not in found:
            return None
        found = found[part]
    return found


def with_choice(
    options: Mapping[str, Any], dimensions: tuple[Dimension, ...], chosen: Mapping[str, Any]
) -> dict[str, Any]:
    """Options with the values that were chosen for some dimensions."""
    result = dict(options)
    for dimension in dimensions:
        if dimension.name in chosen:
            value = dimension.option_value(chosen[dimension.name])
            result = set_option(result, dimension.name, value)
    return result


def encoded(value: Any) -> Any:
    """A choice as Optuna keeps it: lists and mappings as JSON."""
    return json.dumps(value) if isinstance(value, list | tuple | dict) else value


def decoded(config: Mapping[str, Any], dimensions: tuple[Dimension, ...]) -> dict[str, Any]:
    """The values of the dimensions in what was suggested, numbers to four digits."""
    chosen = {}
    for dimension in dimensions:
        value = config[dimension.name]
        if dimension.kind == "choices":
            known = {encoded(v): v for v in dimension.values}
            value = known.get(value, value)
        elif dimension.kind == "float":
            value = min(max(short(value), dimension.low), dimension.high)
        chosen[dimension.name] = value
    return chosen


def optuna_space(dimensions: tuple[Dimension, ...]) -> dict[str, Any]:
    """The space in Optuna's words."""
    from optuna.distributions import (
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )

    found: dict[str, Any] = {}
    for d in dimensions:
        if d.kind == "choices":
            found[d.name] = CategoricalDistribution([encoded(value) for value in d.values])
        elif d.kind == "float":
            found[d.name] = FloatDistribution(float(d.low), float(d.high), log=d.log)
        else:
            found[d.name] = IntDistribution(int(d.low), int(d.high), log=d.log, step=d.step)
    return found


def suggestion_number(config: Mapping[str, Any], dimensions: tuple[Dimension, ...]) -> int:
    """Place of a suggestion in its experiment, from 0; of a point of a grid, its place in that,
    the first dimension running fastest."""
    if NUMBER in config:
        return int(config[NUMBER])
    number, stride = 0, 1
    for dimension in dimensions:
        values = [encoded(value) for value in dimension.grid()]
        number += stride * values.index(config[dimension.name])
        stride *= len(values)
    return number
