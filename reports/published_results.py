"""What others have published for a dataset and protocol: numbers to read beside ours, never ranked
with them.

Two files: ``paper.json`` holds Tables 1 to 4 of the paper, ``literature.json`` three-fold results
on BP4D and DISFA as public repositories repeat them. Per-AU values are kept and the average is
recomputed from them; where the printed one differs, that is said.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

FILES = ("paper.json", "literature.json")


@dataclass(frozen=True, kw_only=True)
class PublishedResult:
    """One published row: F1 in percent.

    Attributes:
        where: where it was read.
        printed: the average that stands there.
        undefined: whether values that are not given are ``"left out"`` of that average or
            ``"counted as 0"``.
        values: per AU; None where no number is given.
        caveats: what speaks against taking it as a target.
    """

    dataset: str
    protocol: str
    method: str
    where: str
    printed: float
    undefined: str
    values: Mapping[int, float | None]
    caveats: tuple[str, ...]

    @property
    def mean(self) -> float | None:
        """The average recomputed from the values as the source averages; None without values."""
        given = [value for value in self.values.values() if value is not None]
        if not given:
            return None
        number = len(self.values) if self.undefined == "counted as 0" else len(given)
        return sum(given) / number

    @property
    def misprinted(self) -> bool:
        """Whether the printed average differs from its values by more than rounding explains."""
        rounding = 0.6 if self.undefined == "counted as 0" else 0.12  # two digits, or three
        return self.mean is not None and abs(self.mean - self.printed) > rounding


def published_results(dataset: str, protocol: str, *, across: bool) -> list[PublishedResult]:
    """Rows for the dataset that is tested on, by its name in subject ids, and a protocol;
    ``across``: trained on another dataset."""
    wanted = "cross-dataset" if across else protocol.removeprefix("published-")
    return [r for r in all_results() if r.dataset == plain_name(dataset) and r.protocol == wanted]


def plain_name(dataset: str) -> str:
    """``"BP4D-plus"`` and ``"bp4d+"`` are the same dataset: lower case, no punctuation."""
    kept = "".join(c for c in dataset.lower() if c.isalnum() or c == "+")
    return kept.replace("plus", "+")


@dataclass(frozen=True, kw_only=True)
class PublishedDivergence:
    """The paper's Fig. 4: dataset and, by feature, mean and SD over subjects; and its caveats."""

    values: tuple[tuple[str, Mapping[str, tuple[float, float]]], ...]
    caveats: tuple[str, ...]


@cache
def published_divergence() -> PublishedDivergence:
    """Subject divergence as it was printed."""
    file = resources.files("reports") / "published" / "subject_divergence.json"
    data = json.loads(file.read_text(encoding="utf-8"))
    return PublishedDivergence(
        values=tuple(
            (row["dataset"], {name: (mean, sd) for name, (mean, sd) in row["values"].items()})
            for row in data["rows"]
        ),
        caveats=tuple(data["caveats"]),
    )


@cache
def all_results() -> tuple[PublishedResult, ...]:
    """Every published row, in the order of the files."""
    folder = resources.files("reports") / "published"
    rows = []
    for name in FILES:
        for row in json.loads((folder / name).read_text(encoding="utf-8"))["rows"]:
            values = {int(au): value for au, value in row["values"].items()}
            rows.append(
                PublishedResult(
                    **{**row, "values": values, "caveats": tuple(row["caveats"])},
                )
            )
    return tuple(rows)
