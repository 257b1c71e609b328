"""The front door: parse, call, print. The one file that may know every room.

Exit status: 0 all is done, 1 something failed (the report says what), 2 a mistake in what was
given, 130 stopped by Ctrl-C.
"""

from __future__ import annotations

import argparse
import errno
import re
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from harness.commands.completion import add_completion, answer_shell
from harness.errors import UserError

if TYPE_CHECKING:
    from harness.store import RunStore

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
    parser = _parser()
    answer_shell(parser)
    options = parser.parse_args(arguments)
    if options.run is None:
        parser.print_help(sys.stderr)
        return 2
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
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        where = f" at {error.filename}" if error.filename else ""
        print(
            f"aubench: {error.strerror}{where}: make room, and give the same command again; "
            "whatever is finished is kept",
            file=sys.stderr,
        )
        return 2


def _interrupt(signum: int, frame: object) -> NoReturn:
    raise KeyboardInterrupt


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """One line, exit status 2; what was nearly right is named."""
        wrong = re.search(r"invalid choice: '(.*?)' \(choose from (.*)\)$", message)
        if wrong:
            from harness.registry import suggestion

            valid = [name.strip(" '") for name in wrong[2].split(",")]
            message = f"{message[: wrong.start()]}no {wrong[1]!r}{suggestion(wrong[1], valid)}"
        print(f"{self.prog}: {message} (see {self.prog} --help)", file=sys.stderr)
        raise SystemExit(2)


class _Help(argparse.RawDescriptionHelpFormatter):
    """Examples as they are written; a column that has room for the longest command's name."""

    def format_help(self) -> str:
        self._action_max_length += 2
        return super().format_help()


class _Version(argparse.Action):
    """Says the version, which is looked up only when it is asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        from importlib import metadata

        try:
            print(f"aubench {metadata.version('aubench')}")
        except metadata.PackageNotFoundError:
            print("aubench, from a checkout that is not installed")
        parser.exit()


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="aubench",
        description=f"{EXAMPLES}\n"
        "Benchmark facial action unit detection: sweeps on Ray, comparison reports.",
        formatter_class=_Help,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
    parser.set_defaults(run=None)
    verbs = parser.add_subparsers(title="commands", metavar="COMMAND")

    def verb(name: str, summary: str, *examples: str) -> argparse.ArgumentParser:
        listed = "\n".join(f"  {example}" for example in examples)
        return verbs.add_parser(
            name,
            help=summary,
            description=f"examples:\n{listed}\n\n{summary[0].upper()}{summary[1:]}.",
            formatter_class=_Help,
        )

    from harness.commands.suites import add_demo, add_plan, add_report, add_run, add_status

    add_demo(verb("demo", "run the demo suite and write its report", "aubench demo"), _demo)
    add_plan(
        verb(
            "plan",
            "list a suite's jobs, what is cached and what the rest will cost",
            "aubench plan demo",
            "aubench plan suite.yaml --splits",
        )
    )
    add_run(
        verb(
            "run",
            "do what is not done yet of a suite, then write the report",
            "aubench run suite.yaml",
            "aubench run suite.yaml --address auto",
            "aubench run suite.yaml --with runs/suite/search/best.yaml",
        ),
        _run,
    )
    add_status(
        verb(
            "status",
            "show what is done, running, failed and waiting",
            "aubench status demo",
            "aubench status runs/demo",
        )
    )
    add_report(
        verb(
            "report",
            "rebuild the report from the run folder alone, or compare several runs",
            "aubench report demo",
            "aubench report runs/demo --watch 30",
            "aubench report runs/demo --metric mypackage.mymodule:my_metric",
            "aubench report runs/before runs/after --out runs/comparison",
        ),
        _report,
    )
    from harness.commands.tune import add_tune

    add_tune(
        verb(
            "tune",
            "search a method's options inside the training part of every fold",
            "aubench tune search-demo",
            "aubench run search-demo --with runs/search-demo/search/best.yaml",
        ),
        _tune,
    )
    from harness.commands.datasets import add_audit, add_prepare, add_synth
    from harness.commands.predict import add_predict
    from harness.commands.score import add_score

    add_synth(
        verb(
            "synth",
            "make synthetic faces: a prepared dataset, an official layout, a preview",
            "aubench synth lab --out prepared/lab",
            "aubench synth lab --layout bp4d --out BP4D --subjects 6 --frames 60",
            "aubench synth group --preview faces.png",
        )
    )
    add_prepare(
        verb(
            "prepare",
            "turn a dataset in its official layout into a prepared one",
            "aubench prepare bp4d BP4D --out prepared/bp4d",
            "aubench prepare disfa DISFA --out prepared/disfa --set camera=right --on-error skip",
        )
    )
    add_audit(
        verb(
            "audit",
            "check a dataset on disk before anything is prepared",
            "aubench audit bp4d BP4D",
        )
    )
    add_score(
        verb(
            "score",
            "put anyone's per-frame predictions into a report as a row",
            "aubench score openface/ --dataset prepared/bp4d --protocol 3-fold --as openface "
            "--kind presence",
            "aubench score ours.csv --dataset lab --protocol 3-fold --as ours --kind probability "
            "--out runs/demo",
            "aubench score ours.csv --dataset group --train lab --as ours --kind probability "
            "--out runs/demo",
        )
    )
    add_predict(
        verb(
            "predict",
            "score a video, an image or a folder of images with a trained model",
            "aubench predict runs/demo clip.mp4 --method hybrid --out clip.csv --overlay seen.mp4",
            "aubench predict runs/demo/jobs/KEY photos --out photos.csv",
        )
    )
    from harness.commands.doctor import add_doctor

    add_doctor(
        verb(
            "doctor",
            "check this installation and say what to mend",
            "aubench doctor",
            "aubench doctor --ray",
            "aubench doctor --address auto --out /data/runs",
        )
    )
    add_completion(
        verb(
            "completion",
            "print what makes Tab complete aubench's commands in bash, zsh or fish",
            'eval "$(aubench completion bash)"      # in ~/.bashrc',
            'eval "$(aubench completion zsh)"       # in ~/.zshrc, after compinit',
            "aubench completion fish > ~/.config/fish/completions/aubench.fish",
        )
    )
    return parser


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
        status = _report_on(result.store, only_if_changed=True)

    try:
        run_suite(
            options.suite,
            options.out,
            overlay=getattr(options, "overlay", None),
            address=options.address,
            cpus=options.cpus,
            gpus=options.gpus,
            at_end=finish,
        )
    except KeyboardInterrupt:
        print(f"\naubench: stopped; every finished job is kept. To go on: {name}", file=sys.stderr)
        return 130
    return status


def _tune(options: argparse.Namespace) -> int:
    from harness.commands.tune import tune
    from reports.build import build

    return tune(options, build)


def _report_on(
    store: RunStore,
    out: Path | None = None,
    *,
    rope: float | None = None,
    metrics: Sequence[str] = (),
    video: str = "",
    only_if_changed: bool = False,
) -> int:
    """Builds the report and prints its table; 1 if the run has holes."""
    from reports.build import build, summary_table

    store.refresh()
    page = store.folder / "report"
    if not only_if_changed or store.changed_since(page / "report.html"):
        page = build(store.folder, out, rope=rope, metrics=metrics, video=video)
    print(summary_table(store.folder))
    print(f"report: {page / 'report.html'}")
    if out is None and not store.everywhere:
        print(f"        {store.publish('report')}/report.html")
    states = store.states(store.plan())
    return 1 if {"failed", "blocked"} & set(states.values()) else 0


def _report(options: argparse.Namespace) -> int:
    from harness.runs import open_run
    from harness.sweep import run_folder

    out = Path(options.out) if options.out else None
    if len(options.suites) > 1:
        from reports.build_comparison import build_comparison

        if out is None:
            raise UserError("give --out DIR to compare several runs")
        if options.watch or options.rope is not None or options.metrics or options.video:
            raise UserError("--watch, --rope, --metric and --video are for the report of one run")
        runs = [open_run(run_folder(suite, None)) for suite in options.suites]
        for store in runs:
            store.refresh()
        page = build_comparison([store.folder for store in runs], out)
        print(f"report: {page / 'report.html'}")
        return 0
    if options.out and open_run(options.out).exists:  # --out names the run, as for other commands
        store, out = open_run(options.out), None
    else:
        store = open_run(run_folder(options.suites[0], None))
    chosen: Any = {name: getattr(options, name) for name in ("rope", "metrics", "video")}
    while options.watch and store.driver_at_work():
        _report_on(store, out, **chosen)
        time.sleep(options.watch)
    return _report_on(store, out, **chosen)


if __name__ == "__main__":
    sys.exit(main())
