"""`aubench predict`: a trained model of a run on anyone's video or pictures."""

from __future__ import annotations

import argparse
import csv
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import UserError

if TYPE_CHECKING:
    import numpy as np

    from harness.predictions.clip import Clip
    from harness.predictions.trained import TrainedModel
    from harness.prepare.landmarks import LandmarkOptions


def add_predict(parser: argparse.ArgumentParser) -> None:
    """Arguments of `aubench predict`."""
    parser.add_argument(
        "model", metavar="MODEL", help="folder of a finished job, or a run folder with --method"
    )
    parser.add_argument("clip", metavar="CLIP", help="video, image, or folder of images")
    parser.add_argument("--out", required=True, metavar="FILE.csv", help="one row a frame")
    parser.add_argument("--overlay", metavar="FILE.mp4", help="also write a video to watch")
    parser.add_argument("--method", metavar="NAME", help="of a run: the method's row")
    parser.add_argument("--setting", metavar="S", help="of a run: 'lab 3-fold' (default: first)")
    parser.add_argument("--fold", metavar="F", help="of a run: the fold (default: first)")
    parser.add_argument(
        "--landmarks",
        choices=("auto", "openface", "mediapipe", "haar"),
        default="auto",
        help="where landmarks come from (default: what is given below, else haar)",
    )
    parser.add_argument(
        "--openface", metavar="DIR", help="folder with OpenFace's CSV file of the video"
    )
    parser.add_argument(
        "--mediapipe-model", metavar="FILE.task", help="a MediaPipe Face Landmarker model"
    )
    parser.set_defaults(run=predict)


def predict(options: argparse.Namespace) -> int:
    """Prepares a clip's faces, scores them, and writes what the model says."""
    import numpy as np

    from harness.metrics.validate import check_scores
    from harness.predictions.clip import read_clip
    from harness.predictions.overlay import write_overlay
    from harness.predictions.trained import open_model
    from harness.prepare.landmarks import LandmarkOptions
    from harness.prepare.video import frame_rate

    clip_path = Path(options.clip)
    out = _target(options.out, clip_path, (".csv",))
    overlay = _target(options.overlay, clip_path, (".mp4", ".avi")) if options.overlay else None
    trained = open_model(Path(options.model), options.method, options.setting, options.fold)
    print(f"model: {trained.describe()}")
    landmarks = LandmarkOptions(
        landmarks=options.landmarks,
        openface=Path(options.openface) if options.openface else None,
        mediapipe_model=Path(options.mediapipe_model) if options.mediapipe_model else None,
    )
    _say_source(trained, landmarks)
    with tempfile.TemporaryDirectory(prefix="aubench-") as folder:
        clip = read_clip(
            clip_path,
            Path(folder),
            landmarks,
            trained.registration,
            keep_pictures=overlay is not None,
            progress=_Progress(),
        )
        scores = np.empty((0, len(trained.aus)), np.float32)
        if clip.num_faces:
            frames = clip.frame_set(trained.aus, trained.features())
            scores = check_scores(trained.load().scores(frames), frames, where="the model")
        write_rows(out, clip, trained.aus, scores)
        if overlay is not None:
            rate = frame_rate(clip_path) or (25.0 if clip.moving else 1.0)
            write_overlay(overlay, clip, trained.aus, scores, rate)
    _say(clip, out, overlay)
    return 0


class _Progress:
    """Says how many frames are prepared: every 10 s."""

    def __init__(self) -> None:
        self._said = time.monotonic()

    def __call__(self, done: int) -> None:
        if time.monotonic() - self._said >= 10:
            self._said = time.monotonic()
            print(f"{done} frames prepared", file=sys.stderr, flush=True)


def write_rows(file: Path, clip: Clip, aus: tuple[int, ...], scores: np.ndarray) -> None:
    """One row a frame: number, source, seconds, face (1 or 0), for each AU its score and presence
    (empty without a face), and what is wrong with the frame, if anything."""
    aside = file.with_name(file.name + ".part")
    names = [name for au in aus for name in (f"AU{au}_score", f"AU{au}_present")]
    with aside.open("w", newline="", encoding="utf-8") as opened:
        writer = csv.writer(opened)
        writer.writerow(["number", "source", "seconds", "face", *names, "problem"])
        for frame in clip.frames:
            cells: list[object] = [""] * len(names)
            if frame.row >= 0:
                row = scores[frame.row]
                cells = [cell for s in row for cell in (f"{s:.6g}", int(s > 0))]
            seconds = "" if frame.seconds is None else f"{frame.seconds:.4f}"
            face = int(frame.row >= 0)
            writer.writerow([frame.number, frame.source, seconds, face, *cells, frame.problem])
    aside.replace(file)


def _say_source(trained: TrainedModel, options: LandmarkOptions) -> None:
    """Where landmarks come from, and that training had them from elsewhere, if so."""
    source = options.landmarks
    if source == "auto":
        source = (
            "openface" if options.openface else "mediapipe" if options.mediapipe_model else "haar"
        )
    other = trained.landmarks and trained.landmarks != source
    print(f"landmarks: {source}" + (f" (training had {trained.landmarks}'s)" if other else ""))
    if source == "haar":
        from harness.prepare.haar import EYES_ONLY

        print(f"  {EYES_ONLY}")


def _say(clip: Clip, out: Path, overlay: Path | None) -> None:
    total = len(clip.frames)
    damaged = [frame for frame in clip.frames if frame.problem]
    print(f"{clip.num_faces} of {total} frames with a face, {total - clip.num_faces} without")
    if damaged:
        print(
            f"{len(damaged)} damaged frames, the first: {damaged[0].source}: {damaged[0].problem}"
        )
    print(f"wrote {out}" + (f" and {overlay}" if overlay else ""))


def _target(name: str, clip: Path, suffixes: tuple[str, ...]) -> Path:
    """A file that may be written, checked before any work is done."""
    file = Path(name)
    if file.suffix.lower() not in suffixes:
        raise UserError(f"{file}: name a file ending in {' or '.join(suffixes)}")
    if not file.parent.is_dir():
        raise UserError(f"{file.parent}: there is no such folder to write into")
    if file.is_dir() or (file.exists() and clip.exists() and file.samefile(clip)):
        raise UserError(f"{file}: give another name to write to")
    return file
