"""Networks to be studied: one of known weights, and a small trained one."""

import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def weights():
    """(3, 3, 16, 16): each AU looks at a square of its own."""
    weights = torch.zeros(3, 3, 16, 16)
    for au, (row, column) in enumerate([(2, 2), (2, 10), (10, 6)]):
        weights[au, :, row : row + 4, column : column + 4] = 1e-3
    return weights


@pytest.fixture(scope="session")
def small_cnn():
    return {
        "size": "small",
        "resolution": 40,
        "crop": 36,
        "widths": (8, 8, 8, 8, 8),
        "fc": 16,
        "batch": 16,
        "iterations": 6,
        "evaluate_every": 3,
        "pixels": "unit",
    }


@pytest.fixture(scope="session")
def stage_folder(small_cnn, toy_parts, tmp_path_factory):
    """A trained CNN, saved as the engine would."""
    from harness.context import LocalContext
    from hybrid.methods import Cnn

    folder = tmp_path_factory.mktemp("stage")
    train, validation, _ = toy_parts
    Cnn(Cnn.Options(**small_cnn)).fit(train, validation, LocalContext(folder / "job")).save(folder)
    return folder
