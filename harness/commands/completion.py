"""`aubench completion`: Tab completes commands, options, files, and the names that ship.

The shell asks the command itself (argcomplete), so what is offered is what this version has, and
the rows, settings and folds of a run are those of the run that was typed.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

Completer = Callable[..., Iterable[str]]

SHELLS = ("bash", "zsh", "fish")


def add_completion(parser: argparse.ArgumentParser) -> None:
    """Arguments of `aubench completion`."""
    parser.add_argument("shell", choices=SHELLS, help="your shell")
    parser.set_defaults(run=completion)


def completion(options: argparse.Namespace) -> int:
    """Prints what the shell has to read."""
    import argcomplete

    print(argcomplete.shellcode(["aubench"], shell=options.shell))
    return 0


def answer_shell(parser: argparse.ArgumentParser) -> None:
    """Answers a shell that asks what could stand here, and exits; else does nothing."""
    if "_ARGCOMPLETE" not in os.environ:
        return
    import argcomplete

    for verb, command in verbs_of(parser).items():
        for action in command._actions:
            completer = COMPLETERS.get((verb, action.dest))
            if completer is not None:
                vars(action)["completer"] = completer  # where argcomplete looks for it
    argcomplete.autocomplete(parser, always_complete_options=False)


def verbs_of(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """The parser of every command, by its name."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    return {}


def suites(prefix: str, **_: object) -> Iterator[str]:
    """Suites that ship, and suite files."""
    from argcomplete.completers import FilesCompleter

    from harness.suite.load import shipped_suites

    yield from shipped_suites()
    yield from FilesCompleter(("yaml", "yml"))(prefix)


def runs(prefix: str, **_: object) -> Iterator[str]:
    """Suites, and run folders: whatever stands under ``runs``, and any folder."""
    from harness.sweep import RUNS

    yield from suites(prefix)
    yield from (str(plan.parent) for plan in sorted(RUNS.glob("*/plan.json")))


def presets(**_: object) -> list[str]:
    """Presets of synthetic faces."""
    from harness.synthetic.presets import PRESETS

    return list(PRESETS)


def layouts(**_: object) -> list[str]:
    """Official layouts."""
    from harness.layouts.adapter import ADAPTERS

    return list(ADAPTERS)


def protocols(**_: object) -> list[str]:
    """Protocols within a dataset by name; any other number of folds is one too."""
    from harness.protocol.splits import PROTOCOLS

    return [name for name in PROTOCOLS if name not in ("N-fold", "cross-dataset")]


def metrics(**_: object) -> list[str]:
    """Metrics that ship."""
    from harness.metrics.registry import METRICS

    return list(METRICS)


def of_run(part: str) -> Completer:
    """The names that cells of the run that was typed have: its methods, settings or folds."""

    def names(parsed_args: argparse.Namespace, **_: object) -> list[str]:
        place = getattr(parsed_args, "model", None) or getattr(parsed_args, "out", None)
        try:
            plan = json.loads((Path(place or "") / "plan.json").read_text(encoding="utf-8"))
            return list(dict.fromkeys(str(cell[part]) for cell in plan["cells"]))
        except (OSError, ValueError, KeyError, TypeError):
            return []  # no run was typed yet: nothing to offer

    return names


COMPLETERS: dict[tuple[str, str], Completer] = {
    ("plan", "suite"): suites,
    ("run", "suite"): suites,
    ("tune", "suite"): suites,
    ("status", "suite"): runs,
    ("report", "suites"): runs,
    ("report", "metrics"): metrics,
    ("synth", "preset"): presets,
    ("synth", "layout"): layouts,
    ("prepare", "dataset"): layouts,
    ("audit", "dataset"): layouts,
    ("score", "protocol"): protocols,
    ("predict", "method"): of_run("method"),
    ("predict", "setting"): of_run("setting"),
    ("predict", "fold"): of_run("fold"),
}
"""What may stand for an argument of a command, where it is neither a file nor one of its choices.
"""
