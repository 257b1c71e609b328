"""Training as it was reported, step by step: losses, and F1 on validation and training frames.

A row of panels a kind of training, a line a job; what was reported without steps (a search over a
few values) is no curve and not drawn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.plan.jobs import Job
from reports.evaluation import Evaluation
from reports.figure import PALETTE, Figure, drawing, to_svg

Rows = Sequence[Mapping[str, float]]
STEP = "step"
MAX_POINTS = 120
MIN_ROWS = 3


def training_curves(evaluation: Evaluation) -> Figure | None:
    """Losses on the left, F1 on the right, for every method and stage that reported steps."""
    run = evaluation.run
    histories: dict[str, list[tuple[Job, Rows]]] = {}
    for key in run.records:
        rows: Rows = [row for row in run.history(key) if STEP in row]
        if len(rows) >= MIN_ROWS:
            job = run.plan.jobs[key]
            histories.setdefault(job.group, []).append((job, rows))
    if not histories:
        return None
    with drawing(8.5, 0.5 + 1.7 * len(histories)) as (figure, hover):
        grid = figure.subplots(len(histories), 2, squeeze=False)
        for (group, trained), (losses, scores) in zip(histories.items(), grid, strict=True):
            losses.set_title(f"{group}: loss", loc="left")
            scores.set_title(f"{group}: F1", loc="left")
            scores.set_visible(any(name.endswith("f1") for _, rows in trained for name in rows[-1]))
            for place, (job, rows) in enumerate(trained):
                colour = PALETTE[place % len(PALETTE)]
                for name in _names(rows):
                    axes = scores if name.endswith("f1") else losses
                    kept = _thinned([row for row in rows if name in row])
                    (line,) = axes.plot(
                        [row[STEP] for row in kept],
                        [row[name] for row in kept],
                        color=colour,
                        linewidth=1.1,
                        linestyle="--" if name.startswith("validation") else "-",
                    )
                    hover(line, f"{job.title}, {name}: {kept[-1][name]:.3g} in the end")
        for axes in grid[-1]:
            axes.set_xlabel(STEP)
        svg = to_svg(figure, hover)
    return Figure(
        key="training-curves",
        title="Training",
        caption="A line a job: training drawn through, validation dashed. F1 is the mean over AUs, "
        "on frames that are distributed as they were recorded, whatever the sampling of batches: "
        "of the validation part, and where a training reports it, of a fixed part of the training "
        "frames.",
        svg=svg,
    )


def _names(rows: Rows) -> list[str]:
    names = dict.fromkeys(name for row in rows for name in row)
    return [name for name in names if name.endswith(("loss", "f1"))]


def _thinned(rows: Rows) -> Rows:
    stride = -(-len(rows) // MAX_POINTS)
    kept = list(rows[::stride])
    return kept if kept[-1] is rows[-1] else [*kept, rows[-1]]
