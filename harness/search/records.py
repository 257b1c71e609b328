"""What a search leaves in the run folder; the one file that knows how it lies there.

    <run>/search/
      search.json           what is searched, and (once it is complete) what was found
      trials.jsonl          one line a trial: options, metric by epoch, seconds, state, fold
      best.yaml             the best options, for `aubench run SUITE --with best.yaml`
      trials/<key>.json     every trial that has ended, of this search and of earlier ones
      work/<key>/           a trial at work: checkpoints, history, the stages that it trained
      tune/                 Ray Tune's own notes on where each fold's experiment stands

A trial's key is a hash of everything that can change its result, as a job's is. So a trial that has
finished is never run again: not after a kill, not by another search that asks for the same.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from harness.store import write_text

SEARCH_VERSION = 1
State = Literal["finished", "stopped", "failed"]


class SearchStore:
    """Paths and records of the search in one run folder."""

    def __init__(self, run_folder: Path) -> None:
        self.folder = Path(run_folder).absolute() / "search"
        self.trials_folder = self.folder / "trials"
        self.best_file = self.folder / "best.yaml"
        self.tune_folder = self.folder / "tune"

    @property
    def exists(self) -> bool:
        """Whether a search was ever begun here."""
        return (self.folder / "search.json").is_file()

    def begin(self, search: Mapping[str, Any]) -> None:
        """Writes what is searched."""
        self.trials_folder.mkdir(parents=True, exist_ok=True)
        write_text(self.folder / "search.json", json.dumps(search, indent=1) + "\n")

    def search(self) -> dict[str, Any] | None:
        """``search.json``; None where there is none or it is damaged."""
        return _read(self.folder / "search.json")

    def work_folder(self, key: str) -> Path:
        """Where a trial works."""
        return self.folder / "work" / key

    def drop_work(self, key: str) -> None:
        """Forgets what a trial worked on."""
        shutil.rmtree(self.work_folder(key), ignore_errors=True)

    def fold_mark(self, search: str, fold_position: int) -> Path:
        """The file that says that a fold's trials have all been made."""
        return self.tune_folder / f"{search}-{fold_position}.complete"

    def drop_all_work(self) -> None:
        """Forgets what trials worked on, and Tune's notes: the search is complete."""
        for folder in (self.folder / "work", self.tune_folder):
            shutil.rmtree(folder, ignore_errors=True)

    def trial(self, key: str) -> dict[str, Any] | None:
        """The record of a trial that has ended."""
        return _read(self.trials_folder / f"{key}.json")

    def finished(self, key: str) -> dict[str, Any] | None:
        """The record of a trial if it ran to its end."""
        found = self.trial(key)
        return found if found is not None and found["state"] == "finished" else None

    def write_trial(self, record: Mapping[str, Any], search: str, number: int) -> None:
        """Keeps a trial's record as number ``number`` of a search; others stay in it."""
        self.trials_folder.mkdir(parents=True, exist_ok=True)
        known = self.trial(record["key"]) or {}
        searches = {**known.get("searches", {}), search: number}
        file = self.trials_folder / f"{record['key']}.json"
        write_text(file, json.dumps({**record, "searches": searches}, indent=1) + "\n")

    def trials(self, search: str) -> list[dict[str, Any]]:
        """Records of one search's trials, by fold and number; unreadable ones are left out."""
        found = []
        for file in sorted(self.trials_folder.glob("*.json")):
            record = _read(file)
            if record is not None and search in record.get("searches", {}):
                found.append({**record, "number": record["searches"][search]})
        return sorted(found, key=lambda record: (record["fold_position"], record["number"]))

    def write_table(self, search: str) -> list[dict[str, Any]]:
        """Writes ``trials.jsonl`` and gives its rows."""
        rows = self.trials(search)
        kept = [
            {k: v for k, v in row.items() if k not in ("searches", "traceback")} for row in rows
        ]
        write_text(self.folder / "trials.jsonl", "".join(json.dumps(row) + "\n" for row in kept))
        return kept

    def table(self) -> list[dict[str, Any]]:
        """The rows of ``trials.jsonl``; empty where it cannot be read."""
        try:
            text = (self.folder / "trials.jsonl").read_text(encoding="utf-8")
            return [json.loads(line) for line in text.splitlines()]
        except (OSError, ValueError):
            return []


def _read(file: Path) -> dict[str, Any] | None:
    try:
        loaded: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return loaded
