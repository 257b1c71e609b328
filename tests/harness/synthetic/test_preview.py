"""The preview is a PNG picture of the promised parts."""

import numpy as np
import pytest

from harness.errors import UserError
from harness.synthetic.preview import contact_sheet, filmstrip, write_png, write_preview
from harness.synthetic.recipe import SyntheticRecipe

RECIPE = SyntheticRecipe(preset="lab", subjects=1, tasks=1, frames=12)


def test_preview_is_written(tmp_path):
    file = tmp_path / "new" / "preview.png"
    write_preview(RECIPE, file)
    import cv2

    picture = cv2.imread(str(file))
    assert picture.shape[0] > 12 * 100
    assert picture.shape[1] > 400


def test_sheet_has_a_row_for_each_action_and_grows_from_left_to_right():
    sheet = contact_sheet(RECIPE, people=(0,), actions=((1, 2), (15,)), size=50).astype(float)
    assert sheet.shape == (100, 58 + 4 * 50 + 6, 3)
    cells = [sheet[50:, 58 + i * 50 : 58 + (i + 1) * 50] for i in range(4)]
    change = [np.abs(cell - cells[0]).mean() for cell in cells]
    assert change == sorted(change)


def test_filmstrip_shows_labels_under_the_frames():
    strip = filmstrip(RECIPE, num_pictures=4, size=40)
    assert strip.shape == (40 + 12 * 11, 58 + 4 * 40, 3)
    colours = {tuple(c) for c in strip[45::11, 60:].reshape(-1, 3).tolist()}
    assert colours <= {(225, 228, 232), (245, 215, 160), (34, 94, 168)}


def test_other_file_names_are_refused(tmp_path):
    with pytest.raises(UserError, match="PNG"):
        write_png(np.zeros((2, 2, 3), np.uint8), tmp_path / "picture.jpg")
