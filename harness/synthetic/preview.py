"""Pictures to judge the synthetic faces by: a sheet of actions, and a filmstrip with its labels.

The sheet shows each AU on several people, growing from left to right, on an otherwise resting face.
The filmstrip shows frames of one generated sequence above the raster of its labels (light where
unknown), so that one sees when a code is given and what the face does there.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from harness.synthetic.labels import latent_model
from harness.synthetic.making import sequence
from harness.synthetic.motion import Performance
from harness.synthetic.recipe import SyntheticRecipe, headers
from harness.synthetic.shape import ACTIONS

INTENSITIES = (0.0, 0.35, 0.7, 1.0)
_PAPER, _INK = 250, (40, 40, 40)
_CROP = slice(12, 188)  # what a network sees of the face


def still(actions_BA: np.ndarray) -> Performance:
    """Tracks of faces that do nothing but the given actions (B, 17)."""
    count = len(actions_BA)
    widths = {"pose": 2, "gaze": 2, "light": 3, "hand": 3, "jitter": 4}
    tracks = {key: np.zeros((count, width), np.float32) for key, width in widths.items()}
    return Performance(
        actions=actions_BA.astype(np.float32),
        blink=np.zeros(count, np.float32),
        blur=np.full(count, 0.1, np.float32),
        landmark_noise=np.zeros((count, 49, 2), np.float32),
        **tracks,
    )


def expressions(preset: str, seed: int, subject: int, actions_BA: np.ndarray) -> np.ndarray:
    """uint8 (B, 200, 200, 3): one person showing the given actions (B, 17)."""
    from harness.synthetic.render import Renderer

    renderer = Renderer(preset, seed, subject, 0)
    return np.concatenate([faces for _, faces, _ in renderer.batches(still(actions_BA))])


def combined(actions: Sequence[int], intensity: float) -> np.ndarray:
    """(17,) the given AUs at one intensity."""
    row = np.zeros(len(ACTIONS))
    row[[ACTIONS.index(action) for action in actions]] = intensity
    return row


def contact_sheet(
    recipe: SyntheticRecipe,
    people: Sequence[int] = (0, 1, 2),
    actions: Sequence[Sequence[int]] | None = None,
    size: int = 100,
) -> np.ndarray:
    """uint8 RGB picture: a row an AU (or combination), a block a person, four intensities."""
    shown = actions or [(au,) for au in latent_model(recipe.preset).aus]
    grid = np.stack([[combined(row, level) for level in INTENSITIES] for row in shown])
    blocks = []
    for who in people:
        faces = expressions(recipe.preset, recipe.seed, who, grid.reshape(-1, len(ACTIONS)))
        blocks.append(_tiled(faces[:, _CROP, _CROP], len(INTENSITIES), size))
    gap = np.full((blocks[0].shape[0], 6, 3), _PAPER, np.uint8)
    names = np.full((blocks[0].shape[0], 58, 3), _PAPER, np.uint8)
    for row, action in enumerate(shown):
        _write(names, "+".join(map(str, action)), 4, row * size + size // 2 + 5)
    parts = [names]
    for block in blocks:
        parts += [block, gap]
    return np.hstack(parts)


def filmstrip(
    recipe: SyntheticRecipe, position: int = 0, num_pictures: int = 12, size: int = 100
) -> np.ndarray:
    """uint8 RGB picture: evenly spaced frames of one sequence over the raster of its labels."""
    made = sequence(recipe, position)
    chosen = np.linspace(0, len(made.numbers) - 1, num_pictures).round().astype(int)
    strip = _tiled(made.faces[chosen], num_pictures, size)
    width, line = strip.shape[1], 11
    columns = np.linspace(0, len(made.numbers) - 1, width).round().astype(int)
    colours = np.array([[225, 228, 232], [245, 215, 160], [34, 94, 168]], np.uint8)  # -1, 0, +1
    raster = np.repeat(colours[made.labels[columns].T + 1], line, axis=0)
    raster[line - 1 :: line] = 255
    names = np.full((strip.shape[0] + len(raster), 58, 3), _PAPER, np.uint8)
    for row, au in enumerate(recipe.label_aus):
        _write(names, f"AU{au}", 4, strip.shape[0] + row * line + 9, 0.34)
    return np.hstack([names, np.vstack([strip, raster])])


def write_preview(recipe: SyntheticRecipe, file: Path, people: Sequence[int] | None = None) -> None:
    """Writes the contact sheet with a filmstrip underneath to a PNG file."""
    count = min(3, recipe.num_subjects)
    sheet = contact_sheet(recipe, people or range(count))
    strip = filmstrip(recipe, position=len(headers(recipe)) // 2)
    width = max(sheet.shape[1], strip.shape[1])
    parts = [
        np.pad(part, ((0, 8), (0, width - part.shape[1]), (0, 0)), constant_values=_PAPER)
        for part in (sheet, strip)
    ]
    write_png(np.vstack(parts), file)


def write_png(picture: np.ndarray, file: Path) -> None:
    """Writes an RGB picture."""
    import cv2

    from harness.errors import UserError

    file = Path(file)
    if file.suffix.lower() != ".png":
        raise UserError(f"{file} is not a .png file name: give one, the preview is a PNG picture")
    file.parent.mkdir(parents=True, exist_ok=True)
    done, data = cv2.imencode(".png", picture[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 9])
    assert done
    file.write_bytes(data.tobytes())


def _tiled(faces: np.ndarray, columns: int, size: int) -> np.ndarray:
    import cv2

    small = [cv2.resize(face, (size, size), interpolation=cv2.INTER_AREA) for face in faces]
    rows = [np.hstack(small[i : i + columns]) for i in range(0, len(small), columns)]
    return np.vstack(rows)


def _write(picture: np.ndarray, text: str, x: int, y: int, scale: float = 0.42) -> None:
    import cv2

    cv2.putText(picture, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, scale, _INK, 1, cv2.LINE_AA)
