"""Faces as batches that never wait for a decoder: bytes on the device, augmented there.

The faces of a split stay on the device as bytes (B x 200 x 200 x 3) where they fit; otherwise the
rows of the next batches are gathered by a thread into pinned memory and copied while the device
computes. Either way the crop, the mirror and the normalisation of a whole batch run on the device.

What always holds: a batch depends on the rows, offsets and mirrors asked for and on nothing else,
so resident and streamed faces give equal batches; pixels are copied, never resampled, after the
faces were reduced to ``resolution``.

Legend: N frames, B batch, R resolution, S crop, C channels (red, green, blue).
"""

from __future__ import annotations

import queue
import re
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from harness.data.frames import Rows
from hybrid.crops_kernel import crop_filler

UNKNOWN_MEMORY = 4 << 30  # bytes taken as free on hosts that do not tell
CHUNK = 256  # faces that are reduced or copied at once
LOCAL_MEAN, LOCAL_SCALE = 128.0, 48.0
FLAT = 6.0  # grey levels of deviation below which a neighbourhood counts as flat
PREFETCHED = 3  # batches that may wait in pinned memory


@dataclass(frozen=True, kw_only=True)
class Crops:
    """Which part of which face, drawn on the host.

    ``table`` is int64 (4, B): row, top, left, and 1 where the face is mirrored.
    """

    table: Tensor

    def part(self, rank: int, world_size: int) -> Crops:
        """Every ``world_size``-th, beginning with ``rank``: what one of several workers takes."""
        return Crops(table=self.table[:, rank::world_size])

    def on(self, device: torch.device) -> Tensor:
        """``table`` on the device, without making the host wait."""
        if device.type == "cuda":
            return self.table.contiguous().pin_memory().to(device, non_blocking=True)
        return self.table


def centre_crops(rows: Tensor, resolution: int, crop: int) -> Crops:
    """The centre crop of each row, not mirrored."""
    offset = torch.full_like(rows, (resolution - crop) // 2)
    return Crops(table=torch.stack([rows, offset, offset, torch.zeros_like(rows)]))


def random_crops(
    rows: Tensor, resolution: int, crop: int, flip: bool, generator: torch.Generator
) -> Crops:
    """A uniform crop of each row, mirrored half of the time where ``flip``."""
    free = resolution - crop + 1
    draw = torch.randint(0, free * free * 2, rows.shape, generator=generator)
    place = draw // 2
    mirrored = draw % 2 if flip else torch.zeros_like(rows)
    return Crops(table=torch.stack([rows, place // free, place % free, mirrored]))


def reduced_faces(
    faces: Rows, rows: np.ndarray | slice, resolution: int, local: bool = False
) -> np.ndarray:
    """uint8 (n, R, R, 3): the faces at ``rows``, area-averaged to ``resolution``.

    ``local`` replaces each by its local contrast, see ``local_contrast``.
    """
    chosen = faces[rows]
    if chosen.shape[1] == resolution and not local:
        return np.ascontiguousarray(chosen)
    import cv2

    size = (resolution, resolution)
    reduced = np.empty((len(chosen), *size, 3), np.uint8)
    for face, out in zip(chosen, reduced, strict=True):
        cv2.resize(face, size, dst=out, interpolation=cv2.INTER_AREA)
        if local:
            out[:] = local_contrast(out)[..., None]
    return reduced


def local_contrast(face_RRC: np.ndarray) -> np.ndarray:
    """uint8 (R, R): grey level less its neighbourhood's mean, over the neighbourhood's deviation.

    Light and complexion go, edges and wrinkles stay. LOCAL_MEAN is no contrast, LOCAL_SCALE one
    deviation; the neighbourhood is a fifth of the picture wide.
    """
    import cv2

    side = max(face_RRC.shape[0] // 5, 1)
    grey = cv2.cvtColor(face_RRC, cv2.COLOR_RGB2GRAY).astype(np.float32)
    centred = grey - cv2.blur(grey, (side, side))
    deviation = np.sqrt(cv2.blur(centred * centred, (side, side)))
    contrast = centred / (deviation + FLAT)
    return np.clip(LOCAL_MEAN + LOCAL_SCALE * contrast, 0, 255).astype(np.uint8)


def filled(
    faces_NRRC: Tensor, table_4B: Tensor, scale: float, shift_X: Tensor, out_BSSC: Tensor
) -> Tensor:
    """The parts that a table of ``Crops`` names, times ``scale`` plus ``shift_X`` (3 S, one row of
    pixels), in host memory: one pass into ``out``."""
    num, side, batch, crop = *faces_NRRC.shape[:2], *out_BSSC.shape[:2]
    table = table_4B.contiguous().numpy()
    limits = np.array([num, side - crop + 1, side - crop + 1, 2])[:, None]
    if (table < 0).any() or (table >= limits).any():
        raise IndexError("a crop outside its face, or of a face that is not there")
    crop_filler()(
        faces_NRRC.view(num, side, -1).numpy(),
        table,
        np.float32(scale),
        shift_X.numpy(),
        out_BSSC.view(batch, crop, -1).numpy(),
    )
    return out_BSSC


def gathered(faces_NRRC: Tensor, table_4B: Tensor, crop: int) -> Tensor:
    """uint8 (B, S, S, 3): the parts that a table of ``Crops`` names, by one indexing on a GPU."""
    rows, tops, lefts, mirrored = table_4B
    steps = torch.arange(crop, device=faces_NRRC.device)
    ys = tops[:, None] + steps
    xs = lefts[:, None] + torch.where(mirrored[:, None] > 0, crop - 1 - steps, steps)
    return faces_NRRC[rows[:, None, None], ys[:, :, None], xs[:, None, :]]


class FacesOnDevice:
    """The faces of a split, ready to be cropped into normalised batches.

    Args:
        faces: the split's faces, usually memory-mapped.
        resolution, crop: sides in pixels.
        mean: (3,) colour taken off, 0 to 255; scale: what the difference is divided by.
        device: where batches are made.
        local: faces are replaced by their local contrast before they are cropped.
        residence: ``device``, ``stream`` or ``auto`` (see ``CnnOptions``).
    """

    def __init__(
        self,
        faces: Rows,
        *,
        resolution: int,
        crop: int,
        mean: Tensor,
        scale: float,
        device: torch.device,
        residence: str = "auto",
        local: bool = False,
    ) -> None:
        self.source = faces
        self.resolution = resolution
        self.crop = crop
        self.device = device
        self._scale = 1 / scale
        self._shift_row = (-mean / scale).to(device, torch.float32).repeat(crop)
        self._buffers: dict[int, Tensor] = {}
        self._turn = 0
        self._local = local
        self.resident: Tensor | None = None
        num_bytes = len(faces) * resolution * resolution * 3
        if residence == "device" or (residence == "auto" and num_bytes <= _spare_memory(device)):
            self.resident = _loaded(faces, resolution, device, local)

    def batches(self, plan: Iterable[Crops]) -> Iterator[tuple[Tensor, Tensor]]:
        """For each of ``plan``, the faces as float (B, 3, S, S), channels last and normalised, and
        their rows int64 (B,); both on the device. On a CPU a batch's memory is that of the last but
        one: use it, or copy it, before asking for two more."""
        if self.resident is not None:
            for crops in plan:
                table = crops.on(self.device)
                yield self._normalised(self.resident, table), table[0]
        else:
            for faces, crops in _prefetched(
                self.source, plan, self.resolution, self.device, self._local
            ):
                table = crops.on(self.device)
                in_order = torch.arange(len(faces), device=self.device)[None]
                places = torch.cat([in_order, table[1:]])
                yield self._normalised(faces, places), table[0]

    def centred(self, batch: int) -> Iterator[Tensor]:
        """All faces in order, centre-cropped, ``batch`` at a time."""
        plan = (
            centre_crops(
                torch.arange(start, min(start + batch, len(self.source))),
                self.resolution,
                self.crop,
            )
            for start in range(0, len(self.source), batch)
        )
        return (faces for faces, _ in self.batches(plan))

    def _normalised(self, faces_NRRC: Tensor, table_4B: Tensor) -> Tensor:
        if self.device.type == "cpu":
            batch_BSSC = self._buffer(table_4B.shape[1])
            filled(faces_NRRC, table_4B, self._scale, self._shift_row, batch_BSSC)
        else:
            batch_BSSC = gathered(faces_NRRC, table_4B, self.crop).to(torch.float32)
            # One pass over whole rows of pixels: long loops over one repeated line of colours.
            rows = batch_BSSC.view(-1, self.crop * 3)
            torch.add(self._shift_row, rows, alpha=self._scale, out=rows)
        # NHWC seen as NCHW is already in the channels-last layout: nothing is transposed.
        return batch_BSSC.permute(0, 3, 1, 2)

    def _buffer(self, num: int) -> Tensor:
        """Float memory (num, S, S, 3), one of two that take turns: fresh memory for every batch
        would cost the host more than filling it."""
        self._turn = 1 - self._turn
        held = self._buffers.get(self._turn)
        if held is None or len(held) < num:
            held = self._buffers[self._turn] = torch.empty((num, self.crop, self.crop, 3))
        return held[:num]


def colour_statistics(faces: Rows, resolution: int, num: int = 500) -> tuple[Tensor, float]:
    """Mean colour (3,) and the standard deviation about it, over ``num`` faces spread evenly."""
    rows = np.unique(np.linspace(0, len(faces) - 1, min(num, len(faces))).astype(np.int64))
    total, squares, count = np.zeros(3), np.zeros(3), 0
    for start in range(0, len(rows), CHUNK):
        pixels = reduced_faces(faces, rows[start : start + CHUNK], resolution).reshape(-1, 3)
        # Integer sums are exact, so the statistics depend on no order of summation.
        total += pixels.sum(0, dtype=np.int64)
        squares += np.square(pixels, dtype=np.uint32).sum(0, dtype=np.int64)
        count += len(pixels)
    mean = total / max(count, 1)
    variance = float((squares / max(count, 1) - mean**2).mean())
    return torch.tensor(mean, dtype=torch.float32), max(variance, 1.0) ** 0.5


def _loaded(faces: Rows, resolution: int, device: torch.device, local: bool) -> Tensor:
    resident = torch.empty(
        (len(faces), resolution, resolution, 3), dtype=torch.uint8, device=device
    )
    for start in range(0, len(faces), CHUNK):
        chunk = reduced_faces(faces, slice(start, start + CHUNK), resolution, local)
        resident[start : start + len(chunk)] = torch.from_numpy(chunk)
    return resident


def _spare_memory(device: torch.device) -> int:
    """Half of what is free on the device, in bytes."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0] // 2)
    meminfo = Path("/proc/meminfo")
    if not meminfo.exists():
        return UNKNOWN_MEMORY // 2
    available = re.search(r"^MemAvailable:\s+(\d+) kB", meminfo.read_text(), re.MULTILINE)
    return int(available[1]) * 1024 // 2 if available else UNKNOWN_MEMORY // 2


def _prefetched(
    source: Rows, plan: Iterable[Crops], resolution: int, device: torch.device, local: bool
) -> Iterator[tuple[Tensor, Crops]]:
    """Faces (B, R, R, 3) of each batch on the device, gathered ahead by a thread."""
    ready: queue.Queue[tuple[Tensor, Crops] | BaseException | None] = queue.Queue(PREFETCHED)
    stopped = threading.Event()

    def put(item: tuple[Tensor, Crops] | BaseException | None) -> None:
        while not stopped.is_set():
            try:
                ready.put(item, timeout=0.1)
                break
            except queue.Full:
                continue

    def gather() -> None:
        try:
            for crops in plan:
                if stopped.is_set():
                    return
                rows = crops.table[0].numpy()
                faces = torch.from_numpy(reduced_faces(source, rows, resolution, local))
                put((faces.pin_memory() if device.type == "cuda" else faces, crops))
            put(None)
        except BaseException as error:  # the consumer raises it
            put(error)

    thread = threading.Thread(target=gather, name="face-prefetch", daemon=True)
    thread.start()
    try:
        while (item := ready.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item[0].to(device, non_blocking=True), item[1]
    finally:
        stopped.set()
        thread.join()
