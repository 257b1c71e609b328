"""Which options a search varies: each exists, and takes the values that it may get.

An option is named by its path through the method's nested options, such as ``sequence.layers``; its
type is read off the pydantic models on the way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from harness.errors import UserError, first_complaint
from harness.registry import load_method, suggestion
from harness.search.space import Dimension, parse_dimension, set_option
from harness.suite.load import LoadedSuite
from harness.suite.spec import SearchSpec


def searched_dimensions(
    suite: LoadedSuite, spec: SearchSpec, path: str, options: Mapping[str, Any]
) -> tuple[Dimension, ...]:
    """The space of the suite, else the method's own.

    Raises:
        UserError: with file and line, for an option that the method does not have, or that cannot
            take the values that it may get.
    """
    found = load_method(path)
    space = spec.space or getattr(found, "search_space", {})
    if not space:
        raise suite.error(
            f"method {spec.method!r} has no search space of its own: say which options to search "
            "under 'space'",
            *("search", "method"),
        )
    dimensions = []
    for name, given in space.items():
        place = ("search", "space", name)
        try:
            leaf = _option_type(found.Options, name, spec.method)
            dimension = parse_dimension(name, given)
            dimension = replace(dimension, listed=_takes_list(leaf))
            for value in dimension.ends():
                taken = dimension.option_value(value)
                _check_options(found.Options, set_option(options, name, taken), name, taken)
        except UserError as error:
            raise suite.error(f"{name}: {error}", *place) from error
        dimensions.append(dimension)
    return tuple(dimensions)


def _check_options(
    model: type[BaseModel], options: Mapping[str, Any], name: str, value: Any
) -> None:
    try:
        model.model_validate(options)
    except ValidationError as error:
        raise UserError(
            f"{value!r} is no value for it: {first_complaint(error).message}"
        ) from error


def _option_type(model: type[BaseModel], name: str, method: str) -> Any:
    """The type of the option at a path; raises UserError where there is none."""
    at: Any = model
    walked: list[str] = []
    for part in name.split("."):
        if get_origin(at) is dict or at is dict:
            return Any
        nested = _model_in(at)
        if nested is None:
            raise UserError(f"{'.'.join(walked)!r} of method {method!r} has no options inside it")
        if part not in nested.model_fields:
            inside = f" under {'.'.join(walked)!r}" if walked else ""
            raise UserError(
                f"method {method!r} has no option {part!r}{inside}"
                f"{suggestion(part, list(nested.model_fields))}"
            )
        at = nested.model_fields[part].annotation
        walked.append(part)
    if _model_in(at) is not None:
        inner = ", ".join(f"{name}.{field}" for field in list(_model_in(at).model_fields)[:3])  # type: ignore[union-attr]
        raise UserError(f"it is a group of options: name one inside it, such as {inner}")
    return at


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The options model that an annotation is, or allows."""
    kinds = (annotation,)
    if get_origin(annotation) in (Union, UnionType):
        kinds = get_args(annotation)
    for kind in kinds:
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            return kind
    return None


def _takes_list(annotation: Any) -> bool:
    kinds = (annotation,)
    if get_origin(annotation) in (Union, UnionType):
        kinds = get_args(annotation)
    return all(get_origin(kind) in (tuple, list) or kind is type(None) for kind in kinds)
