"""The cells and stages without a result, with the line that says why."""

from __future__ import annotations

from reports.evaluation import Evaluation
from reports.table import Column, Entry, Row, Table, text
from reports.tables.gaps import WORST_FIRST


def unfinished(evaluation: Evaluation) -> Table | None:
    """A row for each cell that is not done and each stage that failed; None if there is none."""
    rows = []
    for view in evaluation.cells:
        if view.state != "done":
            cell = view.cell
            state = Entry(text=view.state, state=view.state)
            words = (cell.setting, f"{cell.fold} (seed {cell.seed})", view.message)
            rows.append((view.state, cell.method, state, *words))
    for key, job in evaluation.plan.jobs.items():
        state_word = evaluation.run.states[key]
        if job.kind != "cell" and state_word in ("failed", "damaged"):
            line = (
                evaluation.run.problems.get(key, "")
                if state_word == "damaged"
                else evaluation.run.failure_line(key)
            )
            state = Entry(text=state_word, state=state_word)
            rows.append((state_word, job.title, state, job.kind, "", line))
    if not rows:
        return None
    rows.sort(key=lambda row: WORST_FIRST.index(row[0]))
    return Table(
        key="unfinished",
        title="Cells without a result",
        columns=(
            Column(key="method", title="Method or job", kind="text"),
            Column(key="state", title="State", kind="text"),
            Column(key="setting", title="Setting", kind="text"),
            Column(key="fold", title="Fold", kind="text"),
            Column(key="why", title="Why", kind="text"),
        ),
        rows=tuple(
            Row(entries=(text(name), state, text(setting), text(fold), text(why)), method=name)
            for _, name, state, setting, fold, why in rows
        ),
        notes=("Running the suite again does what is not done yet.",),
    )
