"""LocalContext: what a training loop knows of where it runs, in a bare Python process.

Its twin under Ray Train is ``harness.engine.training.RayTrainContext``; both keep checkpoints the
same way, in the job's own folder: written aside, renamed into place, the newest kept.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

HISTORY_ROWS = "history_rows"


class LocalContext:
    """One process, no Ray.

    Args:
        folder: the job's own; made if it is not there.
        device, threads, seed, rank, world_size: as of ``harness.method.Context``.
        stages: by the name of a stage, the folder of its saved model.
    """

    def __init__(
        self,
        folder: Path,
        *,
        device: str = "cpu",
        threads: int = 1,
        seed: int = 0,
        rank: int = 0,
        world_size: int = 1,
        stages: Mapping[str, Path] | None = None,
    ) -> None:
        self.folder = Path(folder)
        self.device = device
        self.threads = threads
        self.seed = seed
        self.rank = rank
        self.world_size = world_size
        self._stages = dict(stages or {})
        self.folder.mkdir(parents=True, exist_ok=True)

    def stage(self, name: str) -> Path:
        """Folder in which the model of the named stage was saved."""
        if name not in self._stages:
            raise KeyError(f"no stage {name!r} was declared; declared: {sorted(self._stages)}")
        return self._stages[name]

    def report(
        self, metrics: Mapping[str, float], checkpoint: Callable[[Path], None] | None = None
    ) -> None:
        """Appends a row to ``history.jsonl``; saves and rotates the checkpoint if one is given."""
        if self.rank != 0:
            return
        with self._history_file.open("a", encoding="utf-8") as history:
            history.write(json.dumps({k: float(v) for k, v in metrics.items()}) + "\n")
        if checkpoint is None:
            return
        aside = self.folder / f"checkpoint.{os.getpid()}.part"
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir()
        checkpoint(aside)
        (aside / HISTORY_ROWS).write_text(str(self._history_rows()), encoding="utf-8")
        kept, old = self.folder / "checkpoint", self.folder / "checkpoint.old"
        shutil.rmtree(old, ignore_errors=True)
        if kept.exists():
            kept.rename(old)
        aside.rename(kept)
        shutil.rmtree(old, ignore_errors=True)

    def restore(self) -> Path | None:
        """Folder of the last complete checkpoint of this job, or None.

        The history goes back to what it was at that checkpoint, so that the rows that training
        will report again do not stand in it twice.
        """
        found = None
        for name in ("checkpoint", "checkpoint.old"):
            if (self.folder / name).is_dir():
                found = self.folder / name
                break
        if self.rank == 0:
            rows = int((found / HISTORY_ROWS).read_text(encoding="utf-8")) if found else 0
            self._cut_history(rows)
        return found

    def _history_rows(self) -> int:
        return len(self._history_file.read_text(encoding="utf-8").splitlines())

    def _cut_history(self, rows: int) -> None:
        if self._history_file.exists() and self._history_rows() > rows:
            kept = self._history_file.read_text(encoding="utf-8").splitlines()[:rows]
            self._history_file.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")

    @property
    def _history_file(self) -> Path:
        return self.folder / "history.jsonl"
