"""When which trial ran: a lane a process, so that warm processes and early stops can be seen."""

from __future__ import annotations

from reports.evaluation import Evaluation
from reports.figure import PALETTE, Figure, drawing, to_svg
from reports.search import options_line, search_of

COLOURS = {"finished": PALETTE[0], "stopped": PALETTE[5], "failed": PALETTE[1]}
MAX_HOVERS = 500


def search_timeline(evaluation: Evaluation) -> Figure | None:
    """Trials over the minutes since the first began, by process."""
    search = search_of(evaluation)
    timed = [t for t in search.trials if "started" in t.cost] if search else []
    if search is None or not timed:
        return None
    timed.sort(key=lambda trial: trial.cost["started"])
    origin = timed[0].cost["started"]
    lanes = list(dict.fromkeys(trial.lane for trial in timed))
    with drawing(9, 0.9 + 0.26 * min(len(lanes), 60)) as (figure, hover):
        axes = figure.subplots()
        for state, colour in COLOURS.items():
            own = [trial for trial in timed if trial.state == state]
            if not own:
                continue
            bars = axes.barh(
                [lanes.index(trial.lane) for trial in own],
                [trial.cost["seconds"] for trial in own],
                left=[trial.cost["started"] - origin for trial in own],
                height=0.8,
                color=colour,
                edgecolor="#ffffff",
                linewidth=0.5,
                label=state,
            )
            if len(timed) <= MAX_HOVERS:
                for bar, trial in zip(bars, own, strict=True):
                    said = "failed" if trial.value is None else f"{search.shown(trial.value):.1f}"
                    hover(
                        bar,
                        f"fold {trial.fold}, trial {trial.number + 1}: "
                        f"{options_line(trial.options)}: {said}, {trial.cost['seconds']:.1f} s",
                    )
        axes.set_yticks(range(len(lanes)), [f"process {i + 1}" for i in range(len(lanes))])
        axes.set_ylim(len(lanes) - 0.4, -0.6)
        axes.set_xlabel("seconds since the first trial began")
        axes.grid(False, axis="y")
        figure.legend(loc="outside upper left", ncols=3)
        svg = to_svg(figure, hover)
    return Figure(
        key="search-timeline",
        title="Search: when which trial ran",
        caption="A lane is a process that stays warm from trial to trial; each fold has its own. A "
        "search that was resumed shows its pauses.",
        svg=svg,
    )
