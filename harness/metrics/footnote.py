"""The line under every table: what exactly was averaged, over which frames.

Papers print "DISFA" over 126,144 frames or 130,814; the hash of the frame set tells whether two
tables are about the same frames.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from harness.metrics.id_codes import id_codes_and_names
from harness.metrics.pooling import Pooled
from harness.metrics.scored import ScoredFrames
from harness.metrics.validate import Keyed, check_keys


def frame_set_hash(frames: Keyed) -> str:
    """12 hexadecimal digits over the sorted keys (dataset, subject, sequence, number) of frames.

    Sequence ids carry their subject and dataset (``bp4d:F001/T1``). The order of rows does not
    matter; a key that stands there twice is a ``UserError``.
    """
    check_keys(frames, where="the evaluated frames")
    codes_N, names = id_codes_and_names(frames.sequences)
    numbers_N = np.asarray(frames.numbers, np.int64)
    order = np.lexsort((numbers_N, codes_N))
    bounds = np.searchsorted(codes_N[order], np.arange(len(names) + 1))
    digest = hashlib.blake2b(digest_size=6)
    for name, start, stop in zip(names, bounds[:-1], bounds[1:], strict=True):
        digest.update(name.encode() + b"\0" + int(stop - start).to_bytes(8, "little"))
        digest.update(numbers_N[order[start:stop]].astype("<i8").tobytes())
    return digest.hexdigest()


@dataclass(frozen=True, kw_only=True)
class Footnote:
    """What a table must say of itself. ``str()`` gives the line.

    Attributes:
        pooling, undefined: as of ``Pooled``; ``policy``: as of ``ScoredFrames``.
        undefined_aus: AUs without a number in any unit.
        num_folds, num_subjects, num_frames: that were evaluated.
        frame_set: their ``frame_set_hash``.
    """

    pooling: str
    policy: str
    undefined: str
    undefined_aus: tuple[int, ...]
    num_aus: int
    num_folds: int
    num_subjects: int
    num_frames: int
    frame_set: str

    def __str__(self) -> str:
        pooling = {
            "pooled": f"pooled over {_count(self.num_folds, 'fold')}",
            "fold_mean": f"mean of {_count(self.num_folds, 'fold')}",
            "subject_mean": f"mean of {_count(self.num_subjects, 'subject')}",
        }[self.pooling]
        threshold = {
            "fixed": "threshold fixed at 0",
            "validation": "thresholds chosen per AU on validation subjects",
            "oracle": "ORACLE thresholds, chosen per AU on the test part itself",
        }[self.policy]
        number = len(self.undefined_aus)
        if number:
            names = ", ".join(f"AU{au}" for au in self.undefined_aus)
            how = "counted as 0" if self.undefined == "zero" else "left out of the mean"
            undefined = f"{number} of {self.num_aus} AUs undefined ({names}), {how}"
        else:
            undefined = "no AU undefined"
        return (
            f"{pooling} · {threshold} · {undefined} · {self.num_frames:,} frames of "
            f"{_count(self.num_subjects, 'subject')} · frame set {self.frame_set}"
        )


def footnote(scored: ScoredFrames, pooled: Pooled) -> Footnote:
    """The footnote of the numbers ``pooled`` of ``scored`` frames."""
    gone_L = pooled.undefined_everywhere_L
    return Footnote(
        pooling=pooled.pooling,
        policy=scored.policy,
        undefined=pooled.undefined,
        undefined_aus=tuple(au for au, gone in zip(scored.aus, gone_L, strict=True) if gone),
        num_aus=len(scored.aus),
        num_folds=len(id_codes_and_names(scored.folds)[1]),
        num_subjects=len(id_codes_and_names(scored.subjects)[1]),
        num_frames=len(scored),
        frame_set=frame_set_hash(scored),
    )


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
