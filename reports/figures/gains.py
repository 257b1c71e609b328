"""What one option gained, AU by AU, in F1 and AUC: such as MOMU over random batches (the paper,
Fig. 8)."""

from __future__ import annotations

import numpy as np

from reports.compare import Comparison, auc_replicates, difference_bounds, f1_replicates
from reports.evaluation import Evaluation
from reports.figure import INK, PALETTE, Figure, drawing, to_svg
from reports.one_option_apart import OptionPair, one_option_apart
from reports.table import slug

MAX_PAIRS = 6


def gains(evaluation: Evaluation, setting: str) -> Figure | None:
    """A row of bars for each pair of methods that one option tells apart; None without a pair."""
    comparison = evaluation.comparisons[setting]
    pairs = [
        pair
        for pair in one_option_apart(evaluation.plan)
        if {pair.before, pair.after} <= set(comparison.ranked)
    ][:MAX_PAIRS]
    if not pairs:
        return None
    aus = comparison.measured[pairs[0].before].aus
    with drawing(max(5.0, 0.6 * len(aus) + 1.5), 0.6 + 1.9 * len(pairs)) as (figure, hover):
        for axes, pair in zip(
            figure.subplots(len(pairs), 1, squeeze=False)[:, 0], pairs, strict=True
        ):
            for place, (name, values_L, bounds) in enumerate(_differences(comparison, pair)):
                at = np.arange(len(aus)) + (place - 0.5) * 0.38
                colour = PALETTE[place]
                bars = axes.bar(at, np.nan_to_num(values_L), 0.36, color=colour, label=name)
                for bar, au, value, (low, high) in zip(bars, aus, values_L, bounds, strict=True):
                    if np.isfinite(low):
                        middle = bar.get_x() + bar.get_width() / 2
                        axes.plot([middle, middle], [low, high], color=INK, linewidth=0.8)
                    hover(bar, f"AU{au}, {name}: {value:+.1f} [{low:+.1f}, {high:+.1f}]")
            axes.axhline(0, color=INK, linewidth=0.7)
            axes.set_xticks(range(len(aus)), [f"AU{au}" for au in aus])
            axes.grid(False, axis="x")
            axes.set_ylabel("points")
            axes.set_title(f"{pair.after} over {pair.before}", loc="left")
        handles, labels = figure.axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper left", ncols=2)
        svg = to_svg(figure, hover)
    said = "; ".join(f"{p.after}: {p.option} {p.values[1]}, was {p.values[0]}" for p in pairs)
    return Figure(
        key=slug(setting, "gains"),
        section=setting,
        title="What one option gained",
        caption=f"{said}. With 95 % intervals of the paired difference over resampled subjects.",
        svg=svg,
    )


def _differences(
    comparison: Comparison, pair: OptionPair
) -> list[tuple[str, np.ndarray, list[tuple[float, float]]]]:
    """Name of the metric, difference per AU in points, and its intervals."""
    before, after = comparison.measured[pair.before], comparison.measured[pair.after]
    found = []
    for name, values_L, draw in (
        ("F1", after.f1_L - before.f1_L, f1_replicates),
        ("AUC", after.auc_L - before.auc_L, auc_replicates),
    ):
        nothing = (float("nan"), float("nan"))
        bounds = [nothing] * len(values_L)
        if len(before.subjects) >= 2:
            first, second = draw(before), draw(after)
            if first is not None and second is not None:
                change_BL = 100 * (second - first)
                bounds = [difference_bounds(change_BL[:, i]) for i in range(len(values_L))]
        found.append((name, 100 * values_L, bounds))
    return found
