"""The W&B client, as the mirror uses it: one run each, nothing gathered that was not asked for.

The client's own gathering (system statistics, git remotes, code, console, pip list) is off: the
run's configuration says where a result comes from, and a git remote may carry a password.
Offline, resuming is not possible: every attempt is a run of its own, ``<key>-1``, ``<key>-2``; what
a killed mirror left of one is removed before it is written again.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.tracking.described import Description
from harness.tracking.mode import Mode

START_SECONDS = 20.0
SETTINGS: dict[str, Any] = {
    "console": "off",
    "disable_code": True,
    "disable_git": True,
    "disable_job_creation": True,
    "init_timeout": START_SECONDS,
    "save_code": False,
    "silent": True,
    "symlink": False,
    "x_disable_meta": True,
    "x_disable_stats": True,
    "x_save_requirements": False,
}


class Client:
    """Opens runs of one project; ``folder`` is the run folder of the sweep."""

    def __init__(self, folder: Path, mode: Mode, project: str, entity: str | None) -> None:
        self.mode = mode
        self.project = project
        self.entity = entity
        self.folder = folder / "wandb"
        self.folder.mkdir(parents=True, exist_ok=True)
        # What an offline artifact holds must stay with the run folder until it is synced.
        os.environ["WANDB_DATA_DIR"] = str(self.folder / "staging")

    def open(self, description: Description, attempt: int) -> Run:
        """Begins a run, or (online) goes on with the run of that id."""
        import wandb

        offline = self.mode == "offline"
        run_id = f"{description.id}-{attempt}" if offline else description.id
        if offline:
            for left in self.folder.glob(f"offline-run-*-{run_id}"):
                shutil.rmtree(left, ignore_errors=True)
        known = wandb.Settings.model_fields
        run = wandb.init(
            mode=self.mode,
            project=self.project,
            entity=self.entity,
            dir=str(self.folder.parent),
            id=run_id,
            name=description.name,
            group=description.group,
            job_type=description.job_type,
            tags=list(description.tags),
            config=dict(description.config),
            resume=None if offline else "allow",
            reinit="create_new",
            settings=wandb.Settings(**{k: v for k, v in SETTINGS.items() if k in known}),
        )
        return Run(run, keep_files=offline)

    def close(self) -> None:
        """Ends the client's own service."""
        import wandb

        wandb.teardown()


class Run:
    """One run at W&B."""

    def __init__(self, run: Any, *, keep_files: bool) -> None:
        self._run = run
        self._keep_files = keep_files
        self._rows = int(getattr(run, "starting_step", 0) or 0)
        self._axis_known = False

    def log_history(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Sends the rows that were not sent yet, the row's number being W&B's step. A history that
        went back to a checkpoint goes on where it had been: its rows come out the same again."""
        for number in range(self._rows, len(rows)):
            if "step" in rows[number] and not self._axis_known:
                self._run.define_metric("*", step_metric="step")
                self._axis_known = True
            self._run.log(dict(rows[number]), step=number)
        self._rows = max(self._rows, len(rows))

    def log(self, values: Mapping[str, Any]) -> None:
        """Tables and pages."""
        self._run.log(dict(values))

    def configure(self, values: Mapping[str, Any]) -> None:
        """Adds to the configuration."""
        self._run.config.update(dict(values), allow_val_change=True)

    def log_folder(self, folder: Path, name: str, kind: str) -> None:
        """Keeps a folder as an artifact."""
        import wandb

        artifact = wandb.Artifact(name, kind)
        for file in sorted(path for path in folder.rglob("*") if path.is_file()):
            artifact.add_file(str(file), name=str(file.relative_to(folder)))
        self._run.log_artifact(artifact)

    def finish(self, summary: Mapping[str, Any], *, failed: bool = False) -> None:
        """Sends the summary and waits until W&B has everything."""
        self._run.summary.update(dict(summary))
        files = Path(self._run.dir).parent
        self._run.finish(exit_code=1 if failed else 0)
        if not self._keep_files:
            shutil.rmtree(files, ignore_errors=True)
