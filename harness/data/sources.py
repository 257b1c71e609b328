"""Where a suite's datasets come from: a recipe of synthetic faces, or a prepared folder.

A source can say what a dataset will contain (keys and labels, for splits) and under which identity,
before a single pixel of it exists; that is what makes it possible to plan a sweep at once.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from harness.data.cache import cache_folder
from harness.data.frames import FrameTable
from harness.data.places import dataset_stands, open_dataset
from harness.data.prepared import PreparedDataset
from harness.storage import RemoteFolder, is_remote, plain_address

if TYPE_CHECKING:
    from harness.synthetic.recipe import SyntheticRecipe

Progress = Callable[[int, int], None]


def made_datasets() -> str:
    """Address under which synthetic datasets are made: ``$AUBENCH_DATASETS``, else in the cache."""
    return plain_address(os.environ.get("AUBENCH_DATASETS") or cache_folder() / "datasets")


class DatasetSource(Protocol):
    """A dataset that a suite names."""

    @property
    def folder(self) -> str:
        """Address at which the prepared dataset stands, or will stand."""

    @property
    def identity(self) -> str:
        """Changes whenever anything changes that can change a result."""

    @property
    def ready(self) -> bool:
        """Whether the prepared dataset stands there."""

    @property
    def table(self) -> FrameTable:
        """Keys and labels of every frame."""

    @property
    def groups(self) -> Mapping[str, str]:
        """Subject → people who were recorded together; empty where everybody was alone."""


@dataclass(frozen=True)
class PreparedSource:
    """A prepared dataset, on disk or on object storage."""

    dataset: PreparedDataset
    address: str
    ready = True

    @property
    def folder(self) -> str:
        """The dataset's address."""
        return self.address

    @property
    def identity(self) -> str:
        """The fingerprint of its content."""
        return self.dataset.fingerprint

    @property
    def table(self) -> FrameTable:
        """Keys and labels of every frame."""
        return self.dataset.table

    @property
    def groups(self) -> Mapping[str, str]:
        """As preparation found them."""
        return dict(self.dataset.description["source"].get("groups", {}))


@dataclass(frozen=True)
class SyntheticSource:
    """Synthetic faces, made once and cached under the identity of their recipe."""

    recipe: SyntheticRecipe

    @cached_property
    def identity(self) -> str:
        """Hash of the recipe and of the generator's version."""
        from harness.synthetic.recipe import identity

        return identity(self.recipe)

    @cached_property
    def folder(self) -> str:
        """Its place among the made datasets."""
        name = f"{self.recipe.name or self.recipe.preset}-{self.identity[:16]}"
        made = made_datasets()
        return RemoteFolder(made).child(name).address if is_remote(made) else f"{made}/{name}"

    @property
    def ready(self) -> bool:
        """Whether it has been made."""
        return dataset_stands(self.folder, patient=False)

    @cached_property
    def table(self) -> FrameTable:
        """Keys and labels, read if it has been made, else generated without rendering."""
        if self.ready:
            return open_dataset(self.folder).table
        from harness.synthetic.recipe import table

        return table(self.recipe)

    @property
    def groups(self) -> Mapping[str, str]:
        """Synthetic people are recorded alone."""
        return {}
