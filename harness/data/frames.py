"""FrameSet: an immutable view of a prepared dataset by row index. Nothing copies pixels before a
batch is gathered.

Legend of array suffixes used throughout: N frames, L action units, H W C picture, D features.

What always holds:
- rows are in the dataset's order (subject, sequence, number), so a sequence is one contiguous run;
- the arrays that a FrameSet hands out are read-only;
- an unlabelled FrameSet holds no reference to the labels, so whoever is given one cannot read them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np


class Rows:
    """Some rows of a large (often memory-mapped) array, gathered only when asked for.

    ``rows[i]`` takes an int, a slice, or an integer or boolean array over the *view's* rows, and
    returns a numpy array; ``np.asarray(rows)`` gathers everything.
    """

    def __init__(self, array: np.ndarray, index: np.ndarray) -> None:
        self._array = array
        self._index = index

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape that the gathered array would have."""
        return (len(self._index), *self._array.shape[1:])

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the stored values."""
        return self._array.dtype

    def __len__(self) -> int:
        return len(self._index)

    def __getitem__(self, key: int | slice | np.ndarray | Sequence[int]) -> np.ndarray:
        chosen = self._index[key]
        if isinstance(key, slice) and len(chosen) > 1 and _is_run(chosen):
            return self._array[int(chosen[0]) : int(chosen[-1]) + 1]
        return self._array[chosen]

    def __getattr__(self, name: str) -> Any:
        # Reached for what Rows lacks only: most often somebody takes the view for its array.
        hint = f"; gather its rows first, [:].{name}" if hasattr(np.ndarray, name) else ""
        raise AttributeError(f"Rows has no {name!r}{hint}")

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        gathered = self[:]
        return gathered if dtype is None else gathered.astype(dtype)


def _is_run(index: np.ndarray) -> bool:
    return bool(index[-1] - index[0] == len(index) - 1 and np.all(np.diff(index) == 1))


@dataclass(frozen=True, kw_only=True)
class FrameTable:
    """The columns of a whole dataset that fit in memory: one row a frame, in dataset order.

    ``subjects`` and ``sequences`` are object arrays of strings (``"bp4d:F001"``,
    ``"bp4d:F001/T1"``); ``numbers`` int32 frame numbers as the source counts them; ``tracked``
    bool, False where no face was found; ``labels`` int8 (N, L) in {-1 absent, 0 unknown, +1
    present}.
    """

    aus: tuple[int, ...]
    subjects: np.ndarray
    sequences: np.ndarray
    numbers: np.ndarray
    tracked: np.ndarray
    labels: np.ndarray


class UnlabelledError(RuntimeError):
    """A method asked a test split for its labels."""


@dataclass(frozen=True, kw_only=True, eq=False)
class FrameSet:
    """Rows ``index`` of a prepared dataset, with the label columns of ``aus``.

    Attributes:
        dataset: name of the prepared dataset, for messages.
        index: int64 (N,) rows of the dataset, increasing.
        open_feature: gives the whole dataset's feature array by name.
    """

    dataset: str
    index: np.ndarray
    aus: tuple[int, ...]
    _table: FrameTable
    _labels: np.ndarray | None
    _faces: np.ndarray
    _landmarks: np.ndarray
    open_feature: Callable[[str], np.ndarray]

    def __len__(self) -> int:
        return len(self.index)

    @cached_property
    def labels(self) -> np.ndarray:
        """int8 (N, L) in {-1 absent, 0 unknown, +1 present}; refused on a test split."""
        if self._labels is None:
            raise UnlabelledError(
                f"this part of dataset {self.dataset!r} was handed out without labels: "
                "a method may not read the labels of a test split"
            )
        columns = np.asarray([self._table.aus.index(au) for au in self.aus], np.int64)
        return _frozen(self._labels[np.ix_(self.index, columns)])

    @property
    def has_labels(self) -> bool:
        """Whether ``labels`` may be read."""
        return self._labels is not None

    @cached_property
    def subjects(self) -> np.ndarray:
        """(N,) subject of each frame, with its dataset: ``"bp4d:F001"``."""
        return _frozen(self._table.subjects[self.index])

    @cached_property
    def sequences(self) -> np.ndarray:
        """(N,) sequence of each frame, unique in the dataset: ``"bp4d:F001/T1"``."""
        return _frozen(self._table.sequences[self.index])

    @cached_property
    def numbers(self) -> np.ndarray:
        """(N,) int32 frame numbers within their sequence, as the source counts them."""
        return _frozen(self._table.numbers[self.index])

    @cached_property
    def tracked(self) -> np.ndarray:
        """(N,) bool, False where no face was found (the labels are unknown there)."""
        return _frozen(self._table.tracked[self.index])

    @property
    def faces(self) -> Rows:
        """uint8 (N, 200, 200, 3) registered RGB faces, gathered by ``faces[rows]``."""
        return Rows(self._faces, self.index)

    @property
    def landmarks(self) -> Rows:
        """float32 (N, 49, 2) landmarks (x, y) in pixels of the registered face."""
        return Rows(self._landmarks, self.index)

    def feature(self, name: str) -> Rows:
        """float16 (N, D) a feature that was extracted for the whole dataset."""
        return Rows(self.open_feature(name), self.index)

    def sequence_slices(self) -> list[tuple[str, slice]]:
        """The runs of rows that belong to one sequence, in order: (sequence id, slice)."""
        if not len(self):
            return []
        starts = np.flatnonzero(np.r_[True, self.sequences[1:] != self.sequences[:-1]])
        stops = np.r_[starts[1:], len(self)]
        return [
            (str(self.sequences[a]), slice(int(a), int(b)))
            for a, b in zip(starts, stops, strict=True)
        ]

    def select(self, rows: np.ndarray) -> FrameSet:
        """The given rows of this view (integer positions or a boolean mask), kept in order."""
        chosen = self.index[np.asarray(rows)]
        return replace(self, index=_frozen(np.sort(chosen)))

    def of_subjects(self, subjects: Sequence[str]) -> FrameSet:
        """All frames of the named subjects; naming one that is not here is an error."""
        present = set(np.unique(self.subjects.astype(str)).tolist())
        missing = [s for s in subjects if s not in present]
        if missing:
            raise ValueError(f"dataset {self.dataset!r} has no subject {missing[0]!r}")
        return self.select(np.isin(self.subjects.astype(str), np.asarray(list(subjects))))

    def with_aus(self, aus: Sequence[int]) -> FrameSet:
        """The same frames with the label columns of the given AUs only, in the given order."""
        missing = [au for au in aus if au not in self._table.aus]
        if missing:
            raise ValueError(
                f"dataset {self.dataset!r} has no AU{missing[0]}; it has {list(self._table.aus)}"
            )
        return replace(self, aus=tuple(aus))

    def unlabelled(self) -> FrameSet:
        """The same frames without any reference to their labels."""
        bare = replace(self._table, labels=np.empty((0, len(self._table.aus)), np.int8))
        return replace(self, _labels=None, _table=bare)


def _frozen(array: np.ndarray) -> np.ndarray:
    array.flags.writeable = False
    return array
