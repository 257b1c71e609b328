"""The API reference: the pages are those of the code, and every public name explains itself."""

import importlib.util
import inspect
import re
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
spec = importlib.util.spec_from_file_location("api_pages", ROOT / "docs" / "api_pages.py")
api_pages = importlib.util.module_from_spec(spec)
spec.loader.exec_module(api_pages)

MODULES = [name for _, modules in api_pages.PAGES.values() for name in modules]
SELF_EVIDENT = {
    *("labels", "scores", "seed", "name", "aus", "frames", "metric", "metrics", "undefined"),
    *("path", "folder", "file", "root", "run_folder", "dataset", "num_aus", "num_frames"),
    *("key", "job", "plan", "protocol", "fold", "setting", "method", "train", "validation"),
    *("train_dataset", "test_dataset", "options", "data", "text", "context", "suite", "reason"),
}
"""Words of the house: a parameter of such a name needs no sentence of its own."""


def public_of(module):
    """Public names of a module, which is imported only now: some bring torch."""
    return api_pages.public_names(import_module(module))


def own_callables(value):
    """(what is called, its docstrings) of a function, or of a class and its public methods."""
    if inspect.isclass(value):
        docs = [inspect.getdoc(value) or ""]
        if value.__init__ is not object.__init__:
            yield value, docs
        for _, member in api_pages.public_members(value):
            if inspect.isfunction(member):
                inherited = [vars(base).get(member.__name__) for base in value.__mro__[1:]]
                more = [inspect.getdoc(one) or "" for one in inherited if one is not None]
                yield member, [inspect.getdoc(member) or "", *more, *docs]
    elif inspect.isroutine(value):
        yield value, [inspect.getdoc(value) or ""]


def parameters_of(callable_):
    if hasattr(callable_, "model_fields"):
        return list(callable_.model_fields)
    try:
        signature = inspect.signature(callable_)
    except ValueError:
        return []
    kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [
        parameter.name
        for parameter in signature.parameters.values()
        if parameter.kind not in kinds and parameter.name not in ("self", "cls")
    ]


SHAPE = r"\([A-Z]\w*(,|\))|\(\.\.\.,|_[A-Z]{1,4}\b|shapes?\b"


def takes_arrays(callable_):
    """Whether an array goes in or comes out, so that its shape must be said."""
    annotations = getattr(callable_, "__annotations__", {})
    return any(re.search(r"ndarray|ArrayLike", str(text)) for text in annotations.values())


def test_the_pages_are_those_of_the_code():
    made = api_pages.pages()
    stale = [
        name
        for name, text in made.items()
        if not (api_pages.FOLDER / name).is_file()
        or (api_pages.FOLDER / name).read_text(encoding="utf-8") != text
    ]
    left = {file.name for file in api_pages.FOLDER.glob("*.md")} - set(made)
    assert not stale + sorted(left), "docs/api is not up to date: python -m docs.api_pages"


@pytest.mark.parametrize("module", MODULES)
def test_every_public_name_says_what_it_is(module):
    names = public_of(module)
    assert names
    for name in names:
        value = getattr(import_module(module), name)
        if not (inspect.isclass(value) or inspect.isroutine(value)):
            continue
        assert len((inspect.getdoc(value) or "").split()) >= 3, f"{module}.{name}"
        if inspect.isclass(value):
            for member_name, member in api_pages.public_members(value):
                assert inspect.getdoc(member), f"{module}.{name}.{member_name}"


# A store is written by the engine alone; for a reader its names and sentences are enough.
@pytest.mark.parametrize("module", [name for name in MODULES if name != "harness.store"])
def test_every_parameter_is_told(module):
    """In the docstring of the function, of its class, or of the module."""
    found = import_module(module)
    missing = []
    for name in public_of(module):
        for callable_, docs in own_callables(getattr(found, name)):
            home = import_module(callable_.__module__)
            told = "\n".join([*docs, home.__doc__ or "", found.__doc__ or ""])
            told += "\n".join(see_also(told, home))
            missing += [
                f"{callable_.__qualname__}({parameter})"
                for parameter in parameters_of(callable_)
                if parameter not in SELF_EVIDENT
                and not re.search(r"_[A-Z]{1,4}$", parameter)  # its name says its shape
                and not parameter.startswith("_")  # of a dataclass that others make
                and not re.search(rf"\b{re.escape(parameter)}\b", told)
            ]
    assert not missing


def see_also(told, home):
    """Docstrings of what a docstring refers to by ``name``."""
    for name in re.findall(r"``(\w+)``", told):
        value = getattr(home, name, None)
        if inspect.isclass(value) or inspect.isroutine(value):
            yield inspect.getdoc(value) or ""


@pytest.mark.parametrize("module", MODULES)
def test_shapes_are_told_where_arrays_go_in_or_out(module):
    found = import_module(module)
    silent = []
    for name in public_of(module):
        for callable_, docs in own_callables(getattr(found, name)):
            home = import_module(callable_.__module__)
            told = "\n".join([*docs, home.__doc__ or "", *see_also("\n".join(docs), home)])
            if takes_arrays(callable_) and not re.search(SHAPE, told):
                silent.append(callable_.__qualname__)
    assert not silent
