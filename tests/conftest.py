"""Fixtures that all rooms share."""

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "toys"))

from toy_dataset import build_toy_dataset


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory):
    """No test reads or fills the user's own cache."""
    os.environ["WANDB_MODE"] = "disabled"
    os.environ["AUBENCH_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def toy_dataset(tmp_path_factory):
    return build_toy_dataset(tmp_path_factory.mktemp("toy") / "toy")


@pytest.fixture(scope="session")
def other_dataset(tmp_path_factory):
    return build_toy_dataset(tmp_path_factory.mktemp("other") / "other", "other", 5, 15, 1, (1, 12))
