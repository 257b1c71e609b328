"""F1 on training frames by iteration, method by method (the paper, Fig. 7).

Trainings report it on frames that were drawn once, evenly, from the training part: the same frames
whatever the sampler draws, and distributed as they were recorded. So the lines compare samplers,
not the batches that these make.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from reports.evaluation import Evaluation
from reports.figure import Figure, colour_of, dash_of, drawing, to_svg
from reports.figures.training_curves import STEP
from reports.trainings import trainings_of

NAME = "training_mean_f1"
Curve = Mapping[float, tuple[float, float, float]]


def training_f1(evaluation: Evaluation) -> Figure | None:
    """A panel a training dataset, a line a method: mean over folds and seeds, with their range.

    Methods whose trainings went exactly alike are one line."""
    methods = evaluation.plan.methods
    panels = _panels(evaluation)
    if not panels:
        return None
    with drawing(7.5, 0.7 + 2.2 * len(panels)) as (figure, hover):
        grid = figure.subplots(len(panels), 1, squeeze=False)[:, 0]
        for axes, (dataset, lines) in zip(grid, panels.items(), strict=True):
            for names, curve in lines:
                colour = colour_of(methods, names[0])
                steps = list(curve)
                mean, low, high = (np.array(v) for v in zip(*curve.values(), strict=True))
                axes.fill_between(steps, low, high, color=colour, alpha=0.12, linewidth=0)
                (line,) = axes.plot(
                    steps,
                    mean,
                    color=colour,
                    linestyle=dash_of(methods, names[0]),
                    linewidth=1.4,
                    marker="o",
                    markersize=3,
                    label=", ".join(names),
                )
                hover(
                    line,
                    f"{', '.join(names)}, {dataset}: {mean[-1]:.3f} in the end "
                    f"({low[-1]:.3f} to {high[-1]:.3f})",
                )
            axes.set_ylabel("mean F1")
            axes.set_title(f"trained on {dataset}", loc="left")
            axes.legend(loc="lower right", ncols=2)
        grid[-1].set_xlabel(STEP)
        svg = to_svg(figure, hover)
    return Figure(
        key="training-f1",
        title="F1 on training frames",
        caption="At the fixed threshold, on training frames that were drawn once and evenly, the "
        "same for every method: distributed as they were recorded, whatever the sampling of "
        "batches. Mean over folds and seeds; bands are their range.",
        svg=svg,
    )


def _panels(evaluation: Evaluation) -> dict[str, list[tuple[list[str], Curve]]]:
    """Lines by dataset: the methods that share one, and its points."""
    panels: dict[str, list[tuple[list[str], Curve]]] = {}
    for method in evaluation.plan.methods:
        for dataset, keys in trainings_of(evaluation.plan, method).items():
            curve = _curve(evaluation, keys)
            if len(curve) < 2:
                continue
            lines = panels.setdefault(dataset, [])
            alike = next((names for names, known in lines if known == curve), None)
            if alike is not None:
                alike.append(method)
            else:
                lines.append(([method], curve))
    return panels


def _curve(evaluation: Evaluation, keys: list[str]) -> Curve:
    """Mean, least and most over the finished trainings, at the steps that all of them reported:
    where some stop early, a mean over those that are left would jump."""
    run = evaluation.run
    histories = [
        {row[STEP]: row[NAME] for row in run.history(key) if STEP in row and NAME in row}
        for key in keys
        if key in run.records
    ]
    histories = [history for history in histories if history]
    if not histories:
        return {}
    shared = sorted(set.intersection(*(set(history) for history in histories)))
    values = {step: [history[step] for history in histories] for step in shared}
    return {step: (sum(v) / len(v), min(v), max(v)) for step, v in values.items()}
