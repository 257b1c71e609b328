"""`aubench score`: anyone's per-frame predictions as a row of a report."""

from __future__ import annotations

import argparse
from pathlib import Path

from harness.errors import UserError, first_complaint


def add_score(parser: argparse.ArgumentParser) -> None:
    """Arguments of `aubench score`."""
    parser.add_argument(
        "predictions", metavar="PREDICTIONS", help="CSV or Parquet file, or a folder of them"
    )
    parser.add_argument(
        "--dataset",
        required=True,
        metavar="D",
        help="prepared dataset (folder), or its name in the run given by --out",
    )
    parser.add_argument("--protocol", metavar="P", help="within the dataset: 3-fold, 10-fold, ...")
    parser.add_argument(
        "--train",
        metavar="D",
        help="across datasets, in place of --protocol: the dataset that others are trained on",
    )
    parser.add_argument("--as", dest="name", required=True, metavar="NAME", help="name of the row")
    parser.add_argument(
        "--kind",
        required=True,
        choices=("presence", "probability", "intensity", "score"),
        help="what the numbers mean; nothing is guessed",
    )
    parser.add_argument(
        "--threshold",
        type=float,
        metavar="T",
        help="least value that counts as present: 0.5 for probabilities, to be named for "
        "intensities",
    )
    parser.add_argument(
        "--format",
        choices=("auto", "plain", "openface", "pyfeat", "libreface"),
        default="auto",
        help="whose columns these are (default: told by the columns, and said)",
    )
    parser.add_argument(
        "--frame-offset",
        type=int,
        metavar="K",
        help="added to the frame numbers of the files (default: so that the first frame is 1)",
    )
    parser.add_argument(
        "--missing",
        choices=("refuse", "absent"),
        default="refuse",
        help="labelled frames without a prediction: refuse them, or count them as absent",
    )
    parser.add_argument(
        "--drop-extra",
        action="store_true",
        help="leave out rows of frames that the dataset does not have",
    )
    parser.add_argument(
        "--out",
        metavar="RUN",
        help="run folder: an existing one gets the row, else it is made "
        "(default: runs/<dataset>-<protocol>, or runs/<train>-to-<dataset>)",
    )
    new = parser.add_argument_group("of a new run")
    new.add_argument("--aus", metavar="1,2,4", help="AUs to score (default: the dataset's)")
    new.add_argument("--split-seed", type=int, metavar="S", help="of the folds (default: 0)")
    new.add_argument("--lists", metavar="FILE", help="the folds of --protocol list")
    parser.set_defaults(run=score)


def score(options: argparse.Namespace) -> int:
    """Joins predictions with a dataset and writes them as cells of a run."""
    from pydantic import ValidationError

    from harness.predictions.method import PredictedOptions
    from harness.predictions.row import Target, add_row, new_target, old_target
    from harness.store import RunStore

    if (options.protocol is None) == (options.train is None):
        raise UserError(
            "give --protocol P for a setting within the dataset, or --train DATASET for one across "
            "datasets, and not both"
        )
    if options.protocol == "cross-dataset":
        raise UserError("across datasets: give --train DATASET in place of --protocol")
    store = RunStore(_run_folder(options))
    target: Target
    if store.exists:
        for name in ("aus", "split_seed", "lists"):
            if getattr(options, name) is not None:
                raise UserError(
                    f"--{name.replace('_', '-')} is for a new run; {store.folder} has its own"
                )
        target = old_target(store, options.dataset, options.protocol, options.train)
    else:
        if (options.protocol == "list") != (options.lists is not None):
            raise UserError("--protocol list and --lists FILE go together")
        target = new_target(
            Path(options.dataset),
            options.protocol,
            name=store.folder.name,
            train=Path(options.train) if options.train else None,
            split_seed=options.split_seed or 0,
            aus=_aus(options.aus),
            lists=Path(options.lists) if options.lists else None,
        )
    try:
        chosen = PredictedOptions(
            file=Path(options.predictions),
            kind=options.kind,
            threshold=options.threshold,
            format=options.format,
            frame_offset=options.frame_offset,
            missing=options.missing,
        )
    except ValidationError as error:  # as pydantic wraps what its options refuse
        raise UserError(first_complaint(error).message) from error
    matched = add_row(store, target, options.name, chosen, drop_extra=options.drop_extra)
    for note in matched.notes:
        print(note)
    print(f"row {options.name!r} of {target.setting!r} in {store.folder}")
    print(f"report: aubench report {store.folder}")
    return 0


def _run_folder(options: argparse.Namespace) -> Path:
    if options.out is not None:
        return Path(options.out)
    from harness.sweep import RUNS

    tested = Path(options.dataset).name
    if options.train is not None:
        return RUNS / f"{Path(options.train).name}-to-{tested}"
    return RUNS / f"{tested}-{options.protocol}"


def _aus(text: str | None) -> tuple[int, ...] | None:
    if text is None:
        return None
    try:
        aus = tuple(int(part) for part in text.replace(",", " ").split())
    except ValueError:
        aus = ()
    if not aus or len(set(aus)) < len(aus):
        raise UserError(f"--aus {text}: write AU numbers, each once, for example 1,2,4")
    return aus
