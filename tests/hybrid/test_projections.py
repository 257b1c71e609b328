"""What LSTMs read is computed once for the same frames and network, and anew for any other."""

import gc

import numpy as np
import pytest
import torch

from hybrid import projections as module
from hybrid.anet import build_network
from hybrid.anet_model import AnetModel
from hybrid.options import CnnOptions, SequenceOptions
from hybrid.projections import projections

CPU = torch.device("cpu")


@pytest.fixture
def parts(toy_dataset):
    frames = toy_dataset.frames()
    subjects = sorted(set(frames.subjects))
    return frames.of_subjects(subjects[:2]), frames.of_subjects(subjects[2:3])


@pytest.fixture
def counted(monkeypatch):
    """How often a network has represented frames."""
    passes = []
    represent = AnetModel.represent

    def count(self, frames, raw=False):
        passes.append(len(frames))
        return represent(self, frames, raw)

    monkeypatch.setattr(AnetModel, "represent", count)
    return passes


def network(seed=0):
    options = CnnOptions(size="small", fc=16, widths=(4, 4, 4, 4, 4), pixels="unit")
    return AnetModel(
        options,
        (1, 2, 12),
        build_network(options, 3, seed),
        mean=torch.full((3,), 120.0),
        scale=40.0,
    )


def test_the_same_frames_and_network_pass_once(parts, counted):
    options = SequenceOptions(size="small", pca=4)
    first = projections(network(), *parts, options, CPU)
    again = projections(network(), *parts, options.model_copy(update={"layers": 5}), CPU)
    assert again is first  # another object of the same network, and other LSTMs
    assert len(counted) == 2
    assert first.train_NK.shape == (len(parts[0]), 4)
    assert first.validation_NK.shape == (len(parts[1]), 4)


def test_anything_else_is_computed_anew(parts, counted, toy_dataset):
    options = SequenceOptions(size="small", pca=4)
    first = projections(network(), *parts, options, CPU)
    other = projections(network(1), *parts, options, CPU)
    assert not np.allclose(other.train_NK, first.train_NK)
    fewer = projections(network(1), *parts, options.model_copy(update={"pca": 2}), CPU)
    assert fewer.train_NK.shape[1] == 2
    train, _ = parts
    moved = toy_dataset.frames().of_subjects(sorted(set(toy_dataset.frames().subjects))[3:5])
    elsewhere = projections(network(1), train, moved, options.model_copy(update={"pca": 2}), CPU)
    assert len(elsewhere.validation_NK) == len(moved)
    assert len(counted) == 8


def test_what_is_kept_goes_with_the_frames(parts):
    frames, validation = parts
    train = frames.of_subjects(sorted(set(frames.subjects)))
    gc.collect()
    before = len(module._kept)
    projections(network(), train, validation, SequenceOptions(size="small", pca=4), CPU)
    assert len(module._kept) == before + 1
    del train
    gc.collect()
    assert len(module._kept) == before
