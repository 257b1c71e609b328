"""A prepared dataset on object storage, read through this node's copy of it.

Copies stand in the cache folder, under the dataset's fingerprint: a dataset that was replaced is
another copy. A file is copied once a node, when something first reads it, by one process at a time;
it stands in its place whole or not at all, and is memory-mapped from there as any dataset is. What
is planned reads keys and labels only, and a method that reads features never copies the faces. When
faces are copied, all that the dataset holds is checked against the digest in its ``dataset.json``.
"""

from __future__ import annotations

import fcntl
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from harness.data.cache import cache_folder
from harness.data.prepared import PreparedDataset, content_digest, faces_digest
from harness.errors import UserError
from harness.storage import RemoteFolder, last_name

FACES = "faces.npy"
REST = ("frames.parquet", "labels.npy", "landmarks.npy")


@dataclass(frozen=True)
class CopiedDataset(PreparedDataset):
    """The copy of a dataset; ``address`` says of which."""

    address: str

    @classmethod
    def at(cls, address: str, *, patient: bool = True) -> CopiedDataset:
        """The dataset at an address on object storage; reads its ``dataset.json`` there."""
        remote = RemoteFolder(address, patient=patient)
        data = remote.read("dataset.json")
        if data is None:
            raise UserError(
                f"{remote.where()} is not a prepared dataset: it has no dataset.json (`aubench "
                "prepare` makes one)"
            )
        try:
            fingerprint = str(json.loads(data)["fingerprint"])
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(f"{remote.where('dataset.json')} is damaged: {error!r}") from error
        folder = copy_folder(address, fingerprint)
        file = folder / "dataset.json"
        if not file.is_file() or file.read_bytes() != data:
            remote.fetch({"dataset.json": file})
        return _opened(folder, address)

    @cached_property
    def _remote(self) -> RemoteFolder:
        return RemoteFolder(self.address)

    def _array(self, name: str) -> Any:
        """An array that is copied when it is first read."""
        if name == "labels.npy":
            return super()._array(self._here(name))
        return _OnDemand(lambda: np.load(self.folder / self._here(name), mmap_mode="r"))

    def _frames_file(self) -> Path:
        return self.folder / self._here("frames.parquet")

    def _here(self, name: str) -> str:
        """Copies a file of the dataset unless it is here; gives its name back."""
        if (self.folder / name).is_file():
            return name
        with _locked(self.folder):
            if not (self.folder / name).is_file():
                self._copy(name)
        return name

    def _copy(self, name: str) -> None:
        aside = self.folder / f"{name}.copying"
        try:
            self._remote.fetch({name: aside})
        except FileNotFoundError:
            raise UserError(f"{self._remote.where()} has no {name}") from None
        except OSError as error:
            reason = error.strerror or str(error)
            raise UserError(
                f"cannot copy {self._remote.where(name)} to {self.folder}: {reason}"
            ) from error
        if name == FACES:
            for other in REST:
                if not (self.folder / other).is_file():
                    self._copy(other)
            if self._content(aside) != self.description.get("content"):
                for file in (aside, *(self.folder / other for other in REST)):
                    file.unlink()
                raise UserError(
                    f"{self._remote.where()} does not hold what its dataset.json says: some file "
                    "of it is damaged or of another dataset; upload it again"
                )
        aside.replace(self.folder / name)

    def _content(self, faces_file: Path) -> str:
        """The digest of what was copied, as preparation computes it."""
        import pandas as pd

        frames = pd.read_parquet(self.folder / "frames.parquet")
        faces = np.load(faces_file, mmap_mode="r")
        sequences = frames["sequence"].to_numpy(dtype=object)
        starts = np.flatnonzero(np.r_[True, sequences[1:] != sequences[:-1]])
        stops = [*starts[1:], len(sequences)]
        runs = [faces[a:b] for a, b in zip(starts, stops, strict=True)]
        empty = int(self.description["counts"]["sequences"]) - len(runs)
        if empty:  # where sequences without frames stood in the order is not known
            return str(self.description.get("content"))
        return content_digest(
            self.description,
            frames,
            np.load(self.folder / "labels.npy"),
            np.load(self.folder / "landmarks.npy"),
            [faces_digest(run) for run in runs],
        )

    def feature_file(self, name: str) -> Path:
        """Where this node's copy of a feature stands, copied if other nodes have extracted it."""
        file = super().feature_file(name)
        stored = f"features/{name}.npy"
        if not file.is_file() and self._remote.exists(stored):
            file.parent.mkdir(exist_ok=True)
            self._here(stored)
        return file

    def share_feature(self, name: str) -> None:
        """Puts a feature that was extracted here beside the dataset, for other nodes."""
        self._remote.send({f"features/{name}.npy": super().feature_file(name)})


@lru_cache(maxsize=4)
def _opened(folder: Path, address: str) -> CopiedDataset:
    """A process that does many jobs on one dataset reads its table once."""
    return CopiedDataset(folder, address)


def copy_folder(address: str, fingerprint: str) -> Path:
    """Where this node keeps its copy of a dataset."""
    return cache_folder() / "copies" / f"{last_name(address)}-{fingerprint[:16]}"


def share_dataset(folder: Path, address: str) -> None:
    """Puts a dataset that was made here where all nodes find it; ``dataset.json`` comes last, so it
    is there whole or not at all. The folder becomes this node's copy."""
    fingerprint = PreparedDataset(folder).fingerprint
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    named = {path.relative_to(folder).as_posix(): path for path in files}
    last = named.pop("dataset.json")
    remote = RemoteFolder(address)
    remote.send(named)
    remote.send({"dataset.json": last})
    copy = copy_folder(address, fingerprint)
    copy.parent.mkdir(parents=True, exist_ok=True)
    try:
        folder.rename(copy)
    except OSError:  # it has a copy already
        shutil.rmtree(folder)


class _OnDemand:
    """An array that is opened when something of it is first asked for."""

    def __init__(self, opened: Callable[[], np.ndarray]) -> None:
        self._open = opened

    @cached_property
    def _array(self) -> np.ndarray:
        return self._open()

    @property
    def shape(self) -> tuple[int, ...]:
        """As numpy's."""
        return self._array.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """As numpy's."""
        return self._array.dtype

    def __len__(self) -> int:
        return len(self._array)

    def __getitem__(self, key: Any) -> Any:
        return self._array[key]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self._array, dtype)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One process of this node at a time."""
    with (folder / ".copying.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
