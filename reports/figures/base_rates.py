"""Base rates of the datasets: how often each AU is present (the paper, Fig. 5)."""

from __future__ import annotations

from reports.evaluation import Evaluation
from reports.figure import PALETTE, Figure, drawing, to_svg


def base_rates(evaluation: Evaluation) -> Figure | None:
    """A bar an AU and dataset, in percent of the frames whose label is known."""
    datasets = {
        name: dict(zip(entry["aus"], entry["base_rates"], strict=True))
        for name, entry in evaluation.plan.datasets.items()
        if entry.get("base_rates") and entry.get("aus")
    }
    aus = sorted({au for rates in datasets.values() for au in rates})
    if not aus:
        return None
    width = 0.8 / len(datasets)
    with drawing(max(4.5, 0.55 * len(aus) + 1.5), 2.4) as (figure, hover):
        axes = figure.subplots()
        for place, (name, rates) in enumerate(datasets.items()):
            at = [aus.index(au) + (place - (len(datasets) - 1) / 2) * width for au in rates]
            values = [100 * rate for rate in rates.values()]
            bars = axes.bar(at, values, width, color=PALETTE[place % len(PALETTE)], label=name)
            for bar, au, value in zip(bars, rates, values, strict=True):
                hover(bar, f"{name}, AU{au}: {value:.1f} %")
        axes.set_xticks(range(len(aus)), [f"AU{au}" for au in aus])
        axes.grid(False, axis="x")
        axes.set_ylabel("base rate (%)")
        if len(datasets) > 1:
            figure.legend(loc="outside upper left", ncols=4)
        svg = to_svg(figure, hover)
    return Figure(
        key="base-rates",
        title="Base rates",
        caption="Share of frames in which the AU is present, of those whose label is known.",
        svg=svg,
    )
