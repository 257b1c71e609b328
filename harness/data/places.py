"""Where datasets stand, by address: a folder, or object storage of which a node has a copy.

``open_dataset`` gives the dataset at either; whoever reads frames need not know which it was.
"""

from __future__ import annotations

from pathlib import Path

from harness.data.prepared import PreparedDataset, open_prepared
from harness.storage import RemoteFolder, is_remote


def open_dataset(address: str | Path, *, patient: bool = True) -> PreparedDataset:
    """The prepared dataset at an address; ``patient`` waits for storage that is away in passing."""
    if is_remote(address):
        from harness.data.copied import CopiedDataset

        return CopiedDataset.at(str(address), patient=patient)
    return open_prepared(Path(address))


def dataset_stands(address: str | Path, *, patient: bool = True) -> bool:
    """Whether a finished dataset stands there."""
    if is_remote(address):
        return RemoteFolder(str(address), patient=patient).exists("dataset.json")
    return (Path(address) / "dataset.json").is_file()


def feature_stands(address: str | Path, name: str) -> bool:
    """Whether a feature has been extracted for the dataset at an address."""
    if is_remote(address):
        return RemoteFolder(str(address)).exists(f"features/{name}.npy")
    return (Path(address) / "features" / f"{name}.npy").is_file()
