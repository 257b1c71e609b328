"""The audit: what is in a dataset's folder, what is wrong with it, before anything is prepared.

Counts, base rates, gaps, frames and pictures without each other, duplicate rows, unknown labels,
damaged files, people shared with other datasets, and a comparison with what is published about the
dataset, each as a row of one table with a verdict:

- ``ok``: checked, and as it should be;
- ``note``: worth knowing, and not wrong;
- ``wrong``: has to be put right, or skipped knowingly (``on_error: skip``).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np

from harness.layouts.adapter import Adapter, CodedSequence, Discovery, Kind, Problem
from harness.layouts.discovered import discovered
from harness.prepare.decode import Damaged, ImageFolder, Video, ZipImages, open_video
from harness.prepare.reference_counts import REFERENCES, Reference
from harness.prepare.sequence import outside_picture

Verdict = Literal["ok", "note", "wrong"]
MapSequences = Callable[[Callable[[Any], Any], Sequence[Any]], Iterable[Any]]

_KINDS: dict[Kind, str] = {
    "code files": "code files",
    "code cells": "cells of the code files",
    "duplicate rows": "frames coded twice",
    "unmatched sequences": "sequences without codes or without pictures",
    "unmatched frames": "coded frames without a picture",
    "pictures": "pictures",
    "landmarks": "landmark files",
    "archives": "archives",
    "names": "file names",
}


@dataclass(frozen=True, kw_only=True)
class Check:
    """One row of the audit."""

    check: str
    found: str
    verdict: Verdict = "ok"
    expected: str = ""
    detail: str = ""


@dataclass(frozen=True, kw_only=True)
class Audit:
    """An audit's rows, and every problem in full."""

    dataset: str
    checks: Sequence[Check]
    problems: Sequence[Problem]

    @property
    def wrong(self) -> bool:
        """Whether something is wrong: the command's exit status."""
        return any(check.verdict == "wrong" for check in self.checks)

    def table(self) -> list[tuple[str, str, str, str, str]]:
        """Rows (verdict, check, found, expected, detail)."""
        return [(c.verdict, c.check, c.found, c.expected, c.detail) for c in self.checks]

    def text(self, width: int = 100) -> str:
        """The table as text, with details on lines of their own."""
        names = max(len(c.check) for c in self.checks)
        founds = max(len(c.found) for c in self.checks)
        lines = []
        for c in self.checks:
            line = f"{c.verdict:5}  {c.check:{names}}  {c.found:>{founds}}"
            if c.expected:
                line += f"  (expected {c.expected})"
            lines.append(line)
            if c.detail:
                detail = c.detail if len(c.detail) <= 3 * width else c.detail[: 3 * width] + " ..."
                lines.append(f"         {detail}")
        return "\n".join(lines)


def audit(
    adapter: Adapter,
    *,
    others: dict[str, Collection[str]] | None = None,
    every_picture: bool = False,
    map_sequences: MapSequences = map,
) -> Audit:
    """Audits a dataset in its official layout.

    Args:
        others: subject ids of other datasets by name, to be told of people who are in both.
        every_picture: decode every coded picture (slow), not only each sequence's first. Of the
            others, files are looked at without decoding: their ends, a video's length.
        map_sequences: spreads the sequences over processes.
    """
    found = discovered(adapter)
    problems = list(found.problems)
    lost = damaged = pictures = 0
    check = partial(check_sequence, every_picture=every_picture)
    for sequence_problems, counts in map_sequences(check, list(found.sequences)):
        problems += sequence_problems
        lost += counts["lost"]
        damaged += counts["damaged"]
        pictures += counts["decoded"]
    checks = [
        Check(check=f"option {name}", found=_brief(value), verdict="note")
        for name, value in adapter.describe().items()
    ]
    checks += _counts(adapter, found, pictures, lost)
    checks += _labels(adapter, found)
    checks += [_gaps(adapter, found)]
    checks += [_of_kind(kind, problems) for kind in _KINDS]
    checks += _shared(found, others or {})
    return Audit(dataset=adapter.name, checks=checks, problems=problems)


def check_sequence(
    sequence: CodedSequence, *, every_picture: bool
) -> tuple[list[Problem], dict[str, int]]:
    """Reads a sequence's landmarks and pictures, and says what is wrong with them; picklable."""
    import cv2

    cv2.setNumThreads(1)
    problems = []
    counts = {"lost": 0, "damaged": 0, "decoded": 0}
    points_by_picture: dict[int, np.ndarray] = {}
    if sequence.landmarks is not None:
        try:
            points = sequence.landmarks.read(sequence.numbers)
            counts["lost"] = int(np.isnan(points[:, 0, 0]).sum())
            points_by_picture = dict(zip(sequence.picture_numbers.tolist(), points, strict=True))
        except Damaged as error:
            counts["damaged"] = len(sequence.numbers)
            problems.append(_problem("landmarks", error, counts["damaged"]))
    present = sequence.pictures.numbers()
    wanted = sequence.picture_numbers
    if present is not None:
        wanted = wanted[np.isin(wanted, present)]
    if isinstance(sequence.pictures, ImageFolder | ZipImages):
        for number in wanted:
            if reason := sequence.pictures.cut_short(number):
                place = sequence.pictures.place(number)
                problems.append(_problem("pictures", Damaged(place, reason), 1))
    if not every_picture:
        short = isinstance(sequence.pictures, Video) and _too_short(sequence.pictures, wanted)
        wanted = wanted[[0, -1]] if short and len(wanted) > 1 else wanted[:1]
    outside: list[int] = []
    said = {problem.place for problem in problems}
    sizes: dict[tuple[int, int], list[int]] = defaultdict(list)
    try:
        for number, picture in zip(wanted, sequence.pictures.read(wanted), strict=True):
            if isinstance(picture, np.ndarray):
                counts["decoded"] += 1
                sizes[picture.shape[1], picture.shape[0]].append(int(number))
                points = points_by_picture.get(int(number), np.empty((0, 2)))
                if len(points) and outside_picture(points, picture.shape):
                    outside.append(int(number))
            elif picture.place not in said:
                problems.append(_problem("pictures", picture, 1))
    except Damaged as error:
        problems.append(_problem("pictures", error, len(sequence.numbers)))
    if outside:
        place = getattr(sequence.landmarks, "name", sequence.sequence)
        why = f"{len(outside)} frames' landmarks lie outside their pictures"
        problems.append(_problem("landmarks", Damaged(place, why), len(outside)))
    usual = max(sizes, key=lambda size: len(sizes[size]), default=None)
    for size, numbers in sizes.items():
        if size != usual:
            place = sequence.pictures.place(numbers[0])
            why = f"is {size[0]}x{size[1]} pixels, unlike the other pictures of its sequence"
            problems.append(_problem("pictures", Damaged(place, why), len(numbers)))
    return problems, counts


def _too_short(video: Video, wanted: np.ndarray) -> bool:
    """Whether the video says that it ends before the last wanted frame: not to be believed before
    that frame is looked for."""
    import cv2

    try:
        capture = open_video(video.file, video.name)
    except Damaged:
        return False
    said = capture.get(cv2.CAP_PROP_FRAME_COUNT)
    capture.release()
    return len(wanted) > 0 and said < wanted[-1]


def _brief(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _problem(kind: Kind, error: Damaged, frames: int) -> Problem:
    return Problem(kind=kind, place=error.place, what=error.reason, frames=frames)


def _reference(adapter: Adapter) -> Reference | None:
    """The published counts, unless the folder holds generated data or the options differ."""
    reference = REFERENCES.get(adapter.name)
    if reference is None or (adapter.root / "synthetic.json").is_file():
        return None
    options = adapter.options.model_dump()
    return reference if reference.options.items() <= options.items() else None


def _counts(adapter: Adapter, found: Discovery, decoded: int, lost: int) -> list[Check]:
    reference = _reference(adapter)
    frames = sum(len(s.numbers) for s in found.sequences)
    subjects = len({s.subject for s in found.sequences})
    counted = [
        ("subjects", subjects, reference and reference.subjects),
        ("coded sequences", len(found.sequences), reference and reference.sequences),
        ("coded frames", frames, reference and reference.frames),
    ]
    checks = [
        Check(
            check=name,
            found=f"{count:,}",
            expected="" if wanted is None else f"{wanted:,}",
            verdict="wrong" if count == 0 or (wanted is not None and count != wanted) else "ok",
        )
        for name, count, wanted in counted
    ]
    checks += [
        Check(check=name.replace("_", " "), found=f"{count:,}", verdict="note")
        for name, count in found.counts.items()
    ]
    none = bool(found.sequences) and not decoded
    checks.append(
        Check(check="pictures decoded", found=f"{decoded:,}", verdict="wrong" if none else "ok")
    )
    if any(s.landmarks is not None for s in found.sequences):
        share = lost / max(frames, 1)
        verdict: Verdict = "ok" if share < 0.05 else "note"
        checks.append(Check(check="frames whose face was lost", found=f"{lost:,}", verdict=verdict))
    return checks


def _labels(adapter: Adapter, found: Discovery) -> list[Check]:
    """Present and unknown labels of each AU, held against the published base rates."""
    aus = adapter.options.aus
    parts = [s.labels for s in found.sequences]
    labels = np.concatenate(parts) if parts else np.empty((0, len(aus)), np.int8)
    reference = _reference(adapter)
    checks = []
    for column, au in enumerate(aus):
        known = int((labels[:, column] != 0).sum())
        present = int((labels[:, column] > 0).sum())
        unknown = len(labels) - known
        rate = present / known if known else float("nan")
        expected, verdict, detail = "", "ok", ""
        if unknown:
            verdict, detail = "note", f"{unknown:,} unknown labels ({unknown / len(labels):.1%})"
            if present and present == known:
                verdict, detail = "wrong", f"{detail}, none absent: absent is -1, 0 is unknown"
        if reference is not None and au in reference.positives:
            count = reference.positives[au]
            right = count / reference.positives_of
            expected = f"{count:,} = {right:.4f}"
            if not abs(rate - right) <= reference.tolerance + 1e-9:
                verdict = "wrong"
        if known == 0:
            verdict = "wrong"
        checks.append(
            Check(
                check=f"AU{au} present",
                found=f"{present:,} = {rate:.4f}",
                expected=expected,
                verdict=verdict,  # type: ignore[arg-type]
                detail=detail,
            )
        )
    return checks


def _gaps(adapter: Adapter, found: Discovery) -> Check:
    """Jumps in the frame numbers of a sequence."""
    gaps = {
        s.sequence: int((np.diff(s.numbers) > 1).sum())
        for s in found.sequences
        if len(s.numbers) and (np.diff(s.numbers) > 1).any()
    }
    reference = REFERENCES.get(adapter.name)
    verdict: Verdict = "ok"
    if gaps:
        verdict = "wrong" if reference is not None and not reference.gaps else "note"
    return Check(
        check="gaps in frame numbers",
        found=f"{sum(gaps.values()):,}",
        verdict=verdict,
        detail=", ".join(f"{name} ({count})" for name, count in list(gaps.items())[:5]),
    )


def _of_kind(kind: Kind, problems: Sequence[Problem]) -> Check:
    """One row for all problems of a kind, with the first few in words."""
    mine = [p for p in problems if p.kind == kind]
    faults = [p for p in mine if p.fault]
    shown = [str(p) for p in (faults or mine)[:3]]
    more = [f"and {len(mine) - len(shown)} more"] if len(mine) > len(shown) else []
    verdict: Verdict = "wrong" if faults else "note" if mine else "ok"
    return Check(
        check=f"problems: {_KINDS[kind]}",
        found=f"{len(mine):,}",
        verdict=verdict,
        detail="; ".join(shown + more),
    )


def _shared(found: Discovery, others: dict[str, Collection[str]]) -> list[Check]:
    """People who are also in another dataset: training on one and testing on the other leaks."""
    own = {s.subject for s in found.sequences}
    checks = []
    for name, subjects in others.items():
        both = sorted(own & set(subjects))
        checks.append(
            Check(
                check=f"subjects also in {name}",
                found=f"{len(both):,}",
                expected="0",
                verdict="wrong" if both else "ok",
                detail=", ".join(both[:8]),
            )
        )
    return checks
