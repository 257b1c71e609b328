"""How much each searched option mattered: its share of the variance between trials (fANOVA)."""

from __future__ import annotations

from reports.evaluation import Evaluation
from reports.figure import INK, PALETTE, Figure, drawing, to_svg
from reports.search import option_title, search_of


def search_importance(evaluation: Evaluation) -> Figure | None:
    """A bar an option, the mean over folds, and a point a fold; None before the search is done."""
    search = search_of(evaluation)
    if search is None:
        return None
    folds = {fold: found for fold, found in search.importance.items() if found}
    if not folds or len(search.dimensions) < 2:
        return None
    names = [dimension.name for dimension in search.dimensions]
    means = [sum(found[name] for found in folds.values()) / len(folds) for name in names]
    with drawing(5.5, 0.9 + 0.35 * len(names)) as (figure, hover):
        axes = figure.subplots()
        bars = axes.barh(range(len(names)), means, height=0.55, color=PALETTE[0], alpha=0.75)
        for bar, name, mean in zip(bars, names, means, strict=True):
            each = ", ".join(f"fold {fold} {found[name]:.2f}" for fold, found in folds.items())
            hover(bar, f"{name}: {mean:.2f} ({each})")
        for found in folds.values():
            axes.plot(
                [found[name] for name in names],
                range(len(names)),
                "o",
                markersize=3.5,
                color=INK,
                linestyle="none",
            )
        axes.set_yticks(range(len(names)), [option_title(name) for name in names])
        axes.invert_yaxis()
        axes.set_xlim(0, 1)
        axes.set_xlabel("share of the variance between trials")
        axes.grid(False, axis="y")
        svg = to_svg(figure, hover)
    return Figure(
        key="search-importance",
        title="Search: what mattered",
        caption="Optuna's fANOVA: the share of the variance between a fold's trials that an option "
        "accounts for, over the whole space. Bars are means over folds, points the folds. Stopped "
        "trials count with the value that they had come to. From few trials it is a rough guess.",
        svg=svg,
    )
