"""Mean ranks over AUs × settings with the critical difference of Nemenyi's test."""

from __future__ import annotations

import numpy as np

from reports.evaluation import Evaluation
from reports.figure import INK, Figure, colour_of, drawing, short, to_svg
from reports.ranks import rank_methods


def critical_difference(evaluation: Evaluation) -> Figure | None:
    """Methods on a line by mean rank; bars join those that Nemenyi's test cannot tell apart."""
    ranks = rank_methods(evaluation)
    if ranks is None or len(ranks.methods) < 3:
        return None
    order = np.argsort(ranks.mean_ranks_M, kind="stable")
    names = [ranks.methods[i] for i in order]
    positions = dict(zip(names, ranks.mean_ranks_M[order], strict=True))
    half = (len(names) + 1) // 2
    depth = half + len(ranks.cliques) * 0.45 + 0.4
    with drawing(7.5, 0.7 + 0.3 * (depth + 1)) as (figure, hover):
        axes = figure.subplots()
        axes.set_axis_off()
        low, high = 1.0, float(len(names))
        axes.set_xlim(low - 0.55 * (high - low), high + 0.55 * (high - low))
        axes.set_ylim(-depth - 0.5, 1.4)
        axes.plot([low, high], [0, 0], color=INK, linewidth=1)
        for tick in range(1, len(names) + 1):
            axes.plot([tick, tick], [0, 0.18], color=INK, linewidth=1)
            axes.text(tick, 0.3, str(tick), ha="center", va="bottom")
        difference = min(ranks.critical_difference, high - low)
        axes.plot([low, low + difference], [1.1, 1.1], color=INK, linewidth=2)
        axes.text(
            low + difference + 0.03 * (high - low),
            1.1,
            f"critical difference {ranks.critical_difference:.2f}",
            va="center",
        )
        for place, clique in enumerate(ranks.cliques):
            at = -0.35 - 0.45 * place
            ends = [positions[name] for name in clique]
            (bar,) = axes.plot([min(ends), max(ends)], [at, at], color=INK, linewidth=3)
            hover(bar, f"not told apart: {', '.join(clique)}")
        first = -0.35 - 0.45 * len(ranks.cliques)
        for place, name in enumerate(names):
            left = place < half
            at = first - 0.9 * (place if left else len(names) - 1 - place) - 0.3
            edge = low - 0.05 * (high - low) if left else high + 0.05 * (high - low)
            colour = colour_of(evaluation.plan.methods, name)
            rank = positions[name]
            (line,) = axes.plot([rank, rank, edge], [0, at, at], color=colour, linewidth=1.2)
            hover(line, f"{name}: mean rank {rank:.2f}")
            axes.text(
                edge,
                at,
                f"{short(name)} {rank:.2f} " if left else f" {short(name)} {rank:.2f}",
                ha="right" if left else "left",
                va="center",
            )
        svg = to_svg(figure, hover)
    return Figure(
        key="critical-difference",
        title="Mean ranks by frame F1",
        caption=f"Over {ranks.num_blocks} blocks (an AU of a setting each); 1 is best. "
        f"Friedman's test: p = {ranks.friedman_p:.2g}. AUs of one dataset are not independent, so "
        "the test is too sure of itself by an unknown amount.",
        svg=svg,
    )
