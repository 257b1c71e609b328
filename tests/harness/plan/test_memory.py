"""Memory of a job: said by nobody, it is estimated from its split, and never below its parts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.method import Feature, Needs
from harness.plan.memory import PROCESS, STEP, TRAINING, feature_dimension, with_memory

HOG = Feature(name="hog", extractor="baselines.features.landmark_hog:LandmarkHog")
GB = 10**9


class Wide:
    """An extractor of as many values as it is told."""

    def __init__(self, dimension):
        if dimension > 10**6:
            raise ValueError("too wide")
        self.dimension = dimension


def feature(dimension):
    return Feature(
        name="wide", extractor="test_memory_extractor:Wide", options={"dimension": dimension}
    )


@pytest.fixture(autouse=True)
def importable(monkeypatch):
    import sys
    import types

    module = types.ModuleType("test_memory_extractor")
    module.Wide = Wide
    monkeypatch.setitem(sys.modules, "test_memory_extractor", module)


def test_what_is_said_counts():
    assert with_memory(Needs(memory=7), {"hog": HOG}, 10**6).memory == 7


def test_a_job_without_features_holds_its_process():
    assert PROCESS <= with_memory(Needs(), {}, 100).memory <= PROCESS + STEP
    assert TRAINING <= with_memory(Needs(train=True), {}, 100).memory <= TRAINING + STEP


def test_the_dimension_of_a_feature_is_asked_of_its_extractor():
    assert feature_dimension(HOG) == 49 * 128
    assert feature_dimension(feature(33)) == 33
    assert feature_dimension(feature(10**7)) == 0  # its own job will say what is wrong
    assert feature_dimension(Feature(name="x", extractor="nowhere:Nothing")) == 0


def test_the_rows_of_a_full_dataset_fit_with_what_is_computed_from_them():
    """250,000 frames of 6,272 values are 3.1 GB in half precision, and train within 12 GB."""
    memory = with_memory(Needs(), {"hog": HOG}, 250_000).memory
    assert 3.1 * GB + PROCESS < memory < 12 * GB


@given(frames=st.integers(1, 10**6), more=st.integers(0, 10**6), width=st.integers(1, 5000))
def test_more_frames_never_take_less_and_shapes_are_few(frames, more, width):
    wide = {"wide": feature(width)}
    small, large = with_memory(Needs(), wide, frames), with_memory(Needs(), wide, frames + more)
    assert small.memory <= large.memory
    assert small.memory % STEP == 0
    assert small.memory >= PROCESS + 2 * frames * width
