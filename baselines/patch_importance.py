"""Which patches of the face JPML looks at for each AU, drawn on the mean face.

The importance of patch p for an AU is |w^p| / max_p |w^p|, the norm of its 128 weights in parts of
the largest. From the command line, on the folder of a saved model:

    python -m baselines.patch_importance MODEL_FOLDER PICTURE.png

A fit also leaves it for reports, as ``patches.npz`` in its job's folder.

Legend: P = 49 patches (landmarks), D = 128 P features, L AUs.

What always holds: values lie in [0, 1], and every AU that was learned has a patch of 1.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from baselines.features.landmark_hog import DESCRIPTOR
from baselines.linear_model import LinearModel
from harness.data.frames import FrameSet
from harness.errors import UserError
from harness.prepare.registration import FACE_SIZE, Registration

COLUMNS = 4
FACES = 500
FILE = "patches.npz"


def patch_importance(weights_DL: np.ndarray) -> np.ndarray:
    """float32 (P, L) from weights on landmark HOG; 0 for an AU that was not learned."""
    if len(weights_DL) % DESCRIPTOR:
        raise UserError(
            f"weights on {len(weights_DL)} features are not whole patches of {DESCRIPTOR}: patch "
            "importance needs a model on landmark HOG"
        )
    patches = weights_DL.reshape(-1, DESCRIPTOR, weights_DL.shape[1])
    norm_PL = np.linalg.norm(patches, axis=1)
    largest_L = norm_PL.max(axis=0)
    importance_PL: np.ndarray = norm_PL / np.where(largest_L > 0, largest_L, 1)
    return importance_PL


def write_patches(folder: Path, weights_DL: np.ndarray, train: FrameSet) -> None:
    """Writes ``patches.npz``: ``importance`` float32 (L, P), and of the training frames in which a
    face was found (some hundreds, spread evenly) the mean ``landmarks`` float32 (P, 2) in pixels
    and the ``mean_face`` uint8 (H, W, 3)."""
    rows = np.flatnonzero(train.tracked)
    rows = rows[np.unique(np.linspace(0, len(rows) - 1, min(FACES, len(rows))).astype(np.int64))]
    total_HWC = np.zeros(train.faces.shape[1:])
    for row in rows.tolist():
        total_HWC += train.faces[row]
    np.savez_compressed(
        folder / FILE,
        importance=patch_importance(weights_DL).T.astype(np.float32),
        landmarks=train.landmarks[rows].mean(axis=0, dtype=np.float64).astype(np.float32),
        mean_face=np.rint(total_HWC / max(len(rows), 1)).astype(np.uint8),
    )


def draw_patch_importance(importance_PL: np.ndarray, aus: Sequence[int], file: Path) -> None:
    """One face for each AU: a disc at each landmark, of area and colour by importance."""
    from matplotlib.figure import Figure

    face_P2 = Registration().reference
    rows = math.ceil(len(aus) / COLUMNS)
    figure = Figure(figsize=(2.4 * COLUMNS, 2.5 * rows), layout="constrained")
    axes = figure.subplots(rows, COLUMNS, squeeze=False).ravel()
    for axis in axes:
        axis.set_axis_off()
    for axis, au, importance_P in zip(axes, aus, importance_PL.T, strict=False):
        axis.scatter(*face_P2.T, s=6, c="0.75", linewidths=0)
        discs = axis.scatter(
            *face_P2.T, s=180 * importance_P, c=importance_P, cmap="viridis", vmin=0, vmax=1
        )
        axis.set(title=f"AU{au}", xlim=(0, FACE_SIZE), ylim=(FACE_SIZE, 0), aspect="equal")
    figure.colorbar(discs, ax=list(axes), label="importance of the patch, 1 = largest", shrink=0.6)
    figure.savefig(file, dpi=120)


def main(arguments: Sequence[str]) -> int:
    """Draws the model in the first argument's folder to the second argument's file."""
    if len(arguments) != 2:
        print("usage: python -m baselines.patch_importance MODEL_FOLDER PICTURE.png")
        return 2
    folder, file = Path(arguments[0]), Path(arguments[1])
    try:
        if not (folder / "model.json").is_file() or not (folder / "weights.npz").is_file():
            raise UserError(f"{folder} holds no linear model: no model.json with weights.npz")
        model = LinearModel.load(folder)
        draw_patch_importance(patch_importance(model.weights), model.aus, file)
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"wrote {file}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
