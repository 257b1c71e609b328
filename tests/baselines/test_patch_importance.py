"""Patch importance: its scale, and the picture from the command line."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from baselines.linear_model import LinearModel
from baselines.patch_importance import main, patch_importance, write_patches
from harness.errors import UserError


def weights(num_aus=2):
    values = np.zeros((49, 128, num_aus), np.float32)
    values[31, 0, 0] = 4
    values[37, :4, 0] = 1
    return values.reshape(-1, num_aus)


def test_importance_is_the_norm_in_parts_of_the_largest():
    importance = patch_importance(weights())
    assert importance.shape == (49, 2)
    assert importance[31, 0] == 1
    assert importance[37, 0] == pytest.approx(0.5)
    assert np.count_nonzero(importance) == 2
    with pytest.raises(UserError, match="100 features"):
        patch_importance(np.ones((100, 2)))


def test_a_saved_model_is_drawn(tmp_path, capsys):
    model = LinearModel(
        aus=(6, 12), feature="hog", unit_norm=True, weights=weights(), bias=np.zeros(2)
    )
    model.save(tmp_path)
    picture = tmp_path / "patches.png"
    assert main([str(tmp_path), str(picture)]) == 0
    drawn = cv2.imread(str(picture))
    assert drawn.shape[0] > 100
    assert drawn.std() > 1


def test_bad_use_is_said(tmp_path, capsys):
    assert main([str(tmp_path), "out.png"]) == 2
    assert "holds no linear model" in capsys.readouterr().err
    assert main([]) == 2


def test_what_a_fit_leaves_for_reports(tmp_path, build_toy):
    """Importance by AU, and means over the training frames that have a face."""
    frames = build_toy(num_subjects=2, num_frames=10)
    level = np.linspace(0, 200, len(frames)).astype(np.uint8)
    faces = np.broadcast_to(level[:, None, None, None], (len(frames), 200, 200, 3))
    tracked = np.arange(len(frames)) % 4 != 0
    table = replace(frames._table, tracked=tracked)
    frames = replace(frames, _faces=faces, _table=table)
    write_patches(tmp_path, weights(), frames)
    with np.load(tmp_path / "patches.npz", allow_pickle=False) as left:
        assert left["importance"].shape == (2, 49)
        assert left["importance"].dtype == np.float32
        assert left["importance"][0, 37] == pytest.approx(0.5)
        expected = frames.landmarks[np.flatnonzero(tracked)].mean(axis=0)
        assert left["landmarks"] == pytest.approx(expected, rel=1e-5)
        assert left["mean_face"].shape == (200, 200, 3)
        assert (left["mean_face"] == round(level[tracked].mean())).all()
