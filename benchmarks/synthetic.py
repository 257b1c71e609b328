"""How fast synthetic faces are made, and whether they are as hard as they should be.

    python -m benchmarks.synthetic                    # speed and memory
    python -m benchmarks.synthetic --device cuda      # the same on a GPU
    python -m benchmarks.synthetic --probe            # what a linear probe and a small CNN reach

Rendering is held against the obvious alternative, reading a 200 x 200 JPEG file per frame. The
probe takes every 20th frame of the whole ``lab`` preset, trains on two thirds of the people and
tests on the others.

Legend: N frames, L action units, H W C picture.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from harness.synthetic.making import make
from harness.synthetic.motion import performance
from harness.synthetic.recipe import SyntheticRecipe, headers, table
from harness.synthetic.render import Renderer

PROBE_EVERY = 20
PROBE_SIZE = 64
TEST_THIRD = 3


@dataclass(frozen=True, kw_only=True, eq=False)
class ProbeSet:
    """Small faces (N, 64, 64, 3), landmarks (N, 49, 2), labels (N, L), whose and which (N,)."""

    faces: np.ndarray
    landmarks: np.ndarray
    labels: np.ndarray
    subjects: np.ndarray
    sequences: np.ndarray
    aus: tuple[int, ...]

    @property
    def test(self) -> np.ndarray:
        """bool (N,): frames of every third person."""
        people = np.unique(self.subjects)
        return np.isin(self.subjects, people[TEST_THIRD - 1 :: TEST_THIRD])


def probe_set(recipe: SyntheticRecipe, every: int = PROBE_EVERY) -> ProbeSet:
    """Every ``every``-th frame of a recipe's set, at 64 x 64."""
    import cv2

    labelled = table(recipe)
    faces, landmarks, rows, at = [], [], [], 0
    for position, header in enumerate(headers(recipe)):
        subject, task = divmod(position, recipe.num_tasks)
        acted = performance(recipe.preset, recipe.seed, subject, task, header.num_frames)
        chosen = np.arange(every // 2, header.num_frames, every)
        chosen = chosen[labelled.tracked[at + chosen]]
        part = type(acted)(**{key: track[chosen] for key, track in vars(acted).items()})
        renderer = Renderer(recipe.preset, recipe.seed, subject, task)
        for _, batch, points in renderer.batches(part):
            faces += [cv2.resize(f, (PROBE_SIZE,) * 2, interpolation=cv2.INTER_AREA) for f in batch]
            landmarks.append(points)
        rows.append(at + chosen)
        at += header.num_frames
    index = np.concatenate(rows)
    return ProbeSet(
        faces=np.stack(faces),
        landmarks=np.concatenate(landmarks),
        labels=labelled.labels[index],
        subjects=labelled.subjects[index].astype(str),
        sequences=labelled.sequences[index].astype(str),
        aus=labelled.aus,
    )


def frame_f1(labels_NL: np.ndarray, scores_NL: np.ndarray) -> np.ndarray:
    """(L,) F1 of presence at threshold 0."""
    true, found = labels_NL > 0, scores_NL > 0
    return np.asarray(2 * (true & found).sum(0) / np.maximum(true.sum(0) + found.sum(0), 1))


def linear_probe(data: ProbeSet) -> np.ndarray:
    """(N_test, L) scores of logistic regressions on standardised landmarks."""
    from sklearn.linear_model import LogisticRegression

    shapes = data.landmarks.reshape(len(data.landmarks), -1)
    train = ~data.test
    shapes = (shapes - shapes[train].mean(0)) / shapes[train].std(0)
    scores = []
    for column in range(data.labels.shape[1]):
        model = LogisticRegression(C=0.02, class_weight="balanced", max_iter=300)
        model.fit(shapes[train], data.labels[train, column])
        scores.append(model.decision_function(shapes[data.test]))
    return np.stack(scores, 1)


def cnn_probe(data: ProbeSet, epochs: int) -> np.ndarray:
    """(N_test, L) scores of a four-layer CNN on locally normalised grey faces."""
    from torch import nn

    torch.manual_seed(0)
    faces = torch.from_numpy(data.faces).float().mean(-1)[:, None]
    blurred = nn.functional.avg_pool2d(faces, 15, 1, 7, count_include_pad=False)
    faces = faces - blurred
    faces = faces / faces.flatten(1).std(1)[:, None, None, None]
    labels = torch.from_numpy((data.labels > 0).astype(np.float32))
    train, test = np.flatnonzero(~data.test), np.flatnonzero(data.test)
    layers: list[nn.Module] = []
    for inputs, outputs in ((1, 16), (16, 32), (32, 64), (64, 64)):
        layers += [nn.Conv2d(inputs, outputs, 3, 2, 1)]
        layers += [nn.BatchNorm2d(outputs), nn.ReLU()]
    network = nn.Sequential(
        *layers, nn.Flatten(), nn.Dropout(0.5), nn.Linear(64 * 16, labels.shape[1])
    )
    rate = labels[train].mean(0)
    weight = ((1 - rate) / rate.clamp(min=0.02)).clamp(0.3, 8)
    batch = 64
    steps = epochs * (len(train) // batch)
    optimiser = torch.optim.AdamW(network.parameters(), 1e-3, weight_decay=0.1)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-3, steps)
    random = np.random.default_rng(0)
    for _ in range(steps):
        rows = random.choice(train, batch, replace=False)
        shown = faces[rows]
        if random.uniform() < 0.5:
            shown = shown.flip(3)
        shown = torch.roll(shown, tuple(random.integers(-2, 3, 2).tolist()), (2, 3))
        loss = nn.functional.binary_cross_entropy_with_logits(
            network(shown), labels[rows], pos_weight=weight
        )
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    network.eval()
    with torch.inference_mode():
        return torch.cat([network(faces[part]) for part in np.array_split(test, 20)]).numpy()


def identity_accuracy(data: ProbeSet) -> float:
    """Share of sequences whose mean face is nearest to another mean face of the same person.

    Faces are blurred to 16 x 16 grey pixels, so that it is the person and not the wall that tells.
    """
    import cv2

    means, owners = [], []
    for name in np.unique(data.sequences):
        rows = data.sequences == name
        mean = data.faces[rows].mean(axis=0).mean(axis=-1)
        inner = cv2.resize(mean[8:56, 12:52], (16, 16), interpolation=cv2.INTER_AREA)
        means.append(((inner - inner.mean()) / inner.std()).ravel())
        owners.append(data.subjects[rows][0])
    stacked, names = np.stack(means), np.array(owners)
    distance = ((stacked[:, None] - stacked[None]) ** 2).sum(-1)
    np.fill_diagonal(distance, np.inf)
    return float((names[distance.argmin(1)] == names).mean())


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _print_speed(device: str) -> None:
    import cv2

    recipe = SyntheticRecipe(preset="lab")
    frames = len(table(recipe).numbers)
    table.cache_clear()
    seconds = _seconds(lambda: table(recipe))
    print(f"labels: {frames} frames in {seconds:.2f} s")
    count = 320 if device == "cpu" else 20_480
    acted = performance("lab", 0, 0, 0, count)
    renderer = Renderer("lab", 0, 0, 0, device)
    list(renderer.batches(acted.rows(0, 16)))
    one = _seconds(lambda: list(renderer.batches(acted)))
    print(f"rendering on {device}, one thread: {count / one:.0f} frames/s")
    faces = next(iter(renderer.batches(acted)))[1]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "face.jpg"
        cv2.imwrite(str(file), faces[0])
        read = _seconds(lambda: [cv2.imread(str(file)) for _ in range(count)])
        print(f"  that is {read / one:.2f} of the speed of reading a JPEG file per frame")
        small = SyntheticRecipe(preset="lab", subjects=4, tasks=2, frames=60)
        total = len(table(small).numbers)
        single = _seconds(lambda: make(small, Path(folder) / "one", device=device))
        double = _seconds(lambda: make(small, Path(folder) / "two", workers=2, device=device))
        print(f"making {total} frames: {total / single:.0f} frames/s with one worker")
        print(f"  two workers: {total / double:.0f} frames/s, {single / double:.2f} times as fast")
    _print_memory()


def _print_memory() -> None:
    """Private memory must follow the batch, not the sequence (pages of files come and go)."""

    def private() -> float:
        text = Path("/proc/self/status").read_text(encoding="ascii")
        return int(text.split("RssAnon:")[1].split()[0]) / 1024

    with tempfile.TemporaryDirectory() as folder:
        before, seen = private(), [0.0]
        long = SyntheticRecipe(preset="group", subjects=1, tasks=1, frames=1500)
        make(long, Path(folder) / "long", lambda *_: seen.append(private()))
        size = (Path(folder) / "long" / "faces.npy").stat().st_size / 2**20
    grown = max(seen) - before
    print(f"a sequence of {size:.0f} MiB took {grown:.0f} MiB of memory ({grown / size:.2f})")


def _print_probe(epochs: int) -> None:
    from sklearn.metrics import roc_auc_score

    data = probe_set(SyntheticRecipe(preset="lab"))
    labels = data.labels[data.test]
    rows = {
        "all present": np.ones_like(labels, float),
        "landmarks, linear": linear_probe(data),
        "pixels, small CNN": cnn_probe(data, epochs),
    }
    print(f"{len(data.labels)} frames, tested on {len(labels)} of people never seen")
    print(f"{'F1':>18} " + " ".join(f"{au:>5}" for au in data.aus) + "  mean")
    for name, scores in rows.items():
        f1 = frame_f1(labels, scores)
        print(f"{name:>18} " + " ".join(f"{v:5.2f}" for v in f1) + f" {f1.mean():5.3f}")
    for name, scores in list(rows.items())[1:]:
        area = [roc_auc_score(labels[:, i], scores[:, i]) for i in range(labels.shape[1])]
        print(
            f"{'AUC ' + name[:13]:>18} "
            + " ".join(f"{v:5.2f}" for v in area)
            + f" {np.mean(area):5.3f}"
        )
    people = len(np.unique(data.subjects))
    print(f"identity from mean faces: {identity_accuracy(data):.2f} (chance {1 / people:.2f})")


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--probe", action="store_true", help="train the probes (minutes)")
    parser.add_argument("--epochs", type=int, default=12, help="of the small CNN")
    options = parser.parse_args()
    if options.probe:
        _print_probe(options.epochs)
    else:
        _print_speed(options.device)


if __name__ == "__main__":
    main()
