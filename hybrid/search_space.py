"""What `aubench tune` searches of the LSTMs unless a suite says otherwise, and the paper's choice.

The paper chose three layers of 256 cells and a margin k of 0.5 "empirically" (section 3.2, section
4.2); the space puts that choice in the middle of its alternatives. Depth and margin come first:
they are the axes of the report's map.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

LSTM_SPACE: Mapping[str, Any] = {
    "sequence.layers": {"int": [1, 5]},
    "sequence.margin": {"uniform": [0.1, 1.0]},
    "sequence.hidden": {"choices": [64, 128, 256, 512]},
    "sequence.dropout": {"uniform": [0.0, 0.7]},
    "sequence.lr": {"loguniform": [1e-4, 1e-2]},
}
PAPER_CHOICE: Mapping[str, Any] = {
    "sequence.layers": 3,
    "sequence.margin": 0.5,
    "sequence.hidden": 256,
    "sequence.dropout": 0.5,
    "sequence.lr": 1e-3,
}
