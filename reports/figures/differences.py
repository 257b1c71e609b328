"""Changes of mean F1 between runs, with their intervals."""

from __future__ import annotations

from collections.abc import Sequence

from reports.between_runs import Change, is_number
from reports.figure import INK, PALETTE, Figure, drawing, short, to_svg


def differences(found: Sequence[Change], first: str) -> Figure | None:
    """A line a method and setting, a colour a run; hollow where it is within noise."""
    shown = [c for c in found if is_number(c.difference) and c.verdict.endswith("noise")]
    if not shown:
        return None
    places = list(dict.fromkeys((c.setting, c.method) for c in shown))
    runs = list(dict.fromkeys(c.run for c in shown))
    with drawing(7.5, 0.9 + 0.24 * len(places)) as (figure, hover):
        axes = figure.subplots()
        axes.axvline(0, color=INK, linewidth=0.8)
        for change in shown:
            shift = (runs.index(change.run) - (len(runs) - 1) / 2) * 0.6 / len(runs)
            at = places.index((change.setting, change.method)) + shift
            colour = PALETTE[runs.index(change.run) % len(PALETTE)]
            said = f"{change.method}, {change.setting}, {change.run}: "
            said += f"{100 * change.difference:+.1f} points, {change.verdict}"
            if is_number(change.low):
                ends = [100 * change.low, 100 * change.high]
                (line,) = axes.plot(ends, [at, at], color=colour, linewidth=2)
                hover(line, said)
            (dot,) = axes.plot(
                100 * change.difference,
                at,
                "o",
                markersize=5,
                color=colour,
                fillstyle="full" if change.verdict == "beyond noise" else "none",
            )
            hover(dot, said)
        axes.set_yticks(range(len(places)), [f"{short(m)}, {s}" for s, m in places])
        axes.set_ylim(len(places) - 0.4, -0.6)
        axes.set_xlabel(f"mean frame F1 against {first} (points)")
        svg = to_svg(figure, hover)
    return Figure(
        key="differences",
        title="What moved",
        caption=f"Paired 95 % intervals over resampled subjects; hollow: within noise. "
        f"Runs: {', '.join(runs)}, against {first}.",
        svg=svg,
    )
