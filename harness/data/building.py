"""How a prepared dataset comes to stand on disk.

The folder is built beside its final place (``<folder>.building``) and renamed when complete, so it
is there whole or not at all. Each sequence is written on its own, by any process, and leaves a
marker: an interrupted build goes on where it stopped, and the bytes do not depend on how many
processes wrote it.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from harness.data.prepared import (
    FACE_SIZE,
    NUM_LANDMARKS,
    SCHEMA_VERSION,
    PreparedDataset,
    content_digest,
    faces_digest,
)
from harness.errors import UserError


@dataclass(frozen=True, kw_only=True)
class SequenceHeader:
    """What is known of a sequence before it is decoded: whose it is and how long.

    ``subject`` is ``"bp4d:F001"``, ``sequence`` ``"bp4d:F001/T1"``.
    """

    subject: str
    sequence: str
    num_frames: int


@dataclass(frozen=True, kw_only=True)
class SequenceFrames:
    """The decoded frames of one sequence.

    Attributes:
        numbers: int32 (T,), increasing.
        labels: int8 (T, L) in {-1, 0, +1}; all 0 where the face was lost.
        landmarks: float32 (T, 49, 2) in registered pixels; NaN where the face was lost.
        faces: uint8 (T, 200, 200, 3) RGB; black where the face was lost.
        tracked: bool (T,).
        source: where each frame came from (file name, frame of a video), (T,) strings.
    """

    numbers: np.ndarray
    labels: np.ndarray
    landmarks: np.ndarray
    faces: np.ndarray
    tracked: np.ndarray
    source: Sequence[str]


class PreparedBuilder:
    """Writes a prepared dataset sequence by sequence; resumable, and safe from several processes.

    Args:
        folder: the final place. It must not exist, or be empty, or be an unfinished build of the
            very same recipe.
        sequences: every sequence with its length, in the order of the rows to come (sorted by
            subject, then sequence).
        registration: how faces were registered, stored in ``dataset.json``.
        source: every option of the source, stored in ``dataset.json``.
        identity: fingerprint, where the source knows one; None makes it of the content.
    """

    def __init__(
        self,
        folder: Path,
        *,
        name: str,
        aus: Sequence[int],
        sequences: Sequence[SequenceHeader],
        registration: dict[str, Any],
        source: dict[str, Any],
        identity: str | None = None,
    ) -> None:
        self.folder = Path(folder)
        self.building = self.folder.with_name(self.folder.name + ".building")
        self.name = name
        self.aus = tuple(aus)
        self.sequences = list(sequences)
        self.offsets = np.concatenate(
            [[0], np.cumsum([s.num_frames for s in self.sequences], dtype=np.int64)]
        )
        self._header = {
            "schema_version": SCHEMA_VERSION,
            "name": name,
            "aus": list(self.aus),
            "registration": registration,
            "source": source,
        }
        self._identity = identity
        self._open()

    def _open(self) -> None:
        if self.folder.exists() and (not self.folder.is_dir() or any(self.folder.iterdir())):
            raise UserError(
                f"{self.folder} exists and is not empty: give another --out, or remove it"
            )
        recipe = {
            **self._header,
            "sequences": [[s.subject, s.sequence, s.num_frames] for s in self.sequences],
        }
        recipe_file = self.building / "recipe.json"
        text = json.dumps(recipe, sort_keys=True)
        if recipe_file.exists():
            if recipe_file.read_text(encoding="utf-8") != text:
                raise UserError(
                    f"{self.building} holds an unfinished build with other options: remove it, or "
                    "finish it with the options it was begun with"
                )
        else:
            (self.building / "sequences").mkdir(parents=True, exist_ok=True)
            shape = (int(self.offsets[-1]), FACE_SIZE, FACE_SIZE, 3)
            np.lib.format.open_memmap(self.building / "faces.npy", "w+", np.uint8, shape).flush()
            _write_text(recipe_file, text)

    def pending(self) -> list[int]:
        """Positions of the sequences that are still to be written."""
        return [i for i in range(len(self.sequences)) if not self._marker(i).exists()]

    def write(self, position: int, frames: SequenceFrames) -> None:
        """Writes the sequence of that ``position`` at its place; complete once its marker
        stands."""
        header = self.sequences[position]
        num_frames = header.num_frames
        shapes = {
            "numbers": (num_frames,),
            "labels": (num_frames, len(self.aus)),
            "landmarks": (num_frames, NUM_LANDMARKS, 2),
            "faces": (num_frames, FACE_SIZE, FACE_SIZE, 3),
            "tracked": (num_frames,),
        }
        for field, shape in shapes.items():
            actual = getattr(frames, field).shape
            assert actual == shape, f"{header.sequence}: {field} has shape {actual}, not {shape}"
        faces = np.ascontiguousarray(frames.faces, np.uint8)
        start = int(self.offsets[position])
        if num_frames:
            # Not through a memory map, where a full disk is no error but the end of the process.
            mapped = np.lib.format.open_memmap(self.building / "faces.npy", "r")
            with (self.building / "faces.npy").open("r+b") as file:
                file.seek(mapped.offset + start * (faces.nbytes // num_frames))
                file.write(faces.data)
        marker = self._marker(position)
        aside = marker.with_name(f"{marker.stem}.{os.getpid()}.part.npz")
        np.savez(
            aside,
            numbers=frames.numbers.astype(np.int32),
            labels=frames.labels.astype(np.int8),
            landmarks=frames.landmarks.astype(np.float32),
            tracked=frames.tracked.astype(bool),
            source=np.asarray(list(frames.source), dtype=np.str_),
            faces_digest=np.asarray(faces_digest(faces)),
        )
        aside.replace(marker)

    def finish(self) -> PreparedDataset:
        """Joins the sequences, writes the tables and puts the folder in its place."""
        import pandas as pd

        pending = self.pending()
        assert not pending, f"{len(pending)} sequences are not written yet"
        parts = []
        for position in range(len(self.sequences)):
            with np.load(self._marker(position), allow_pickle=False) as part:
                parts.append({key: part[key] for key in part.files})
        lengths = [s.num_frames for s in self.sequences]
        labels = _joined(parts, "labels", (0, len(self.aus)), np.int8)
        landmarks = _joined(parts, "landmarks", (0, NUM_LANDMARKS, 2), np.float32)
        tracked = _joined(parts, "tracked", (0,), bool)
        frames = pd.DataFrame(
            {
                "subject": np.repeat([s.subject for s in self.sequences], lengths),
                "sequence": np.repeat([s.sequence for s in self.sequences], lengths),
                "number": _joined(parts, "numbers", (0,), np.int32),
                "tracked": tracked,
                "source": _joined(parts, "source", (0,), np.str_),
            }
        )
        _save(self.building / "labels.npy", labels)
        _save(self.building / "landmarks.npy", landmarks)
        frames.to_parquet(self.building / "frames.parquet", index=False)
        content = content_digest(
            self._header,
            frames,
            labels,
            landmarks,
            [str(part["faces_digest"]) for part in parts],
        )
        description = {
            **self._header,
            "counts": {
                "subjects": len({s.subject for s in self.sequences}),
                "sequences": len(self.sequences),
                "frames": len(frames),
                "tracked": int(tracked.sum()),
                "present": {
                    f"AU{au}": int((labels[:, i] > 0).sum()) for i, au in enumerate(self.aus)
                },
                "known": {
                    f"AU{au}": int((labels[:, i] != 0).sum()) for i, au in enumerate(self.aus)
                },
            },
            "fingerprint": self._identity or content,
            "content": content,
        }
        _write_text(self.building / "dataset.json", json.dumps(description, indent=1) + "\n")
        shutil.rmtree(self.building / "sequences")
        (self.building / "recipe.json").unlink()
        if self.folder.exists():
            self.folder.rmdir()
        self.building.rename(self.folder)
        return PreparedDataset(self.folder)

    def _marker(self, position: int) -> Path:
        return self.building / "sequences" / f"{position:06d}.npz"


def _joined(
    parts: list[dict[str, np.ndarray]], field: str, empty: tuple[int, ...], dtype: Any
) -> np.ndarray:
    return np.concatenate([part[field] for part in parts]) if parts else np.empty(empty, dtype)


def _save(file: Path, array: np.ndarray) -> None:
    """``np.save``, but that a full disk is an error which says so (``errno``)."""
    array = np.ascontiguousarray(array)
    header = np.lib.format.header_data_from_array_1_0(array)
    with file.open("wb") as opened:
        np.lib.format.write_array_header_1_0(opened, header)
        opened.write(array.data)


def _write_text(file: Path, text: str) -> None:
    aside = file.with_name(file.name + ".part")
    aside.write_text(text, encoding="utf-8")
    aside.replace(file)
