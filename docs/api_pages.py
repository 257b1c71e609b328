"""The API reference, made from docstrings: ``python -m docs.api_pages`` writes docs/api/.

A page a subject, each of a few modules. What stands in it is what the code says: signatures, and
docstrings turned into Markdown. A test holds the pages against the code.
"""

import dataclasses
import inspect
import re
import sys
import textwrap
from functools import cached_property
from importlib import import_module
from pathlib import Path

FOLDER = Path(__file__).parent / "api"

PAGES = {
    "sampling": ("Mini-batches", ["sampling"]),
    "metrics": (
        "Metrics",
        [
            "harness.metrics",
            "harness.metrics.pooling",
            "harness.metrics.thresholds",
            "harness.metrics.footnote",
        ],
    ),
    "statistics": ("Statistics", ["harness.statistics"]),
    "method": ("Methods and studies", ["harness.method", "harness.context", "harness.study"]),
    "data": (
        "Frames and prepared datasets",
        ["harness.data.frames", "harness.data.prepared", "harness.data.building"],
    ),
    "layouts": ("Dataset adapters", ["harness.layouts.adapter", "harness.prepare.decode"]),
    "predictions": (
        "Predictions of other systems",
        ["harness.predictions.formats", "harness.predictions.kinds", "harness.predictions.method"],
    ),
    "runs": (
        "Suites, runs and reports",
        [
            "harness.suite.spec",
            "harness.sweep",
            "harness.plan.jobs",
            "harness.store",
            "harness.runs",
            "harness.results",
            "reports.build",
            "reports.build_comparison",
            "harness.errors",
        ],
    ),
    "linear": ("The joint linear SVM", ["baselines.linear"]),
    "losses": ("Multi-label losses", ["hybrid.losses"]),
}


def public_names(module):
    """Names that a module offers: ``__all__``, else the public functions and classes it defines."""
    listed = getattr(module, "__all__", None)
    if listed is not None:
        return list(listed)
    return [
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and (inspect.isclass(value) or inspect.isroutine(value))
        and value.__module__ == module.__name__
    ]


def public_members(cls):
    """(name, member) of the methods and properties that a class itself defines and documents."""
    members = []
    for name, member in vars(cls).items():
        if isinstance(member, classmethod | staticmethod):
            member = member.__func__
        if name.startswith("_") or name == "model_post_init":
            continue
        is_property = isinstance(member, property | cached_property)
        if is_property or inspect.isfunction(member):
            members.append((name, member))
    return members


def page(title, modules):
    """One page as Markdown."""
    parts = [f"# {title}", "Made from docstrings by `python -m docs.api_pages`."]
    for name in modules:
        module = import_module(name)
        parts += [f"## {name}", markdown(module.__doc__)]
        for entry in public_names(module):
            parts += described(name, entry, getattr(module, entry))
    return "\n\n".join(part for part in parts if part) + "\n"


def described(module, name, value):
    """A function, class or constant of a module."""
    heading = f"### `{module}.{name}`"
    if inspect.isclass(value):
        return [heading, *a_class(name, value)]
    if inspect.isroutine(value):
        return [heading, code(signature_of(name, value)), markdown(value.__doc__)]
    if isinstance(value, tuple | list) or hasattr(value, "items"):
        return [heading, "One of " + ", ".join(f"`{key}`" for key in value) + "."]
    return [heading]


def a_class(name, cls):
    parts = [code(signature_of(name, cls)), markdown(cls.__doc__)]
    for member_name, member in public_members(cls):
        if inspect.isfunction(member):
            parts.append(f"**`{one_line(signature_of(member_name, member))}`**")
        else:
            member = getattr(member, "func", None) or member.fget
            kind = member.__annotations__.get("return", "")
            parts.append(f"**`{member_name}{f': {annotation_text(kind)}' if kind else ''}`**")
        quoted = textwrap.indent(markdown(member.__doc__), "> ", lambda line: True)
        parts.append(quoted.replace("> \n", ">\n"))
    return parts


def signature_of(name, value):
    """``name(labels: np.ndarray, seed: int = 0) -> np.ndarray``, a parameter a line if long."""
    if hasattr(value, "model_fields"):
        return written(name, fields_of_model(value), "")
    if inspect.isclass(value) and is_without_own_init(value):
        return f"class {name}"
    try:
        signature = inspect.signature(value)
    except ValueError:
        return f"class {name}"
    parameters = []
    for parameter in signature.parameters.values():
        if parameter.name in ("self", "cls") or parameter.name.startswith("_"):
            continue  # what begins with an underscore is filled in by the harness
        text = {"VAR_POSITIONAL": "*", "VAR_KEYWORD": "**"}.get(parameter.kind.name, "")
        text += parameter.name
        if parameter.annotation is not parameter.empty:
            text += f": {annotation_text(parameter.annotation)}"
        if parameter.default is not parameter.empty:
            text += f" = {default_text(parameter.default)}"
        starred = any(known.startswith("*") for known in parameters)
        if parameter.kind is parameter.KEYWORD_ONLY and not starred:
            parameters.append("*")
        parameters.append(text)
    back = signature.return_annotation
    returns = "" if inspect.isclass(value) or back is signature.empty else annotation_text(back)
    return written(name, parameters, returns)


def written(name, parameters, returns):
    arrow = f" -> {returns}" if returns else ""
    line = f"{name}({', '.join(parameters)}){arrow}"
    if len(line) <= 96:
        return line
    return f"{name}(\n" + "".join(f"    {text},\n" for text in parameters) + f"){arrow}"


def is_without_own_init(cls):
    """Whether a class has nothing to say of how it is made: protocols, errors, bare bases."""
    if getattr(cls, "_is_protocol", False) or issubclass(cls, BaseException):
        return True
    return not dataclasses.is_dataclass(cls) and cls.__init__ is object.__init__


def fields_of_model(cls):
    """Fields of a pydantic model, as they are written in its source."""
    annotations = {}
    for base in reversed(cls.__mro__):
        annotations.update(vars(base).get("__annotations__", {}))
    texts = []
    for field, info in cls.model_fields.items():
        text = f"{field}: {annotation_text(annotations[field])}"
        if not info.is_required():
            given = info.default_factory() if info.default_factory else info.default
            text += f" = {default_text(given)}"
        texts.append(text)
    return texts


def annotation_text(annotation):
    if isinstance(annotation, str):
        return annotation
    return getattr(annotation, "__name__", str(annotation))


def default_text(value):
    if repr(value) == "<factory>":
        return "..."
    return re.sub(r" at 0x[0-9a-f]+", "", repr(value))


def code(text):
    return f"```python\n{text}\n```"


def one_line(text):
    return " ".join(text.split()).replace("( ", "(").replace(", )", ")")


SECTIONS = ("Args", "Attributes", "Raises", "Returns", "Yields", "Class attributes")


def markdown(doc):
    """A docstring as Markdown: its sections become lists, its indented blocks stay as they are."""
    lines = inspect.cleandoc(doc or "").splitlines()
    out, section = [], False
    for i, line in enumerate(lines):
        if line.removesuffix(":") in SECTIONS and line.endswith(":"):
            out += ["", f"**{line.removesuffix(':')}**", ""]
            section = True
        elif section and line.startswith("    ") and not line.startswith("     "):
            name, colon, rest = line.strip().partition(":")
            out.append(f"- `{name}`:{rest}" if colon else f"- {line.strip()}")
        elif section and line.startswith("     "):
            out.append(f"  {line.strip()}")
        else:
            section = section and not line.strip() and is_in_section(lines[i + 1 :])
            out.append(line)
    text = "\n".join(out)
    return re.sub(r"\n{3,}", "\n\n", re.sub(r"``([^`]+)``", r"`\1`", text)).strip()


def is_in_section(rest):
    return bool(rest) and rest[0].startswith("    ")


def pages():
    """Every page, by file name; the index too."""
    written_pages = {f"{key}.md": page(*entry) for key, entry in PAGES.items()}
    rows = "\n".join(
        f"| [{title}]({key}.md) | {', '.join(f'`{name}`' for name in modules)} |"
        for key, (title, modules) in PAGES.items()
    )
    written_pages["README.md"] = (
        "# API reference\n\nMade from docstrings by `python -m docs.api_pages`. Arrays are named "
        "by their axes:\nN frames, L action units, T time, D features. What is not here is inner "
        f"working and may change.\n\n| page | modules |\n|---|---|\n{rows}\n"
    )
    return written_pages


def main():
    FOLDER.mkdir(exist_ok=True)
    made = pages()
    for old in FOLDER.glob("*.md"):
        if old.name not in made:
            old.unlink()
    for name, text in made.items():
        (FOLDER / name).write_text(text, encoding="utf-8")
    print(f"wrote {len(made)} pages to {FOLDER}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
