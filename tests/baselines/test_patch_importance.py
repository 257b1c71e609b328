"""Patch importance: its scale, and the picture from the command line."""

import cv2
import numpy as np
import pytest

from baselines.linear_model import LinearModel
from baselines.patch_importance import main, patch_importance
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
