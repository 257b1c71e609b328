"""Names of the methods and studies that ship, and how a name or a dotted path becomes a class.

The harness knows them by these tables alone. A suite may also name a method or study of its own as
``package.module:Class``.
"""

from __future__ import annotations

import difflib
import importlib

from harness.errors import UserError
from harness.method import Method
from harness.study import Study

METHODS: dict[str, str] = {
    "all-present": "baselines.chance:AllPresent",
    "base-rate-random": "baselines.chance:BaseRateRandom",
    "majority": "baselines.chance:Majority",
    "svm": "baselines.svm:Svm",
    "svm-hog": "baselines.svm:Svm",
    "svm-face-hog": "baselines.svm:SvmFaceHog",
    "svm-gabor": "baselines.svm:SvmGabor",
    "svm-shape": "baselines.svm:SvmShape",
    "svm-network": "baselines.svm:SvmNetwork",
    "svm-fc7": "baselines.svm_fc7:SvmFc7",
    "cpm": "baselines.cpm:Cpm",
    "jpml": "baselines.jpml:Jpml",
    "anet-t": "baselines.anet_t:AnetT",
    "anet": "hybrid.methods:Anet",
    "lstm": "hybrid.methods:Lstm",
    "hybrid": "hybrid.methods:Hybrid",
    "end-to-end": "hybrid.methods:EndToEnd",
}


STUDIES: dict[str, str] = {
    "embedding": "baselines.studies.embedding:Embedding",
    "subject-divergence": "baselines.studies.subject_divergence:SubjectDivergence",
    "filters": "hybrid.studies.filters:Filters",
    "ascent": "hybrid.studies.ascent:Ascent",
    "attention": "hybrid.studies.attention:Attention",
}


def dotted_path(name: str) -> str:
    """``package.module:Class`` of a registered method; a dotted path is returned as it is."""
    return _path_among(METHODS, "method", name)


def study_path(name: str) -> str:
    """``package.module:Class`` of a registered study; a dotted path is returned as it is."""
    return _path_among(STUDIES, "study", name)


def _path_among(known: dict[str, str], what: str, name: str) -> str:
    if name in known:
        return known[name]
    module, colon, attribute = name.partition(":")
    if colon and module and attribute:
        return name
    raise UserError(f"unknown {what} {name!r}{suggestion(name, known)}, or yours as module:Class")


def load_object(path: str) -> type:
    """The class that a dotted path ``package.module:Class`` names."""
    module_name, _, attribute = path.partition(":")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name and module_name.startswith(error.name):
            raise UserError(
                f"no module {module_name!r}: is its folder the current one, or on PYTHONPATH?"
            ) from error
        raise
    found = getattr(module, attribute, None)
    if not isinstance(found, type):
        raise UserError(f"module {module_name!r} has no class {attribute!r}")
    return found


def load_method(name: str) -> type[Method]:
    """The method class of a registered name or dotted path."""
    found = load_object(dotted_path(name))
    if not issubclass(found, Method):
        raise UserError(f"{name!r} is not a method: it does not derive from harness.method.Method")
    refuse_without(found, "fit", name)
    return found


def refuse_without(method: type[Method], needed: str, name: str) -> None:
    """Says before anything runs that a method left out what the harness will call."""
    if getattr(method, needed).__qualname__ == f"Method.{needed}":
        raise UserError(f"method {name!r} has no {needed}(): a method must give it")


def load_study(name: str) -> type[Study]:
    """The study class of a registered name or dotted path."""
    found = load_object(study_path(name))
    if not issubclass(found, Study):
        raise UserError(f"{name!r} is not a study: it does not derive from harness.study.Study")
    return found


def suggestion(name: str, valid: list[str] | dict[str, str] | tuple[str, ...]) -> str:
    """``"; did you mean 'svm'? valid: ..."`` for an error message."""
    close = difflib.get_close_matches(name, list(valid), n=1)
    hint = f"; did you mean {close[0]!r}?" if close else ";"
    return f"{hint} valid: {', '.join(valid)}"
