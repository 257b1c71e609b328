"""What a training's mini-batches are made of, left beside its history (section 5, Fig. 6).

``composition.json`` in the job's folder counts the AUs in the batches of one epoch of the sampler,
as ``sampling.composition`` does, so that a report can show what the sampler did without running it.

What always holds: the epoch is drawn from a sampler of its own, so the one that trains is left as
it was; a number that is not defined is null.

Legend: B batches, L action units.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sampling.diagnostics import Composition, composition

FILE = "composition.json"


def write_composition(
    folder: Path, aus: Sequence[int], labels_NL: np.ndarray, batches: Iterable[np.ndarray]
) -> None:
    """Counts what is in ``batches`` (indices into ``labels_NL``); writes it into ``folder``."""
    record = as_record(aus, labels_NL, composition(labels_NL, batches))
    (folder / FILE).write_text(json.dumps(record) + "\n", encoding="utf-8")


def as_record(aus: Sequence[int], labels_NL: np.ndarray, found: Composition) -> dict[str, Any]:
    """The composition as plain JSON; lists are by AU, ``count_*`` are frames of a batch that show
    the AU, rates are shares of the known labels."""
    counts_BL, summary = found.counts_BL, found.summary()
    known_L = (labels_NL != 0).sum(axis=0)
    rates_L = (labels_NL > 0).sum(axis=0) / np.where(known_L, known_L, np.nan)
    return {
        "aus": list(aus),
        "frames": len(labels_NL),
        "batches": len(found.sizes_B),
        "batch_size": float(found.sizes_B.mean()),
        "count_mean": _listed(counts_BL.mean(axis=0)),
        "count_sd": _listed(counts_BL.std(axis=0)),
        "count_min": _listed(counts_BL.min(axis=0)),
        "count_max": _listed(counts_BL.max(axis=0)),
        "base_rates": _listed(rates_L),
        "rates_in_batches": _listed(found.base_rates_L),
        "between_batch_cv": _listed(found.between_batch_cv_L),
        "within_batch_ratio": _listed([summary["within_batch_ratio"]])[0],
        "share_used": found.share_used,
        "max_reuse": found.max_reuse,
    }


def _listed(values: Iterable[float]) -> list[float | None]:
    """Plain numbers of four decimals; null where there is none."""
    return [round(float(v), 4) if np.isfinite(v) else None for v in values]
