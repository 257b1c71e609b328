"""Weights and the state of a training on disk, read back without trusting them.

A saved model is ``model.pt`` (tensors, numbers and strings) beside ``options.json`` (what it is and
with which options it was made). A checkpoint of a training is ``training.pt``.

What always holds: files are loaded with ``weights_only=True``; what does not fit the network that
it is loaded into is one error that names the folder, what it holds and what was wanted.
"""

from __future__ import annotations

import json
import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from harness.errors import UserError


def save_model(
    folder: Path,
    *,
    kind: str,
    aus: Sequence[int],
    options: Mapping[str, Any],
    tensors: Mapping[str, Any],
    about: Mapping[str, Any] | None = None,
) -> None:
    """Writes a model; ``about`` are facts for readers, such as the best step."""
    header = {"kind": kind, "aus": list(aus), "options": dict(options), "about": dict(about or {})}
    (folder / "options.json").write_text(json.dumps(header, indent=1) + "\n", encoding="utf-8")
    torch.save(dict(tensors), folder / "model.pt")


def load_model(folder: Path, kind: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """(header, tensors) of a model of that kind."""
    file = folder / "options.json"
    try:
        header: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{folder} holds no saved model: it has no options.json") from None
    except ValueError as error:
        raise UserError(f"{file} is damaged: {error}") from error
    if header.get("kind") != kind:
        raise UserError(f"{folder} holds a model of kind {header.get('kind')!r}, not {kind!r}")
    return header, load_tensors(folder / "model.pt")


def load_tensors(file: Path) -> dict[str, Any]:
    """What ``torch.save`` wrote, onto the CPU."""
    try:
        loaded: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
    except (FileNotFoundError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        first_line = str(error).strip().splitlines()[0] if str(error).strip() else "empty"
        raise UserError(f"{file} cannot be read as saved weights: {first_line}") from error
    return loaded


def fit_into(network: nn.Module, weights: Mapping[str, Any], place: Path) -> None:
    """Loads ``weights`` into ``network``; refuses another architecture in one line."""
    wanted = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    found = {name: tuple(value.shape) for name, value in weights.items()}
    if wanted != found:
        name = next(n for n in {**wanted, **found} if wanted.get(n) != found.get(n))
        raise UserError(
            f"{place} was made by another architecture: its {name!r} is "
            f"{found.get(name, 'missing')}, these options give {wanted.get(name, 'none')}; load it "
            "with the options that it was trained with"
        )
    network.load_state_dict(dict(weights))


def host_copy(network: nn.Module) -> dict[str, torch.Tensor]:
    """A copy of the weights and buffers in host memory."""
    return {name: value.detach().cpu().clone() for name, value in network.state_dict().items()}
