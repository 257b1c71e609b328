"""`aubench synth`, `prepare` and `audit`: from a recipe or an official layout to prepared faces."""

from __future__ import annotations

import argparse
import csv
import os
import sys
import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, get_origin

import yaml

from harness.commands.suites import add_cluster
from harness.errors import UserError, first_complaint


def add_synth(parser: argparse.ArgumentParser) -> None:
    """Arguments of `aubench synth`."""
    parser.add_argument(
        "preset", nargs="?", default="lab", metavar="PRESET", help="lab, group, lab-plus or disfa"
    )
    parser.add_argument("--out", metavar="DIR", help="folder to write")
    parser.add_argument(
        "--layout", metavar="NAME", help="write an official layout instead: bp4d, gft, disfa, ..."
    )
    parser.add_argument("--preview", metavar="FILE.png", help="write a contact sheet and stop")
    parser.add_argument(
        "--subjects", type=int, metavar="N", help="number of people (default: the preset's)"
    )
    parser.add_argument("--tasks", type=int, metavar="N", help="sequences of each person")
    parser.add_argument("--frames", type=int, metavar="N", help="frames of a sequence, on average")
    parser.add_argument(
        "--seed", type=int, metavar="N", default=0, help="other people and labels (default: 0)"
    )
    parser.add_argument(
        "--name", metavar="NAME", help="name of the dataset (default: the preset's)"
    )
    parser.add_argument(
        "--size", type=int, metavar="N", default=200, help="side of the faces in pixels: 200"
    )
    parser.set_defaults(run=synth)


def synth(options: argparse.Namespace) -> int:
    """Writes synthetic faces: a prepared dataset, an official layout, or a preview."""
    from harness.data.prepared import FACE_SIZE
    from harness.registry import suggestion
    from harness.synthetic.making import make
    from harness.synthetic.presets import PRESETS
    from harness.synthetic.recipe import SyntheticRecipe

    if options.preset not in PRESETS:
        raise UserError(
            f"unknown preset {options.preset!r}{suggestion(options.preset, list(PRESETS))}"
        )
    if options.size != FACE_SIZE:
        raise UserError(
            f"--size {options.size}: prepared faces are {FACE_SIZE} x {FACE_SIZE} pixels; methods "
            "reduce them by their own option"
        )
    sizes = {name: getattr(options, name) for name in ("subjects", "tasks", "frames", "name")}
    recipe = SyntheticRecipe(
        preset=options.preset,
        seed=options.seed,
        **{name: value for name, value in sizes.items() if value is not None},
    )
    if options.preview:
        from harness.synthetic.preview import write_preview

        write_preview(recipe, Path(options.preview))
        print(f"wrote {options.preview}")
        return 0
    if options.out is None:
        raise UserError("give --out DIR (or --preview FILE.png)")
    if options.layout:
        from harness.layouts.writing import RecipeSource, write_layout
        from harness.prepare.prepare import process_map

        with Counting("subjects") as progress:
            write_layout(
                options.layout,
                RecipeSource(recipe),
                Path(options.out),
                description=recipe.model_dump(mode="json"),
                map_units=process_map(os.cpu_count() or 1),
                progress=progress,
            )
        print(f"wrote {options.out} in the layout of {options.layout}")
        return 0
    with Counting("sequences") as progress:
        dataset = make(recipe, Path(options.out), progress)
    _print_counts(dataset.folder, dataset.description)
    return 0


def add_prepare(parser: argparse.ArgumentParser) -> None:
    """Arguments of `aubench prepare`."""
    _add_source(parser)
    parser.add_argument("--out", metavar="DIR", required=True, help="prepared dataset to write")
    parser.add_argument(
        "--name", metavar="NAME", help="name of the prepared dataset (default: the layout's)"
    )
    parser.add_argument(
        "--on-error",
        choices=("refuse", "skip"),
        help="a damaged file stops preparation, or makes unknown what it concerns, counted "
        "(default: refuse)",
    )
    add_cluster(parser, gpus=False)
    parser.set_defaults(run=prepare)


def prepare(options: argparse.Namespace) -> int:
    """Decodes, registers and writes a dataset in its official layout, as Ray tasks."""
    from harness.engine.cluster import ray_cluster
    from harness.layouts.adapter import load_adapter, open_adapter
    from harness.prepare import prepare as preparation
    from harness.prepare.sequence import PrepareOptions

    own, given = split_options(options.set, load_adapter(options.dataset).Options, PrepareOptions)
    on_error = options.on_error
    if on_error is not None and given.setdefault("on_error", on_error) != on_error:
        raise UserError("--on-error and --set on_error say different things: give one of them")
    adapter = open_adapter(options.dataset, options.folder, own)
    chosen = checked(PrepareOptions, given)
    for name, value in {**adapter.describe(), **chosen.model_dump(mode="json")}.items():
        print(f"  {name}: {value}")
    with ray_cluster(options.address, options.cpus), Counting("sequences") as progress:
        from harness.engine.spread import spread

        dataset = preparation.prepare(
            adapter,
            Path(options.out),
            chosen,
            name=options.name,
            map_sequences=spread,
            progress=lambda done, total, frames, _: progress(done, total, f"{frames} frames"),
        )
    _print_counts(dataset.folder, dataset.description)
    return 0


def add_audit(parser: argparse.ArgumentParser) -> None:
    """Arguments of `aubench audit`."""
    _add_source(parser)
    parser.add_argument("--csv", metavar="FILE", help="also write the table as CSV")
    parser.add_argument(
        "--every-picture", action="store_true", help="decode every picture (long), not a few"
    )
    parser.add_argument(
        "--against",
        action="append",
        default=[],
        metavar="PREPARED",
        help="a prepared dataset; people who are in both are listed",
    )
    parser.set_defaults(run=audit)


def audit(options: argparse.Namespace) -> int:
    """Checks a dataset on disk; 1 if something is wrong."""
    from rich.console import Console
    from rich.table import Table

    from harness.data.prepared import PreparedDataset
    from harness.layouts.adapter import load_adapter, open_adapter
    from harness.prepare.audit import audit as audit_dataset
    from harness.prepare.prepare import process_map

    if options.csv and (not Path(options.csv).parent.is_dir() or Path(options.csv).is_dir()):
        raise UserError(f"--csv {options.csv}: no file can be written there")
    (own,) = split_options(options.set, load_adapter(options.dataset).Options)
    others: dict[str, Collection[str]] = {}
    for folder in options.against:
        other = PreparedDataset(Path(folder))
        others[other.name] = sorted(set(other.table.subjects.tolist()))
    found = audit_dataset(
        open_adapter(options.dataset, options.folder, own),
        others=others,
        every_picture=options.every_picture,
        map_sequences=process_map(os.cpu_count() or 1) if options.every_picture else map,
    )
    columns = ("check", "found", "expected", "verdict", "detail")
    rows = [[str(getattr(check, column)) for column in columns] for check in found.checks]
    table = Table(title=f"{found.dataset}: {options.folder}")
    for column in columns:
        table.add_column(column)
    colours = {"ok": "green", "note": "yellow", "wrong": "red"}
    for row in rows:
        table.add_row(*row, style=colours[row[3]] if row[3] != "ok" else "")
    Console(highlight=False, markup=False).print(table)
    for problem in found.problems:
        print(f"{'wrong' if problem.fault else 'note'}: {problem}")
    if options.csv:
        with Path(options.csv).open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(columns)
            writer.writerows(rows)
    return 1 if any(check.verdict == "wrong" for check in found.checks) else 0


_DATASETS = "bp4d, bp4dplus, gft, disfa, disfaplus, or your own adapter as module:Class"


def _add_source(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("dataset", metavar="DATASET", help=_DATASETS)
    parser.add_argument("folder", metavar="DIR", help="the dataset's folder, as distributed")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="an option of the layout or of preparation, for example --set image_index_offset=0",
    )


_PLAIN = (str, str | None, Path, Path | None)


def split_options(pairs: Sequence[str], *models: type) -> list[dict[str, Any]]:
    """``NAME=VALUE`` pairs, given to the models that have an option of that name. A value is read
    as YAML, and as it stands where a text or a path is asked for (``videos_glob=**/*.mp4``)."""
    from harness.registry import suggestion

    split: list[dict[str, Any]] = [{} for _ in models]
    fields = [getattr(model, "model_fields", {}) for model in models]
    valid = [name for own in fields for name in own]
    plain = {name for own in fields for name in own if own[name].annotation in _PLAIN}
    lists = {name for own in fields for name in own if get_origin(own[name].annotation) is tuple}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals:
            raise UserError(f"--set {pair}: write NAME=VALUE")
        if name not in valid:
            raise UserError(f"--set {pair}: unknown option {name!r}{suggestion(name, valid)}")
        try:
            value = text if name in plain else _listed(text, name in lists)
        except yaml.YAMLError:
            raise UserError(f"--set {pair}: the value is not readable") from None
        for model, options in zip(models, split, strict=True):
            if name in getattr(model, "model_fields", {}):
                options[name] = value
    return split


def _listed(text: str, is_list: bool) -> Any:
    """A value as YAML reads it; a list may also be written ``6,12`` or ``6 12``."""
    if is_list and not text.lstrip().startswith("["):
        text = f"[{', '.join(text.replace(',', ' ').split())}]"
    return yaml.safe_load(text)


def checked(model: type, values: Mapping[str, Any]) -> Any:
    """An options model from values, its first complaint as one line."""
    from pydantic import ValidationError

    try:
        return model(**values)
    except ValidationError as error:
        complaint = first_complaint(error)
        raise UserError(f"--set {complaint.name}: {complaint.message}") from error


class Counting:
    """Shows how many of how many are done: in place in a terminal, a line every 10 s in a pipe."""

    def __init__(self, what: str) -> None:
        self.what = what
        self._said = 0.0

    def __enter__(self) -> Counting:
        return self

    def __exit__(self, *_: object) -> None:
        if sys.stderr.isatty() and self._said:
            print(file=sys.stderr)

    def __call__(self, done: int, total: int, detail: str = "") -> None:
        """Says that ``done`` of ``total`` are done."""
        now = time.monotonic()
        in_place = sys.stderr.isatty()
        if now - self._said < (0.1 if in_place else 10) and done < total:
            return
        self._said = now
        line = f"{done} of {total} {self.what}" + (f", {detail}" if detail else "")
        print(f"\r{line}" if in_place else line, end="" if in_place else "\n", file=sys.stderr)
        sys.stderr.flush()


def _print_counts(folder: Path, description: Mapping[str, Any]) -> None:
    counts = description["counts"]
    if description["registration"].get("landmarks") == "haar":
        from harness.prepare.haar import EYES_ONLY

        print(f"landmarks: haar; {EYES_ONLY}")
    print(
        f"{folder}: {counts['subjects']} subjects, {counts['sequences']} sequences, "
        f"{counts['frames']} frames ({counts['frames'] - counts['tracked']} without a face)"
    )
    for au, present in counts["present"].items():
        known = counts["known"][au]
        rate = f"{present / known:.3f}" if known else "unknown"
        print(f"  {au:<5} base rate {rate}  ({known} known frames)")
