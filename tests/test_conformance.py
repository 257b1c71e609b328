"""Every registered method keeps the contract, on a tiny dataset and without Ray."""

import numpy as np
import pytest
import torch

from harness.context import LocalContext
from harness.data.features import extract_feature
from harness.data.prepared import PreparedDataset
from harness.method import Needs
from harness.plan.resolve import stored_name
from harness.registry import METHODS, load_method
from harness.synthetic.making import make
from harness.synthetic.recipe import SyntheticRecipe

CNN = {"size": "small", "iterations": 4, "evaluate_every": 2, "batch": 8}
SEQUENCE = {"size": "small", "updates": 2, "evaluate_every": 1, "window": 20, "pca": 8}
# The smallest options that still run every part of a method; every registered name must stand here.
TINY = {
    "all-present": {},
    "base-rate-random": {},
    "majority": {},
    "svm": {"C": [1.0]},
    "svm-hog": {"C": [1.0], "imbalance": "none"},
    "svm-face-hog": {"C": [1.0]},
    "svm-gabor": {"C": [1.0]},
    "svm-shape": {"C": [0.1, 1.0]},
    "svm-network": {"C": [1.0], "size": 16},  # and the file that `network_file` writes
    "svm-fc7": {"C": [1.0], "anet": CNN},
    "anet-t": {"C": [1.0], "anet": CNN},
    "cpm": {"C": [1.0], "C_t": [10.0], "gamma": [10.0]},
    "jpml": {"alpha": [1e-4], "beta1": [1e-3], "beta2": [0.0], "max_iter": 20},
    "anet": CNN,
    "lstm": {"size": "small", "cnn": CNN, "sequence": SEQUENCE},
    "hybrid": {"size": "small", "cnn": CNN, "sequence": SEQUENCE},
    "end-to-end": {
        "size": "small",
        "cnn": CNN,
        "sequence": SEQUENCE,
        "joint": {"window": 10, "windows": 2, "updates": 2, "evaluate_every": 1},
    },
}


@pytest.fixture(scope="module")
def network_file(tmp_path_factory):
    """A network of a user's own: the mean colours of a picture's quarters."""
    file = tmp_path_factory.mktemp("network") / "quarters.pt"
    network = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(2), torch.nn.Flatten())
    torch.jit.trace(network, torch.zeros(1, 3, 16, 16)).save(str(file))
    return file


def tiny_options(name, network_file):
    if name not in TINY:
        pytest.fail(f"method {name!r} is registered: give it tiny options here")
    return TINY[name] | ({"file": str(network_file)} if name == "svm-network" else {})


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    recipe = SyntheticRecipe(preset="lab", subjects=5, tasks=1, frames=24, name="tiny")
    return make(recipe, tmp_path_factory.mktemp("faces") / "tiny")


def features_of(method):
    """Features of a method and of all its stages."""
    found = list(method.features())
    for stage in method.stages().values():
        stage_class = load_method(stage.method)
        inner = stage_class(stage_class.Options.model_validate(dict(stage.options)))
        found += features_of(inner)
    return found


def open_frames(dataset, method):
    stored = {}
    for feature in features_of(method):
        stored[feature.name] = stored_name(feature)
        extract_feature(dataset, stored[feature.name], feature.extractor, feature.options)
    return PreparedDataset(dataset.folder).frames(stored)


def fit(method, train, validation, folder):
    """Fits a method after its stages, as the engine would; gives the folder of the saved model."""
    stages = {}
    for name, stage in method.stages().items():
        stage_class = load_method(stage.method)
        inner = stage_class(stage_class.Options.model_validate(dict(stage.options)))
        stages[name] = fit(inner, train, validation, folder / name)
    context = LocalContext(folder, seed=3, stages=stages)
    model = method.fit(train, validation, context)
    saved = folder / "model"
    saved.mkdir()
    model.save(saved)
    return saved


def parts(frames):
    subjects = sorted(set(frames.subjects))
    return (
        frames.of_subjects(subjects[:3]),
        frames.of_subjects(subjects[3:4]),
        frames.of_subjects(subjects[4:]).unlabelled(),
    )


@pytest.mark.parametrize("name", METHODS)
def test_a_method_keeps_the_contract(name, faces, network_file, tmp_path):
    method_class = load_method(name)
    options = method_class.Options.model_validate(tiny_options(name, network_file))
    method = method_class(options)
    assert isinstance(method.needs(), Needs)
    assert type(method.code_version) is int
    frames = open_frames(faces, method)
    train, validation, test = parts(frames)
    first = method_class.load(fit(method, train, validation, tmp_path / "one"))
    scores = first.scores(test)
    assert scores.shape == (len(test), len(frames.aus))
    assert np.isfinite(scores).all()
    again = method_class.load(fit(method_class(options), train, validation, tmp_path / "two"))
    np.testing.assert_array_equal(again.scores(test), scores)


@pytest.mark.parametrize("name", METHODS)
def test_options_say_no_to_what_they_do_not_know(name):
    with pytest.raises(ValueError, match="no_such_option"):
        load_method(name).Options.model_validate({"no_such_option": 1})
