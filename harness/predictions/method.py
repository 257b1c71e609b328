"""Predictions in a file as a method: a row of any suite that learns nothing, and gives every frame
the score that somebody else's system gave it.

    methods:
      openface:
        method: "harness.predictions.method:Predicted"
        options: {file: /data/openface, kind: presence}

The file's content is part of the options (``digest``), so other predictions are another job.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import field_validator

from harness.data.frames import FrameSet, FrameTable
from harness.errors import UserError
from harness.method import Context, Method, Options
from harness.predictions.formats import check_format, predictions_digest, read_predictions
from harness.predictions.kinds import threshold_of
from harness.predictions.matching import Matched, match

PATH = "harness.predictions.method:Predicted"


class PredictedOptions(Options):
    """Where the predictions are and what their numbers mean.

    Attributes:
        file: CSV or Parquet file, or a folder of them; stored as an absolute path.
        kind, threshold: see ``harness.predictions.kinds``.
        format: plain, openface, pyfeat, libreface, or auto.
        frame_offset: added to the frame numbers of the files; None: so that their first is 1.
        missing: whether a labelled frame without a prediction is refused or counts as absent.
        digest: of the files' content; filled in.
    """

    file: Path
    kind: str
    threshold: float | None = None
    format: str = "auto"
    frame_offset: int | None = None
    missing: str = "refuse"
    digest: str = ""

    @field_validator("file")
    @classmethod
    def _absolute(cls, file: Path) -> Path:
        return file.expanduser().absolute()

    @field_validator("missing")
    @classmethod
    def _known(cls, missing: str) -> str:
        if missing not in ("refuse", "absent"):
            raise ValueError("missing must be refuse or absent")
        return missing

    def model_post_init(self, context: Any) -> None:
        """Refuses what no files could make right; fills in the digest of the files as they are."""
        threshold_of(self.kind, self.threshold)
        check_format(self.format)
        if not self.digest:
            object.__setattr__(self, "digest", predictions_digest(self.file))


class PredictedModel:
    """Gives frames the scores that stand in the files."""

    def __init__(self, options: PredictedOptions) -> None:
        self.options = options
        self.notes: list[str] = []

    def scores(self, frames: FrameSet) -> np.ndarray:
        """float32 (N, L), > 0 means present; every AU asked for must be predicted."""
        table = FrameTable(
            aus=frames.aus,
            subjects=frames.subjects,
            sequences=frames.sequences,
            numbers=frames.numbers,
            tracked=frames.tracked,
            labels=np.ones((len(frames), len(frames.aus)), np.int8),
        )
        matched = matched_scores(self.options, table, frames.aus, drop_extra=True)
        if matched.predicted != matched.aus:
            lacking = next(au for au in matched.aus if au not in matched.predicted)
            raise UserError(
                f"{self.options.file} predicts no AU{lacking}: name the AUs that it has in the "
                f"suite, aus: {list(matched.predicted)}"
            )
        return matched.scores

    def save(self, folder: Path) -> None:
        """Writes the options; the predictions stay where they are."""
        text = self.options.model_dump_json(indent=1)
        (folder / "predictions.json").write_text(text + "\n", encoding="utf-8")


class Predicted(Method):
    """Somebody else's predictions."""

    Options = PredictedOptions
    options: PredictedOptions
    code_version = 2  # probabilities become log odds

    def fit(self, train: FrameSet, validation: FrameSet, context: Context) -> PredictedModel:
        """Learns nothing."""
        return PredictedModel(self.options)

    @classmethod
    def load(cls, folder: Path) -> PredictedModel:
        """The options that were saved; refused if the files have changed since."""
        text = (folder / "predictions.json").read_text(encoding="utf-8")
        return PredictedModel(PredictedOptions.model_validate(json.loads(text)))


def matched_scores(
    options: PredictedOptions, table: FrameTable, aus: tuple[int, ...], *, drop_extra: bool
) -> Matched:
    """The files read and joined with the frames of a table.

    Raises:
        UserError: what ``read_predictions`` and ``match`` refuse, or files that have changed since
            the options were made.
    """
    predictions = read_predictions(options.file, options.kind, options.format)
    if predictions.digest != options.digest:
        raise UserError(f"{options.file} has changed since it was planned: plan it again")
    return match(
        predictions,
        table,
        aus,
        kind=options.kind,
        threshold=options.threshold,
        frame_offset=options.frame_offset,
        absent_where_missing=options.missing == "absent",
        drop_extra=drop_extra,
    )
