"""What a suite may say of an option's values, and what it may not."""

import math

import pytest

from harness.errors import UserError
from harness.search.space import (
    decoded,
    encoded,
    optuna_space,
    parse_dimension,
    set_option,
    with_choice,
)


@pytest.mark.parametrize(
    ("given", "grid"),
    [
        ({"int": [1, 5]}, [1, 2, 3, 4, 5]),
        ({"int": [64, 500], "step": 128}, [64, 192, 320, 448]),
        ({"logint": [1, 100], "points": 3}, [1, 10, 100]),
        ({"uniform": [0.1, 1.0], "points": 4}, [0.1, 0.4, 0.7, 1.0]),
        ({"loguniform": [1e-4, 1e-2], "points": 3}, [1e-4, 1e-3, 1e-2]),
        ([64, 128], [64, 128]),
        ({"choices": ["a", [1, 2]]}, ["a", [1, 2]]),
    ],
)
def test_the_grid_of_each_kind(given, grid):
    dimension = parse_dimension("x", given)
    assert dimension.grid() == pytest.approx(grid) if "a" not in grid else dimension.grid() == grid
    assert all(dimension.holds(value) for value in dimension.grid())


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"uniform": [1, 1]}, "the range is empty: 1 is not below 1"),
        ({"int": [5, 2]}, "the range is empty: 5 is not below 2"),
        ({"int": [1, 3], "step": 7}, "the range is empty: a step of 7 leads out of it"),
        ([], "the range is empty: give at least two choices"),
        ({"choices": [3]}, "the range is empty: give at least two choices"),
        ([1, 1], "a choice is given twice"),
        ({"loguniform": [0, 1]}, "a logarithmic range begins above 0, not at 0"),
        ({"int": [0.5, 2]}, "int takes two whole numbers, [lowest, highest]"),
        ({"uniform": [1]}, "uniform takes two numbers, [lowest, highest]"),
        ({"uniform": [0, math.inf]}, "the range is empty: 0 is not below inf"),
        ({"normal": [0, 1]}, "unknown key 'normal'; give one of choices"),
        ({"uniform": [0, 1], "step": 2}, "step is a whole number from 1, and goes with int"),
        (3, "give a list of choices, or one of choices"),
    ],
)
def test_an_empty_or_odd_range_is_named(given, said):
    with pytest.raises(UserError) as error:
        parse_dimension("x", given)
    assert said in str(error.value)


def test_values_go_to_optuna_and_back():
    dimensions = (
        parse_dimension("a.b", {"uniform": [0.1, 1]}),
        parse_dimension("c", [[1, 2], [3]]),
        parse_dimension("d", {"int": [1, 5]}),
    )
    assert set(optuna_space(dimensions)) == {"a.b", "c", "d"}
    drawn = {"a.b": 0.123456789, "c": encoded([3]), "d": 4}
    assert decoded(drawn, dimensions) == {"a.b": 0.1235, "c": [3], "d": 4}
    assert decoded({**drawn, "a.b": 0.09999}, dimensions)["a.b"] == 0.1  # stays in the range


def test_options_are_set_inside_without_touching_the_rest():
    options = {"size": "small", "sequence": {"layers": 2, "lr": 0.1}}
    assert set_option(options, "sequence.layers", 5)["sequence"] == {"layers": 5, "lr": 0.1}
    assert options["sequence"]["layers"] == 2
    dimension = parse_dimension("sequence.layers", {"int": [1, 5]})
    assert with_choice({}, (dimension,), {"sequence.layers": 3}) == {"sequence": {"layers": 3}}
