"""The SVM baseline: one linear SVM for each AU on a stored feature (paper, section 4.2).

C is chosen for each AU by frame F1 on the validation subjects, all values of the grid being solved
in one go, then the machines are fitted again on training and validation subjects together
(``refit``). How the paper met the rarity of most AUs is not said (open question A-8.1), so it is an
option.

The class names the feature: ``Svm`` reads landmark HOG, the paper's row; ``SvmFaceHog``,
``SvmGabor``, ``SvmShape`` and ``SvmNetwork`` (the output of a network file of yours, such as a
face-recognition descriptor) read others; ``svm_fc7.py`` takes a trained CNN's representation.

What always holds: no test frame takes part in anything; an AU whose known training labels hold one
class only scores 0 and is named in the model's notes.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field, field_validator

from baselines.feature_rows import (
    READ_ROWS,
    FeatureRows,
    read_feature,
    require_memory,
    working_memory,
)
from baselines.imbalance import Imbalance, imbalance_weights
from baselines.linear import LinearSvm, fit_design
from baselines.linear_model import LinearModel
from baselines.resampling import Sampler, draw_counts
from baselines.selection import (
    best_of_grid,
    grid_f1,
    one_class_note,
    report_grid,
    require_validation,
    undefined_note,
)
from harness.data.frames import FrameSet
from harness.method import Context, Feature, Method, Options


class SvmOptions(Options):
    """Options of every SVM row."""

    C: tuple[float, ...] = tuple(2.0**power for power in range(-10, 7, 2))
    """Costs to choose among, on validation subjects; a single one is taken as it is."""
    imbalance: Imbalance = "balanced"
    """``none``, ``balanced`` (classes weigh the same) or ``subsample`` (1:2 in each subject)."""
    bias: float = Field(default=1.0, ge=0, allow_inf_nan=False)
    """The constant entry of every row, LIBLINEAR's ``-B`` (its weight is regularised); 0: none."""
    unit_norm: bool = True
    """Scale every row to unit length, so that one grid of C fits every feature."""
    refit: bool = True
    """Fit again on training and validation subjects together with the C that was chosen."""
    sampler: Sampler = "none"
    """``momu``: count each frame as often as one epoch of MOMU batches draws it."""
    tolerance: float = Field(default=1e-4, gt=0)
    """Relative precision of the objective."""

    @field_validator("C")
    @classmethod
    def _positive(cls, costs: tuple[float, ...]) -> tuple[float, ...]:
        if not costs or not all(0 < cost < math.inf for cost in costs):
            raise ValueError("C must list at least one cost, all above 0, such as [0.01, 1]")
        return tuple(sorted(costs))


class SvmMethod(Method):
    """Base of the SVM rows; a subclass names the feature, or gives the rows itself."""

    Options = SvmOptions
    options: SvmOptions

    def fit(self, train: FrameSet, validation: FrameSet, context: Context) -> Any:
        """Chooses C on ``validation``, then fits on both parts."""
        require_validation(validation, self.options.C, "C")
        parts = [train, validation] if len(validation) else [train]
        return self.fit_rows(self._read(parts), parts, context)

    def _read(self, parts: list[FrameSet]) -> FeatureRows:
        name = self.features()[0].name
        num_rows, dimension = sum(map(len, parts)), parts[0].feature(name).shape[1]
        columns = len(self.options.C) * len(parts[0].aus)
        require_memory(
            working_memory(num_rows, dimension, columns),
            f"{num_rows} frames x {dimension} values x {columns} machines",
        )
        return read_feature(parts, name, unit_norm=self.options.unit_norm)

    def fit_rows(self, rows: FeatureRows, parts: list[FrameSet], context: Context) -> LinearModel:
        """The model from rows that stand ready: those of ``parts``, one after the other."""
        options, aus = self.options, parts[0].aus
        training = _Training(options, rows, parts, context)
        num_train, every_au = len(parts[0]), np.arange(len(aus))
        grid = training.fit(num_train, options.C)
        best_L, notes = np.zeros(len(aus), dtype=np.int64), []
        if len(options.C) > 1:
            f1_GL = grid_f1(parts[1].labels, _scores_from(grid, rows, num_train))
            best_L = best_of_grid(f1_GL)
            notes = undefined_note(aus, f1_GL, "C")
            report_grid(context, [{"C": cost} for cost in options.C], f1_GL)
        chosen_L = np.array(options.C)[best_L]
        weights_DL, bias_L = grid.weights[best_L, :, every_au].T, grid.bias[best_L, every_au]
        trained_L = grid.trained
        if options.refit and len(parts) > 1:
            final = training.fit(len(rows.rows_ND), 1.0, cost_L=chosen_L)
            weights_DL, bias_L, trained_L = final.weights, final.bias, final.trained
        return LinearModel(
            aus=aus,
            feature=self.features()[0].name if self.features() else "",
            unit_norm=options.unit_norm,
            weights=np.ascontiguousarray(weights_DL),
            bias=bias_L,
            notes=one_class_note(aus, trained_L) + notes,
            chosen={"C": [float(cost) for cost in chosen_L]},
        )

    @classmethod
    def load(cls, folder: Path) -> Any:
        """The model that ``fit`` gave and that was saved into ``folder``."""
        return LinearModel.load(folder)


class _Training:
    """Fits on the first so many rows: the training part, or training and validation together."""

    def __init__(
        self, options: SvmOptions, rows: FeatureRows, parts: list[FrameSet], context: Context
    ) -> None:
        self.options, self.rows, self.context = options, rows, context
        self.labels_NL = np.concatenate([part.labels for part in parts])
        self.subjects_N = np.concatenate([part.subjects for part in parts])

    def fit(
        self, stop: int, C: float | tuple[float, ...], cost_L: np.ndarray | float = 1.0
    ) -> LinearSvm:
        """Machines on rows 0..stop-1; ``cost_L`` multiplies C by a factor for each AU."""
        from baselines.design_matrix import DesignMatrix

        options, seed = self.options, self.context.seed
        labels_NL = self.labels_NL[:stop]
        weight_NL = imbalance_weights(labels_NL, self.subjects_N[:stop], options.imbalance, seed)
        weight_NL *= draw_counts(labels_NL, options.sampler, seed)[:, None]
        design = DesignMatrix(
            self.rows.rows_ND[:stop],
            scale_N=self.rows.scale_N[:stop],
            bias=options.bias,
            device=self.context.device,
        )
        weight_NL *= np.asarray(cost_L, dtype=np.float32)
        return fit_design(design, labels_NL, weight_NL, C, tolerance=options.tolerance)


def _scores_from(grid: LinearSvm, rows: FeatureRows, start: int) -> np.ndarray:
    """float32 (G, N, L) scores of the rows from ``start`` on."""
    chunks = [
        grid.scores(rows.wide(slice(first, min(first + READ_ROWS, len(rows.rows_ND)))))
        for first in range(start, len(rows.rows_ND), READ_ROWS)
    ]
    return np.concatenate(chunks, axis=1)


class Svm(SvmMethod):
    """Linear SVMs on landmark HOG, the paper's row."""

    class Options(SvmOptions):
        """Options of the SVM on landmark HOG."""

        patch: Literal[32, 36, 40, 48] = 36
        """Side of a landmark's patch in pixels of the registered face."""

    options: Svm.Options

    def features(self) -> tuple[Feature, ...]:
        """Landmark HOG."""
        return (landmark_hog(self.options.patch),)


class SvmFaceHog(SvmMethod):
    """Linear SVMs on whole-face HOG."""

    def features(self) -> tuple[Feature, ...]:
        """Whole-face HOG."""
        return (Feature(name="face_hog", extractor="baselines.features.face_hog:FaceHog"),)


class SvmGabor(SvmMethod):
    """Linear SVMs on Gabor magnitudes."""

    class Options(SvmOptions):
        """Options of the SVM on Gabor magnitudes."""

        gabor_pool: Literal[8, 16, 24] | Literal["at_landmarks"] = 16
        """Side of the grid that each magnitude map is averaged to, or ``at_landmarks``."""

    options: SvmGabor.Options

    def features(self) -> tuple[Feature, ...]:
        """Gabor magnitudes."""
        return (
            Feature(
                name="gabor",
                extractor="baselines.features.gabor:Gabor",
                options={"pool": self.options.gabor_pool},
            ),
        )


class SvmShape(SvmMethod):
    """Linear SVMs on the 49 registered points."""

    def features(self) -> tuple[Feature, ...]:
        """Shape."""
        return (Feature(name="shape", extractor="baselines.features.shape:Shape"),)


class SvmNetwork(SvmMethod):
    """Linear SVMs on the output of a network file (TorchScript or ONNX)."""

    class Options(SvmOptions):
        """Options of the SVM on a network's output."""

        file: str
        """Path of the network."""
        size: int = 224
        """Side in pixels that faces are resized to."""
        channels: Literal["rgb", "bgr"] = "rgb"
        """Order of the colours."""
        mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
        """Subtracted from each channel (0 to 255), in the order of ``channels``."""
        scale: float = 1.0
        """Multiplies what is left."""

    options: SvmNetwork.Options

    def features(self) -> tuple[Feature, ...]:
        """The network's output."""
        picture = self.options.model_dump(include={"file", "size", "channels", "mean", "scale"})
        return (
            Feature(
                name="network",
                extractor="baselines.features.network_file:NetworkFile",
                options=picture,
            ),
        )


def landmark_hog(patch: int) -> Feature:
    """Landmark HOG as SVM, CPM and JPML all read it, so that it is extracted once."""
    return Feature(
        name="hog",
        extractor="baselines.features.landmark_hog:LandmarkHog",
        options={"patch": patch},
    )
