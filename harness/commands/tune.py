"""`aubench tune`: search a method's options, and say what was found.

The report is built by whoever calls this (the front door, which alone may know reports).
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.commands.suites import add_cluster

if TYPE_CHECKING:
    from harness.search.drive import SearchResult

Build = Callable[[Path], Path]


def add_tune(parser: argparse.ArgumentParser, run: Callable[[argparse.Namespace], int]) -> None:
    """Arguments of `aubench tune`."""
    parser.add_argument(
        "suite", metavar="SUITE", help="a suite file with a 'search' block, or one that ships"
    )
    parser.add_argument("--out", metavar="DIR", help="the run folder (default: runs/<suite name>)")
    add_cluster(parser)
    parser.set_defaults(run=run)


def tune(options: argparse.Namespace, build: Build) -> int:
    """Searches, writes the report, prints the best options of each fold and how to use them."""
    from harness.search.drive import run_search

    def finish(result: SearchResult) -> None:
        if not result.worked:
            print("everything was done already")
        page = build(result.store.folder)
        print_found(result, options.suite)
        print(f"report: {page / 'report.html'}")

    try:
        run_search(
            options.suite,
            options.out,
            address=options.address,
            cpus=options.cpus,
            gpus=options.gpus,
            at_end=finish,
        )
    except KeyboardInterrupt:
        name = " ".join(["aubench", *sys.argv[1:]]) if sys.argv[1:] else "the same command"
        print(
            f"\naubench: stopped; every finished trial is kept. To go on: {name}", file=sys.stderr
        )
        return 130
    return 0


def print_found(result: SearchResult, suite: str) -> None:
    """The best options of each fold and those agreed, trials by state, and the next command."""
    search = result.search
    for fold, best in search["best"].items():
        print(f"fold {fold}: {_options(best['options'])}  {search['metric']} {best['value']:.4f}")
    print(f"agreed: {_options(search['agreed'])}")
    states = [trial["state"] for trial in result.trials]
    counts = ", ".join(f"{states.count(s)} {s}" for s in dict.fromkeys(states))
    print(f"{len(states)} trials: {counts}")
    failed = [trial for trial in result.trials if trial["state"] == "failed"]
    if failed:
        print(f"the first that failed: {_options(failed[0]['options'])}: {failed[0]['error']}")
    out = "" if result.store.folder.parent.name == "runs" else f" --out {result.store.folder}"
    print(f"to use them: aubench run {suite} --with {shlex.quote(_near(result.best_file))}{out}")


def _options(chosen: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in chosen.items())


def _near(file: Path) -> str:
    """A path from the current folder where it lies inside."""
    return str(file.relative_to(Path.cwd())) if file.is_relative_to(Path.cwd()) else str(file)
