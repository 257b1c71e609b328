"""What finished jobs left in a run, read back: results, records, scores, histories, studies.

Every file that a table or a figure is made of is checked against the digest that its job's result
keeps of it; a damaged one is an error that says which folder to remove.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.errors import UserError

if TYPE_CHECKING:
    import pandas as pd


class JobResults:
    """Reads what stands in the folders of finished jobs; where they stand, its heir knows."""

    def job_folder(self, key: str) -> Path:
        """Where a finished job stands."""
        raise NotImplementedError

    def result(self, key: str) -> dict[str, Any]:
        """``result.json`` of a finished job."""
        found = read_json(self.job_folder(key) / "result.json")
        if found is None:
            raise UserError(
                f"{self.job_folder(key)} is not a finished job: its result.json is missing or "
                "damaged"
            )
        return found

    def record(self, key: str) -> dict[str, Any]:
        """``job.json`` of a finished job: its specification and provenance."""
        found = read_json(self.job_folder(key) / "job.json")
        if found is None:
            raise UserError(f"{self.job_folder(key) / 'job.json'} is missing or damaged")
        return found

    def scores(self, key: str) -> pd.DataFrame:
        """Scores of a finished cell: part, subject, sequence, number, ``label_AU<n>`` int8 and
        ``score_AU<n>`` float32 columns; checked against the digest in its result."""
        import pandas as pd

        return pd.read_parquet(self._checked(key, "scores.parquet"))

    def study(self, key: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Values, and arrays (of the shapes that the study gave them), of a finished study, checked
        against the digests in its result."""
        file = self._checked(key, "study.json")
        values = read_json(file)
        if values is None:
            raise UserError(f"{file} is damaged: remove {file.parent} and run again")
        return values, _read_arrays(self._checked(key, "study.npz"))

    def patches(self, key: str) -> dict[str, np.ndarray] | None:
        """What a finished cell of JPML learned about patches of the face, or None if it left
        nothing: ``importance`` float32 (L, 49) in [0, 1], ``landmarks`` float32 (49, 2) and
        ``mean_face`` uint8 (H, W, 3) of its training frames."""
        if "patches.npz" not in self.result(key).get("files", {}):
            return None
        return _read_arrays(self._checked(key, "patches.npz"))

    def _checked(self, key: str, name: str) -> Path:
        """A file of a finished job, if it is as it was when the job ended."""
        file = self.job_folder(key) / name
        expected = self.result(key).get("files", {}).get(name)
        if not file.is_file() or file_digest(file) != expected:
            raise UserError(f"{file} is missing or damaged: remove {file.parent} and run again")
        return file

    def history(self, key: str) -> list[dict[str, float]]:
        """The rows that a training reported, oldest first."""
        file = self.job_folder(key) / "history.jsonl"
        if not file.is_file():
            return []
        return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def file_digest(file: Path) -> str:
    """blake2b of a file's bytes."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def _read_arrays(file: Path) -> dict[str, np.ndarray]:
    with np.load(file, allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}


def read_json(file: Path) -> dict[str, Any] | None:
    """A JSON object, or None if the file is not there or is damaged."""
    try:
        loaded: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    return loaded
