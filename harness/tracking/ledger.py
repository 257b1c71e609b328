"""The ledger: which runs W&B was already given, so that none is sent or written twice.

``<run>/wandb/ledger.jsonl`` is only ever appended to, one line a run that W&B has whole; a line
that a crash cut short is ignored, and its run is sent again. Online and offline are kept apart, as
are projects: what was written offline is not yet on a server.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.plan.jobs import Plan, digest


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One run that W&B has: its number of attempts so far, and which result it shows."""

    attempt: int
    mark: str


class Ledger:
    """What one target (mode, server, project) has been given of one run folder."""

    def __init__(self, file: Path, target: str) -> None:
        self.file = file
        self.target = target
        self._entries: dict[str, Entry] = {}
        self._group = ""
        for line in self._lines():
            if "group" in line:
                self._group = self._group or str(line["group"])
            elif line.get("target") == target:
                entry = Entry(attempt=int(line["attempt"]), mark=str(line["mark"]))
                self._entries[str(line["key"])] = entry

    def group(self, plan: Plan) -> str:
        """The W&B group of this run folder: the suite's name and a digest of the first plan. It
        stays when the suite grows later, so that one sweep is one group."""
        if not self._group:
            cells = sorted(cell.job for cell in plan.cells)
            self._group = f"{plan.suite}-{digest(cells)[:8]}"
            self._append({"group": self._group})
        return self._group

    def has(self, key: str, mark: str) -> bool:
        """Whether W&B has this very result."""
        entry = self._entries.get(key)
        return entry is not None and entry.mark == mark

    def attempt(self, key: str) -> int:
        """Number of the next attempt to show, from 1."""
        entry = self._entries.get(key)
        return entry.attempt + 1 if entry else 1

    def note(self, key: str, mark: str) -> None:
        """Notes that W&B has this result now."""
        entry = Entry(attempt=self.attempt(key), mark=mark)
        self._entries[key] = entry
        self._append(
            {"target": self.target, "key": key, "attempt": entry.attempt, "mark": entry.mark}
        )

    def _append(self, line: dict[str, Any]) -> None:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        with self.file.open("a+b") as stream:
            if stream.tell():
                stream.seek(-1, 2)
                if stream.read(1) != b"\n":  # what a crash cut short must not swallow this line
                    stream.write(b"\n")
            stream.write(json.dumps(line).encode() + b"\n")

    def _lines(self) -> list[dict[str, Any]]:
        found = []
        if self.file.is_file():
            for text in self.file.read_text(encoding="utf-8", errors="replace").splitlines():
                try:
                    line = json.loads(text)
                except json.JSONDecodeError:
                    continue
                if isinstance(line, dict):
                    found.append(line)
        return found
