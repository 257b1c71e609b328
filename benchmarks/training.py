"""How fast the networks train: ``python -m benchmarks.training`` (about two minutes on two cores).

Each figure is a ratio against the obvious alternative, measured side by side on this machine:

- the whole training step (sampler, crops, normalisation, update) over the bare update of the same
  network on one batch that is already in memory;
- the data path alone over a ``Dataset`` and ``DataLoader`` that decode a JPEG and augment it, image
  by image, on as many worker processes as there are cores.

On a GPU it also prints images per second of the paper's network and of fc7 extraction.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.toy_frames import AUS, toy_frames
from harness.context import LocalContext
from harness.data.frames import FrameSet, Rows
from hybrid.anet import build_network, parameter_groups
from hybrid.anet_model import autocast, outputs_of
from hybrid.cnn_training import CnnTraining
from hybrid.draws import torch_generator
from hybrid.dropout import MaskSource, draw_masks_from
from hybrid.faces_on_device import FacesOnDevice, random_crops
from hybrid.losses import multilabel_cross_entropy
from hybrid.options import CnnOptions
from hybrid.workers import placed

MEAN = torch.tensor([120.0, 100.0, 90.0])


def random_frames(num: int) -> FrameSet:
    """Frames of smooth random faces with random labels; what they show does not matter here."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (num, 25, 25, 3), dtype=np.uint8)
    labels = np.where(rng.random((num, len(AUS))) < 0.3, 1, -1).astype(np.int8)
    return toy_frames(labels, faces=coarse.repeat(8, 1).repeat(8, 2))


@dataclass(kw_only=True)
class Timed:
    """Seconds of two alternatives, taken in turns so that a busy machine slows both."""

    ours: list[float]
    theirs: list[float]

    @property
    def ratio(self) -> float:
        """Throughput of ours over theirs, median over the turns."""
        return statistics.median(t / o for o, t in zip(self.ours, self.theirs, strict=True))


def in_turns(
    ours: Callable[[], Any],
    theirs: Callable[[], Any],
    turns: int,
    clock: Callable[[], float] = time.perf_counter,
) -> Timed:
    """Times both ``turns`` times, after one call of each that is not counted."""
    timed = Timed(ours=[], theirs=[])
    for turn in range(turns + 1):
        for function, kept in ((ours, timed.ours), (theirs, timed.theirs)):
            began = clock()
            function()
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            if turn:
                kept.append(clock() - began)
    return timed


def step_ratio(
    frames: FrameSet, options: CnnOptions, device: torch.device, steps: int, turns: int
) -> tuple[float, float]:
    """(ratio of the whole step to the bare one, images per second of the whole step); on a CPU by
    the CPU time of this process, which other work on the machine disturbs least."""
    with tempfile.TemporaryDirectory() as folder:
        context = LocalContext(Path(folder), device=str(device), threads=torch.get_num_threads())
        network = placed(build_network(options, len(AUS), 0), device)
        nobody = frames.select(np.arange(0))
        training = CnnTraining(
            frames, frames.labels, nobody, network.train(), MEAN, 60.0, options, context
        )
        stream = iter(training.sampler)
        first = 0

        def whole() -> None:
            nonlocal first, stream
            plan: list[np.ndarray] = []
            while len(plan) < steps:
                rows = next(stream, None)
                if rows is None:
                    stream = iter(training.sampler)
                else:
                    plan.append(rows)
            crops = training.crops(plan, first)
            for rows, (faces, on_device) in zip(plan, training.faces.batches(crops), strict=True):
                training.step(network, faces, on_device, rows, first, options.lr)
                first += 1

        bare_network = placed(build_network(options, len(AUS), 0), device)
        optimiser = torch.optim.SGD(
            parameter_groups(bare_network, options),
            lr=options.lr,
            momentum=options.momentum,
            fused=True if device.type == "cuda" else None,
        )
        shape = (options.batch, 3, options.crop, options.crop)
        batch = torch.randn(shape, device=device).to(memory_format=torch.channels_last)
        labels = torch.from_numpy(np.array(frames.labels[: options.batch])).to(device)
        masks = MaskSource(generator=torch_generator(0, "bench", 0, device), num_rows=options.batch)
        draw_masks_from(bare_network, masks)

        def bare() -> None:
            for _ in range(steps):
                with autocast(device, options.precision):
                    logits, _ = bare_network(batch)
                multilabel_cross_entropy(logits, labels).backward()
                optimiser.step()
                optimiser.zero_grad(set_to_none=True)

        clock = time.process_time if device.type == "cpu" else time.perf_counter
        timed = in_turns(whole, bare, turns, clock)
        return timed.ratio, steps * options.batch / statistics.median(timed.ours)


class JpegDataset(torch.utils.data.Dataset[torch.Tensor]):
    """The usual pipeline: one JPEG file an image, decoded and augmented one at a time."""

    def __init__(self, folder: Path, faces: Rows, crop: int) -> None:
        import cv2

        self.files, self.crop = [], crop
        for i in range(len(faces)):
            self.files.append(str(folder / f"{i:05d}.jpg"))
            cv2.imwrite(self.files[-1], faces[i][..., ::-1])

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, i: int) -> torch.Tensor:
        import cv2

        picture = cv2.imread(self.files[i])
        assert picture is not None
        face = cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
        top, left = torch.randint(0, face.shape[0] - self.crop + 1, (2,)).tolist()
        face = face[top : top + self.crop, left : left + self.crop]
        if torch.rand(()) < 0.5:
            face = face[:, ::-1]
        image = torch.from_numpy(np.ascontiguousarray(face)).permute(2, 0, 1).float()
        return (image - MEAN.view(3, 1, 1)) / 60.0


def data_path_ratio(
    frames: FrameSet, options: CnnOptions, device: torch.device, turns: int
) -> tuple[float, float]:
    """(ratio to the JPEG pipeline, our images per second), at the paper's picture sizes."""
    with tempfile.TemporaryDirectory() as folder:
        loader = torch.utils.data.DataLoader(
            JpegDataset(Path(folder), frames.faces, options.crop),
            batch_size=options.batch,
            shuffle=True,
            num_workers=os.cpu_count() or 1,
            persistent_workers=True,
            drop_last=True,
        )
        faces = FacesOnDevice(
            frames.faces,
            resolution=options.resolution,
            crop=options.crop,
            mean=MEAN,
            scale=60.0,
            device=device,
            residence="device",
        )
        batches = len(loader)

        def ours() -> None:
            order = torch.randperm(len(frames))[: batches * options.batch]
            plan = (
                random_crops(
                    rows, options.resolution, options.crop, True, torch_generator(0, "crops", i)
                )
                for i, rows in enumerate(order.split(options.batch))
            )
            for _ in faces.batches(plan):
                pass

        def theirs() -> None:
            for batch in loader:
                batch.to(device)

        timed = in_turns(ours, theirs, turns)
        return timed.ratio, batches * options.batch / statistics.median(timed.ours)


def main() -> None:
    """Prints every figure."""
    cuda = torch.cuda.is_available()
    device = torch.device("cuda:0" if cuda else "cpu")
    name = torch.cuda.get_device_name(device) if cuda else f"CPU, {torch.get_num_threads()} threads"
    print(f"device: {name}")
    frames = random_frames(784)

    small = CnnOptions(size="small")
    ratio, speed = step_ratio(frames, small, device, steps=5, turns=40)
    print(f"small network:   whole step / bare step {ratio:5.2f}x   ({speed:,.0f} images/s)")

    paper = CnnOptions() if cuda else CnnOptions(batch=16)
    ratio, speed = step_ratio(frames, paper, device, steps=50 if cuda else 1, turns=5)
    print(
        f"paper's network: whole step / bare step {ratio:5.2f}x   ({speed:,.0f} images/s, "
        f"batch {paper.batch})"
    )

    ratio, speed = data_path_ratio(frames, CnnOptions(), device, turns=3)
    print(f"data path / JPEG DataLoader:            {ratio:5.2f}x   ({speed:,.0f} images/s)")

    if cuda:
        network = placed(build_network(paper, len(AUS), 0), device)
        faces = FacesOnDevice(
            frames.faces, resolution=200, crop=176, mean=MEAN, scale=60.0, device=device
        )
        for _ in range(2):
            torch.cuda.synchronize()
            began = time.perf_counter()
            for _ in outputs_of(network, faces, paper):
                pass
            torch.cuda.synchronize()
        print(f"fc7 extraction: {len(frames) / (time.perf_counter() - began):,.0f} images/s")
        print(f"peak memory: {torch.cuda.max_memory_allocated(device) / 2**30:.1f} GiB")


if __name__ == "__main__":
    main()
