"""SVM on a CNN's representation: the stage it asks for, and a saved model that needs no stage."""

from pathlib import Path

import numpy as np
import pytest

from baselines import svm_fc7
from baselines.svm_fc7 import SvmFc7
from harness.context import LocalContext
from harness.metrics import frame_f1


class Network:
    """Stands for a trained CNN: reads a stored feature, and adds what it was trained to add."""

    def __init__(self, offset):
        self.offset = offset

    def represent(self, frames):
        return np.asarray(frames.feature("hog")).astype(np.float32) + self.offset

    def save(self, folder):
        (Path(folder) / "offset.txt").write_text(str(self.offset))

    @classmethod
    def load(cls, folder):
        return cls(float((Path(folder) / "offset.txt").read_text()))


@pytest.fixture
def stage(tmp_path, monkeypatch):
    monkeypatch.setattr(svm_fc7, "load_method", lambda name: {"anet": Network}[name])
    monkeypatch.setattr(svm_fc7, "FRAMES_AT_ONCE", 32)
    folder = tmp_path / "stage"
    folder.mkdir()
    Network(0.25).save(folder)
    return folder


def test_it_asks_for_the_cnn_with_its_options():
    stages = SvmFc7(SvmFc7.Options(anet={"width": 3})).stages()
    assert stages["cnn"].method == "anet"
    assert stages["cnn"].options == {"width": 3}
    assert SvmFc7().features() == ()


def test_it_learns_and_its_saved_model_needs_no_stage(planted, stage, tmp_path):
    train, validation, test = planted
    context = LocalContext(tmp_path / "job", stages={"cnn": stage})
    model = SvmFc7(SvmFc7.Options(C=(0.01, 1.0))).fit(train, validation, context)
    scores = model.scores(test.unlabelled())
    assert np.all(frame_f1(test.labels, scores) > 0.8)
    (tmp_path / "saved").mkdir()
    model.save(tmp_path / "saved")
    (stage / "offset.txt").unlink()
    loaded = SvmFc7.load(tmp_path / "saved")
    np.testing.assert_array_equal(loaded.scores(test.unlabelled()), scores)
    assert loaded.network.offset == 0.25
    assert loaded.notes == model.notes
