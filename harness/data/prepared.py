"""A prepared dataset: a folder that numpy and pandas users can open by themselves.

    dataset.json      schema version, name, AUs, registration, source options, counts, fingerprint
    frames.parquet    one row a frame: subject, sequence, number, tracked, source
    labels.npy        int8 (N, L) in {-1, 0, +1}
    landmarks.npy     float32 (N, 49, 2), pixels of the registered face
    faces.npy         uint8 (N, 200, 200, 3) RGB, memory-mapped
    features/         float16 (N, D) arrays, made once per dataset

``harness.data.building`` writes it; it is there whole or not at all.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.data.frames import FrameSet, FrameTable
from harness.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

SCHEMA_VERSION = 1
FACE_SIZE = 200
NUM_LANDMARKS = 49


def content_digest(
    description: Mapping[str, Any],
    frames: pd.DataFrame,
    labels: np.ndarray,
    landmarks: np.ndarray,
    faces_digests: Sequence[str],
) -> str:
    """blake2b of all that a dataset holds: its ``description`` (``dataset.json``), ``labels``
    (N, L), ``landmarks`` (N, 49, 2), and ``faces_digests``, one entry a sequence
    (``faces_digest``)."""
    import pandas as pd

    digest = hashlib.blake2b(digest_size=16)
    digest.update(json.dumps([description["aus"], description["registration"]]).encode())
    digest.update(pd.util.hash_pandas_object(frames, index=False).to_numpy().tobytes())
    digest.update(labels.tobytes())
    digest.update(landmarks.tobytes())
    for text in faces_digests:
        digest.update(text.encode())
    return digest.hexdigest()


def faces_digest(faces: np.ndarray) -> str:
    """blake2b of the faces of one sequence."""
    return hashlib.blake2b(np.ascontiguousarray(faces).data, digest_size=16).hexdigest()


@dataclass(frozen=True)
class PreparedDataset:
    """A prepared dataset on disk. Opening it reads ``dataset.json`` only."""

    folder: Path

    def __post_init__(self) -> None:
        file = self.folder / "dataset.json"
        if not file.is_file():
            why = "it has no dataset.json" if self.folder.exists() else "there is no such folder"
            raise UserError(
                f"{self.folder} is not a prepared dataset: {why} (`aubench prepare` makes one)"
            )
        if self.description.get("schema_version") != SCHEMA_VERSION:
            raise UserError(
                f"{file} has schema version {self.description.get('schema_version')}, this aubench "
                f"reads version {SCHEMA_VERSION}: prepare the dataset again"
            )

    @cached_property
    def description(self) -> dict[str, Any]:
        """The contents of ``dataset.json``."""
        file = self.folder / "dataset.json"
        try:
            loaded: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            raise UserError(f"{file} is damaged: {error}") from error
        return loaded

    @property
    def name(self) -> str:
        """The dataset's name."""
        return str(self.description["name"])

    @property
    def aus(self) -> tuple[int, ...]:
        """The AUs that the label columns stand for."""
        return tuple(self.description["aus"])

    @property
    def fingerprint(self) -> str:
        """Changes whenever anything in the dataset that can change a result changes."""
        return str(self.description["fingerprint"])

    @cached_property
    def table(self) -> FrameTable:
        """Keys and labels of every frame."""
        import pandas as pd

        frames = pd.read_parquet(
            self._frames_file(), columns=["subject", "sequence", "number", "tracked"]
        )
        return FrameTable(
            aus=self.aus,
            subjects=frames["subject"].to_numpy(dtype=object),
            sequences=frames["sequence"].to_numpy(dtype=object),
            numbers=frames["number"].to_numpy(dtype=np.int32),
            tracked=frames["tracked"].to_numpy(dtype=bool),
            labels=self._array("labels.npy"),
        )

    def feature_file(self, name: str) -> Path:
        """Where the feature of that name stands (it may not have been extracted yet)."""
        return self.folder / "features" / f"{name}.npy"

    def frames(self, features: Mapping[str, str] | None = None) -> FrameSet:
        """All frames of the dataset, faces and landmarks memory-mapped.

        ``features`` says under which file name each feature that a method asks for is stored.
        """
        table = self.table
        stored = dict(features or {})

        def open_feature(name: str) -> np.ndarray:
            if not self.feature_file(stored.get(name, name)).exists():
                raise UserError(f"there is no feature {name!r}: a method declares it in features()")
            return self._array(f"features/{stored.get(name, name)}.npy")

        return FrameSet(
            dataset=self.name,
            index=np.arange(len(table.subjects), dtype=np.int64),
            aus=self.aus,
            _table=table,
            _labels=table.labels,
            _faces=self._array("faces.npy"),
            _landmarks=self._array("landmarks.npy"),
            open_feature=open_feature,
        )

    def _frames_file(self) -> Path:
        return self.folder / "frames.parquet"

    def _array(self, name: str) -> Any:
        """An array of the dataset, memory-mapped."""
        file = self.folder / name
        try:
            return np.load(file, mmap_mode="r")
        except (OSError, ValueError) as error:
            raise UserError(f"{file} is damaged: {error}") from error

    def share_feature(self, name: str) -> None:
        """Lets other nodes find a feature that was extracted here; nothing to do in a folder."""


def open_prepared(folder: Path) -> PreparedDataset:
    """The prepared dataset there; a process that does many jobs on one reads its table once."""
    file = folder / "dataset.json"
    if not file.is_file():
        return PreparedDataset(folder)  # says what is wrong
    seen = file.stat()
    return _opened(folder, seen.st_ino, seen.st_mtime_ns)


@lru_cache(maxsize=4)
def _opened(folder: Path, inode: int, modified: int) -> PreparedDataset:
    return PreparedDataset(folder)
