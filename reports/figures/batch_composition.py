"""How many frames of a mini-batch show each AU, sampler by sampler (the paper, Fig. 6)."""

from __future__ import annotations

import itertools

import numpy as np

from reports.batch_composition import SamplerBatches, batch_compositions
from reports.evaluation import Evaluation
from reports.figure import INK, PALETTE, Figure, drawing, to_svg


def batch_composition(evaluation: Evaluation) -> Figure | None:
    """A panel a training dataset, a bar an AU and sampler; None without two samplers."""
    found, _ = batch_compositions(evaluation)
    if not found:
        return None
    from matplotlib.patches import Patch

    panels: dict[str, list[SamplerBatches]] = {}
    for one in found:
        panels.setdefault(one.dataset, []).append(one)
    samplers = list(dict.fromkeys(one.sampler for one in found))
    colours = dict(zip(samplers, itertools.cycle(PALETTE), strict=False))
    width = max(5.0, 0.7 * max(len(one.aus) for one in found) + 1.5)
    with drawing(width, 0.6 + 2.1 * len(panels)) as (figure, hover):
        grid = figure.subplots(len(panels), 1, squeeze=False)[:, 0]
        for axes, (dataset, drawn) in zip(grid, panels.items(), strict=True):
            aus = sorted({au for one in drawn for au in one.aus})
            step = 0.8 / len(drawn)
            for place, one in enumerate(drawn):
                shift = (place - (len(drawn) - 1) / 2) * step
                at = np.array([aus.index(au) for au in one.aus]) + shift
                colour = colours[one.sampler]
                bars = axes.bar(at, one.count_mean_L, step, color=colour)
                axes.vlines(at, one.count_min_L, one.count_max_L, color=INK, linewidth=0.8)
                for i, (bar, au) in enumerate(zip(bars, one.aus, strict=True)):
                    hover(
                        bar,
                        f"{one.sampler}, {dataset}, AU{au}: {one.count_mean_L[i]:.1f} frames of "
                        f"{one.batch_size:.0f} (SD {one.count_sd_L[i]:.1f}, "
                        f"{one.count_min_L[i]:.0f} to {one.count_max_L[i]:.0f})",
                    )
            axes.set_xticks(range(len(aus)), [f"AU{au}" for au in aus])
            axes.grid(False, axis="x")
            axes.set_ylabel("frames of a batch")
            axes.set_title(f"trained on {dataset}", loc="left")
        handles = [Patch(color=colour, label=name) for name, colour in colours.items()]
        figure.legend(handles=handles, loc="outside upper left", ncols=4)
        svg = to_svg(figure, hover)
    return Figure(
        key="batch-composition",
        title="What is in a mini-batch",
        caption="Frames of a batch that show the AU: mean, and from the least to the most of all "
        "batches of an epoch, over all folds and seeds.",
        svg=svg,
    )
