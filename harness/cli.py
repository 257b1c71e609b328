"""The front door: parse, call, print. The one file that may know every room.

Exit status: 0 all is done, 1 something failed (the report says what), 2 a mistake in what was
given, 130 stopped by Ctrl-C.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from harness.errors import UserError

EXAMPLES = """\
examples:
  aubench demo                            see everything work, in minutes, without any dataset
  aubench plan suite.yaml                 what would run, what is cached, what it would cost
  aubench run suite.yaml                  do what is not done yet, into runs/<suite name>/
  aubench status suite.yaml               where it stands, from any terminal
  aubench report suite.yaml               rebuild the report from the run folder
  aubench synth lab --out prepared/lab    a dataset of synthetic faces
  aubench prepare bp4d DIR --out prepared/bp4d
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit status."""
    options = _parser().parse_args(arguments)
    if str(Path.cwd()) not in sys.path:  # where a user's own methods are
        sys.path.append(str(Path.cwd()))
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        return int(options.run(options))
    except UserError as error:
        print(f"aubench: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("aubench: stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 1


def _interrupt(signum: int, frame: object) -> NoReturn:
    raise KeyboardInterrupt


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """One line, exit status 2."""
        print(f"{self.prog}: {message} (see {self.prog} --help)", file=sys.stderr)
        raise SystemExit(2)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="aubench",
        description="Benchmark facial action unit detection: sweeps on Ray, comparison reports.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def verb(
        name: str, run: Callable[[argparse.Namespace], int] | None, summary: str, *examples: str
    ) -> argparse.ArgumentParser:
        listed = "\n".join(f"  {example}" for example in examples)
        added = verbs.add_parser(
            name,
            help=summary,
            description=f"examples:\n{listed}\n\n{summary[0].upper()}{summary[1:]}.",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        if run is not None:
            added.set_defaults(run=run)
        return added

    demo = verb("demo", _demo, "run the demo suite and write its report", "aubench demo")
    _out(demo)
    _cluster(demo)

    plan = verb(
        "plan",
        _plan,
        "list a suite's jobs, what is cached and what the rest will cost",
        "aubench plan demo",
        "aubench plan suite.yaml --splits",
    )
    _suite(plan)
    _out(plan)
    plan.add_argument(
        "--splits",
        nargs="?",
        const="",
        metavar="DIR",
        help="print the subjects and base rates of every fold; with DIR also write them there",
    )
    plan.add_argument("--json", action="store_true", help="print the whole plan as JSON")

    run = verb(
        "run",
        _run,
        "do what is not done yet of a suite, then write the report",
        "aubench run suite.yaml",
        "aubench run suite.yaml --address auto",
    )
    _suite(run)
    _out(run)
    _cluster(run)

    status = verb(
        "status",
        _status,
        "show what is done, running, failed and waiting",
        "aubench status demo",
        "aubench status runs/demo",
    )
    _suite(status)
    _out(status)

    report = verb(
        "report",
        _report,
        "rebuild the report from the run folder alone, or compare several runs",
        "aubench report demo",
        "aubench report runs/demo --watch 30",
        "aubench report runs/before runs/after --out runs/comparison",
    )
    report.add_argument("suites", metavar="RUN", nargs="+", help="a suite, or a run folder")
    report.add_argument("--out", metavar="DIR", help="where to write (default: <run>/report)")
    report.add_argument(
        "--watch", type=float, metavar="SECONDS", help="rebuild so often while the run goes on"
    )
    report.add_argument(
        "--rope",
        type=_points,
        metavar="POINTS",
        help="add a Bayesian comparison; differences within so many F1 points count as none",
    )

    from harness.commands.datasets import add_audit, add_prepare, add_synth
    from harness.commands.predict import add_predict
    from harness.commands.score import add_score

    add_synth(
        verb(
            "synth",
            None,
            "make synthetic faces: a prepared dataset, an official layout, a preview",
            "aubench synth lab --out prepared/lab",
            "aubench synth lab --layout bp4d --out BP4D --subjects 6 --frames 60",
            "aubench synth group --preview faces.png",
        )
    )
    add_prepare(
        verb(
            "prepare",
            None,
            "turn a dataset in its official layout into a prepared one",
            "aubench prepare bp4d BP4D --out prepared/bp4d",
            "aubench prepare disfa DISFA --out prepared/disfa --set camera=right",
        )
    )
    add_audit(
        verb(
            "audit",
            None,
            "check a dataset on disk before anything is prepared",
            "aubench audit bp4d BP4D",
        )
    )
    add_score(
        verb(
            "score",
            None,
            "put anyone's per-frame predictions into a report as a row",
            "aubench score openface/ --dataset prepared/bp4d --protocol 3-fold --as openface "
            "--kind presence",
            "aubench score ours.csv --dataset lab --protocol 3-fold --as ours --kind probability "
            "--out runs/demo",
        )
    )
    add_predict(
        verb(
            "predict",
            None,
            "score a video, an image or a folder of images with a trained model",
            "aubench predict runs/demo clip.mp4 --method hybrid --out clip.csv --overlay seen.mp4",
            "aubench predict runs/demo/jobs/KEY photos --out photos.csv",
        )
    )
    from harness.commands.doctor import add_doctor

    add_doctor(
        verb(
            "doctor",
            None,
            "check this installation and say what to mend",
            "aubench doctor",
            "aubench doctor --ray",
            "aubench doctor --address auto --out /data/runs",
        )
    )
    return parser


def _suite(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "suite", metavar="SUITE", help="a suite file, or the name of one that ships"
    )


def _out(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", metavar="DIR", help="the run folder (default: runs/<suite name>)")


def _cluster(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--address", help="join a running Ray cluster ('auto' or host:port)")
    parser.add_argument("--cpus", type=int, help="CPUs of the local Ray instance (default: all)")
    parser.add_argument("--gpus", type=int, help="GPUs of the local Ray instance (default: all)")


def _demo(options: argparse.Namespace) -> int:
    options.suite = "demo"
    return _run(options)


def _run(options: argparse.Namespace) -> int:
    from harness.sweep import SweepResult, run_suite

    name = " ".join(["aubench", *sys.argv[1:]]) if sys.argv[1:] else "the same command"
    status = 0

    def finish(result: SweepResult) -> None:
        nonlocal status
        if not result.worked:
            print("everything was done already")
        status = _report_on(result.store.folder, only_if_changed=True)

    try:
        run_suite(
            options.suite,
            options.out,
            address=options.address,
            cpus=options.cpus,
            gpus=options.gpus,
            at_end=finish,
        )
    except KeyboardInterrupt:
        print(f"\naubench: stopped; every finished job is kept. To go on: {name}", file=sys.stderr)
        return 130
    return status


def _points(text: str) -> float:
    """A width in F1 points, 0 or more."""
    points = float(text)
    if not 0 <= points < 100:
        raise ValueError(text)
    return points


def _report_on(
    folder: Path,
    out: Path | None = None,
    *,
    rope: float | None = None,
    only_if_changed: bool = False,
) -> int:
    """Builds the report and prints its table; 1 if the run has holes."""
    from harness.store import RunStore
    from reports.build import build, summary_table

    store = RunStore(folder)
    page = folder / "report"
    if not only_if_changed or store.changed_since(page / "report.html"):
        page = build(folder, out, rope=rope)
    print(summary_table(folder))
    print(f"report: {page / 'report.html'}")
    states = store.states(store.plan())
    return 1 if {"failed", "blocked"} & set(states.values()) else 0


def _plan(options: argparse.Namespace) -> int:
    from harness.plan.build import build_plan
    from harness.store import RunStore
    from harness.suite.load import load_suite
    from harness.sweep import RUNS

    suite = load_suite(options.suite)
    plan = build_plan(suite)
    if options.json:
        json.dump(plan.to_json(), sys.stdout, indent=1)
        print()
        return 0
    states = RunStore(Path(options.out) if options.out else RUNS / plan.suite).states(plan)
    from harness.plan.listing import print_plan, print_splits

    if options.splits is not None:
        print_splits(suite, plan, Path(options.splits) if options.splits else None)
    else:
        print_plan(plan, states)
    return 0


def _status(options: argparse.Namespace) -> int:
    from harness.plan.listing import print_status
    from harness.store import RunStore
    from harness.sweep import run_folder

    return print_status(RunStore(run_folder(options.suite, options.out)))


def _report(options: argparse.Namespace) -> int:
    from harness.store import RunStore
    from harness.sweep import run_folder

    out = Path(options.out) if options.out else None
    if len(options.suites) > 1:
        from reports.build_comparison import build_comparison

        if out is None:
            raise UserError("give --out DIR to compare several runs")
        page = build_comparison([run_folder(suite, None) for suite in options.suites], out)
        print(f"report: {page / 'report.html'}")
        return 0
    if out is not None and RunStore(out).exists:  # --out names the run, as for the other commands
        folder, out = out, None
    else:
        folder = run_folder(options.suites[0], None)
    while options.watch and RunStore(folder).driver_at_work():
        _report_on(folder, out, rope=options.rope)
        time.sleep(options.watch)
    return _report_on(folder, out, rope=options.rope)


if __name__ == "__main__":
    sys.exit(main())
