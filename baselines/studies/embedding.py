"""What a feature groups frames by, an AU or the subject: t-SNE, and numbers (paper, Fig. 3).

Frames are drawn once for all features: at most ``per_subject`` of a subject, half of them with the
AU and half without as far as there are such frames. Each feature is L2-normalised, projected on 50
principal components, and laid out in the plane by Barnes–Hut t-SNE.

A t-SNE map is an impression; the numbers beside it are taken in the *original* space, on the
normalised features: of a frame's 10 nearest neighbours the share that is of its subject
(``subject_purity``) and that agrees on the AU (``au_purity``), and the mean silhouette by subject.
Neighbouring frames of one video agree on almost everything, so ``au_purity_across`` counts only
neighbours of other subjects. A chance level, that of a neighbour drawn at random, is given beside.

What always holds: same seed, same frames and same map; the AU is known in every drawn frame, and a
face was found in it.

Legend: N drawn frames, S subjects, D features.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from pydantic import Field

from baselines.feature_rows import require_memory
from baselines.studies.compared_features import ComparedFeatures, ComparedOptions
from harness.data.frames import FrameSet
from harness.errors import UserError
from harness.method import Context, Feature, Stage
from harness.study import Study, StudyResult

COMPONENTS = 50
NEIGHBOURS = 10
ROWS_AT_ONCE = 1024


class Embedding(Study):
    """Arrays: ``xy/<feature>`` float32 (N, 2), ``present`` int8 (N,) 1 or 0, ``subject`` int32 (N,)
    codes into the value ``subject_ids``. Values: ``au``, ``frames``, ``subjects``, chance levels,
    and for each of ``features`` its numbers."""

    class Options(ComparedOptions):
        """Options of the embedding.

        Attributes:
            au: the AU that frames are balanced over and coloured by.
            per_subject: frames drawn of a subject, at most.
            perplexity, angle, iterations: of t-SNE.
        """

        au: int = 12
        per_subject: int = Field(default=120, ge=2)
        perplexity: float = Field(default=30, gt=0)
        angle: float = Field(default=0.5, gt=0, lt=1)
        iterations: int = Field(default=1000, ge=250)

    options: Embedding.Options

    def __init__(self, options: Any = None) -> None:
        super().__init__(options)
        self.compared = ComparedFeatures(self.options)

    def features(self) -> tuple[Feature, ...]:
        """The compared ones."""
        return self.compared.features()

    def stages(self) -> Mapping[str, Stage]:
        """The CNN of fc7."""
        return self.compared.stages()

    def study(self, frames: FrameSet, context: Context) -> StudyResult:
        """Feature by feature, on the same frames."""
        frames, present_N = self._drawn(frames, context.seed)
        subject_ids, code_N = np.unique(frames.subjects.astype(str), return_inverse=True)
        num_frames = len(frames)
        require_memory(12 * num_frames**2, f"distances between {num_frames} frames")
        arrays: dict[str, np.ndarray] = {
            "present": present_N.astype(np.int8),
            "subject": code_N.astype(np.int32),
        }
        found = []
        for position, name in enumerate(self.options.features):
            rows_ND = self._normalised(name, frames, context)
            distances_NN = _distances(rows_ND)
            arrays[f"xy/{name}"] = self._plane(rows_ND, context)
            found.append(
                {
                    "name": name,
                    "dimension": rows_ND.shape[1],
                    "subject_purity": purity(distances_NN, code_N),
                    "au_purity": purity(distances_NN, present_N),
                    "au_purity_across": purity(distances_NN, present_N, apart_N=code_N),
                    "subject_silhouette": _silhouette(distances_NN, code_N),
                    "note": self.compared.note(name, frames, context),
                }
            )
            context.report({"features": position + 1})
        return StudyResult(
            values={
                "au": self.options.au,
                "frames": num_frames,
                "present": int(present_N.sum()),
                "subjects": len(subject_ids),
                "subject_ids": subject_ids.tolist(),
                "subject_chance": chance(code_N),
                "au_chance": chance(present_N),
                "perplexity": self._perplexity(num_frames),
                "features": found,
            },
            arrays=arrays,
        )

    def _drawn(self, frames: FrameSet, seed: int) -> tuple[FrameSet, np.ndarray]:
        """The frames that are looked at, and whether each shows the AU."""
        au = self.options.au
        if au not in frames.aus:
            raise UserError(
                f"no labels for AU{au} in this setting of {frames.dataset}: take 'au' among "
                f"{', '.join(map(str, frames.aus))}"
            )
        labels_N = np.where(frames.tracked, frames.labels[:, frames.aus.index(au)], 0)
        subjects = frames.subjects.astype(str)
        rng = np.random.default_rng(seed)
        rows = balanced_draw(labels_N, subjects, self.options.per_subject, rng)
        present_N = labels_N[rows] > 0
        if len(rows) < 2 * NEIGHBOURS or present_N.all() or not present_N.any():
            raise UserError(
                f"{len(rows)} frames of {frames.dataset} know AU{au}, {int(present_N.sum())} of "
                "them show it: too few to compare"
            )
        return frames.select(rows), present_N

    def _normalised(self, name: str, frames: FrameSet, context: Context) -> np.ndarray:
        """float32 (N, D), rows of length 1; a row of zeros stays."""
        rows_ND = np.zeros((len(frames), 0), np.float32)
        for rows, chunk_BD in self.compared.chunks(name, frames, context):
            if not rows.start:
                rows_ND = np.zeros((len(frames), chunk_BD.shape[1]), np.float32)
            length_B = np.linalg.norm(chunk_BD, axis=1, keepdims=True)
            rows_ND[rows] = chunk_BD / np.where(length_B > 0, length_B, 1)
        return rows_ND

    def _plane(self, rows_ND: np.ndarray, context: Context) -> np.ndarray:
        """float32 (N, 2): PCA, then t-SNE."""
        from sklearn.decomposition import PCA
        from sklearn.manifold import TSNE

        seed = context.seed % 2**32
        components = min(COMPONENTS, *rows_ND.shape)
        reduced = PCA(components, random_state=seed).fit_transform(rows_ND)
        layout = TSNE(
            perplexity=self._perplexity(len(rows_ND)),
            angle=self.options.angle,
            max_iter=self.options.iterations,
            init="pca",
            random_state=seed,
            n_jobs=context.threads,
        )
        plane_N2: np.ndarray = layout.fit_transform(reduced).astype(np.float32)
        return plane_N2

    def _perplexity(self, num_frames: int) -> float:
        """As asked for, but no more than a third of the frames can be neighbours."""
        return float(min(self.options.perplexity, (num_frames - 1) / 3))


def balanced_draw(
    labels_N: np.ndarray, subjects_N: np.ndarray, per_subject: int, rng: np.random.Generator
) -> np.ndarray:
    """Increasing rows: of each subject up to half of ``per_subject`` with label 1 and as many with
    label -1; where one kind is short, the other is not drawn in its place."""
    half = per_subject // 2
    drawn: list[np.ndarray] = []
    for subject in np.unique(subjects_N):
        for label in (1, -1):
            rows = np.flatnonzero((subjects_N == subject) & (labels_N == label))
            drawn.append(rng.permutation(rows)[:half])
    return np.sort(np.concatenate(drawn))


def purity(
    distances_NN: np.ndarray, group_N: np.ndarray, apart_N: np.ndarray | None = None
) -> float | None:
    """Mean share of a frame's nearest neighbours that are of its group; itself does not count, nor,
    with ``apart_N``, does a frame of the same value there. None where a frame has no neighbour."""
    apart_N = np.arange(len(group_N)) if apart_N is None else apart_N
    others = len(group_N) - np.unique(apart_N, return_counts=True)[1].max()
    count = min(NEIGHBOURS, int(others))
    if count == 0:
        return None
    shares = []
    for start in range(0, len(group_N), ROWS_AT_ONCE):
        block = distances_NN[start : start + ROWS_AT_ONCE].copy()
        rows = start + np.arange(len(block))
        block[apart_N[rows, None] == apart_N] = np.inf
        nearest = np.argpartition(block, count - 1, axis=1)[:, :count]
        shares.append((group_N[nearest] == group_N[rows, None]).mean(axis=1))
    return float(np.concatenate(shares).mean())


def chance(group_N: np.ndarray) -> float:
    """The purity of neighbours drawn at random from the other frames."""
    _, sizes = np.unique(group_N, return_counts=True)
    total = sizes.sum()
    return float((sizes * (sizes - 1)).sum() / (total * (total - 1)))


def _distances(rows_ND: np.ndarray) -> np.ndarray:
    """float32 (N, N) Euclidean distances, exactly 0 on the diagonal."""
    squared_N = np.einsum("nd,nd->n", rows_ND, rows_ND)
    squared_NN = squared_N[:, None] + squared_N - 2 * (rows_ND @ rows_ND.T)
    np.fill_diagonal(squared_NN, 0)
    distances_NN: np.ndarray = np.sqrt(np.maximum(squared_NN, 0, out=squared_NN), out=squared_NN)
    return distances_NN


def _silhouette(distances_NN: np.ndarray, group_N: np.ndarray) -> float | None:
    """Mean silhouette by group; None where there is one group, or as many as frames."""
    from sklearn.metrics import silhouette_score

    if not 1 < len(np.unique(group_N)) < len(group_N):
        return None
    return float(silhouette_score(distances_NN, group_N, metric="precomputed"))
