"""`aubench demo`, `plan`, `run`, `status` and `report`: what is done with a suite or its run.

What ends in a report (`demo`, `run`, `report`) is done by the front door, which alone may know
reports; here is what those commands take.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

Run = Callable[[argparse.Namespace], int]


def add_demo(parser: argparse.ArgumentParser, run: Run) -> None:
    """Arguments of `aubench demo`."""
    _out(parser)
    add_cluster(parser)
    parser.set_defaults(run=run)


def add_plan(parser: argparse.ArgumentParser) -> None:
    """Arguments of `aubench plan`."""
    _suite(parser)
    _overlay(parser)
    _out(parser)
    parser.add_argument(
        "--splits",
        nargs="?",
        const="",
        metavar="DIR",
        help="print the subjects and base rates of every fold; with DIR also write them there",
    )
    parser.add_argument("--json", action="store_true", help="print the whole plan as JSON")
    parser.set_defaults(run=plan)


def add_run(parser: argparse.ArgumentParser, run: Run) -> None:
    """Arguments of `aubench run`."""
    _suite(parser)
    _overlay(parser)
    _out(parser)
    add_cluster(parser)
    parser.set_defaults(run=run)


def add_status(parser: argparse.ArgumentParser) -> None:
    """Arguments of `aubench status`."""
    parser.add_argument("suite", metavar="RUN", help="a suite (file or name), or a run folder")
    _out(parser)
    parser.set_defaults(run=status)


def add_report(parser: argparse.ArgumentParser, run: Run) -> None:
    """Arguments of `aubench report`."""
    parser.add_argument(
        "suites", metavar="RUN", nargs="+", help="a suite (file or name), or a run folder"
    )
    parser.add_argument("--out", metavar="DIR", help="where to write (default: <run>/report)")
    parser.add_argument(
        "--watch", type=_seconds, metavar="SECONDS", help="rebuild so often while the run goes on"
    )
    parser.add_argument(
        "--rope",
        type=_points,
        metavar="POINTS",
        help="add a Bayesian comparison; differences within so many F1 points count as none",
    )
    parser.add_argument(
        "--metric",
        dest="metrics",
        action="append",
        default=[],
        metavar="NAME",
        help="add tables of a metric, by its name or as package.module:function; may be repeated",
    )
    parser.add_argument(
        "--video",
        metavar="SEQUENCE",
        default="",
        help="draw the labels and decisions of this test sequence, such as lab:S009/T1",
    )
    parser.set_defaults(run=run)


def plan(options: argparse.Namespace) -> int:
    """Prints a suite's jobs, or its splits."""
    from harness.plan.build import build_plan
    from harness.runs import open_run
    from harness.suite.load import load_suite
    from harness.sweep import RUNS

    suite = load_suite(options.suite, options.overlay)
    planned = build_plan(suite)
    if options.json:
        json.dump(planned.to_json(), sys.stdout, indent=1)
        print()
        return 0
    states = open_run(options.out or RUNS / planned.suite).states(planned)
    from harness.plan.listing import print_plan, print_splits

    if options.splits is not None:
        print_splits(suite, planned, Path(options.splits) if options.splits else None)
    else:
        print_plan(planned, states)
    return 0


def status(options: argparse.Namespace) -> int:
    """Prints where a run stands."""
    from harness.plan.listing import print_status
    from harness.runs import open_run
    from harness.sweep import run_folder

    return print_status(open_run(run_folder(options.suite, options.out)))


def _suite(parser: argparse.ArgumentParser) -> None:
    shipped = sorted(file.stem for file in (Path(__file__).parents[1] / "suites").glob("*.yaml"))
    parser.add_argument(
        "suite", metavar="SUITE", help=f"a suite file, or one that ships: {', '.join(shipped)}"
    )


def _overlay(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--with",
        dest="overlay",
        metavar="FILE",
        help="lay a file over the suite, such as the best.yaml of `aubench tune`",
    )


def _out(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", metavar="DIR", help="the run folder (default: runs/<suite name>)")


def add_cluster(parser: argparse.ArgumentParser, *, gpus: bool = True) -> None:
    """Where the work is done: the cluster to join, or what a local Ray instance may have."""
    parser.add_argument(
        "--address", metavar="HOST:PORT", help="join a running Ray cluster; 'auto' for the one here"
    )
    parser.add_argument(
        "--cpus", type=int, metavar="N", help="CPUs of the local Ray instance (default: all)"
    )
    if gpus:
        parser.add_argument(
            "--gpus", type=int, metavar="N", help="GPUs of the local Ray instance (default: all)"
        )


def _points(text: str) -> float:
    """A width in F1 points, 0 or more."""
    return _number(text, "F1 points from 0 to 100", lambda points: 0 <= points < 100)


def _seconds(text: str) -> float:
    """A time to wait."""
    return _number(text, "seconds, more than 0", lambda seconds: 0 < seconds < 1e6)


def _number(text: str, what: str, fits: Callable[[float], bool]) -> float:
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if not fits(number):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of {what}")
    return number
