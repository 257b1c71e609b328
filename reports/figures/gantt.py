"""When which job ran: a lane a process that was busy, on each machine."""

from __future__ import annotations

from reports.evaluation import Evaluation
from reports.figure import PALETTE, Figure, colour_of, drawing, short, to_svg

MAX_HOVERS = 500


def gantt(evaluation: Evaluation) -> Figure | None:
    """Finished stages and cells over the seconds since the first began. Jobs that overlap in time
    stand in lanes of their own; the colour is the method's row."""
    run = evaluation.run
    spans = []
    for key, record in run.records.items():
        cost = record["cost"]
        if "started" in cost:
            host = str(record.get("environment", {}).get("host", ""))
            started = float(cost["started"])
            spans.append((host, started, started + float(cost["seconds"]), run.plan.jobs[key]))
    if not spans:
        return None
    origin = min(start for _, start, _, _ in spans)
    unit, name = _unit(max(stop for _, _, stop, _ in spans) - origin)
    groups = list(dict.fromkeys(job.group for *_, job in spans))
    colours = _colours(evaluation.plan.methods, groups)
    spans.sort(key=lambda span: (span[0], span[1], span[3].key))
    lanes: list[tuple[str, float]] = []
    placed = []
    for host, start, stop, job in spans:
        free = [i for i, (h, busy_until) in enumerate(lanes) if h == host and busy_until <= start]
        lane = free[0] if free else len(lanes)
        if free:
            lanes[lane] = (host, stop)
        else:
            lanes.append((host, stop))
        placed.append((lane, (start - origin) / unit, (stop - start) / unit, job))
    with drawing(9, 0.8 + 0.26 * min(len(lanes), 60)) as (figure, hover):
        axes = figure.subplots()
        for group in groups:
            mine = [span for span in placed if span[3].group == group]
            bars = axes.barh(
                [lane for lane, *_ in mine],
                [length for _, _, length, _ in mine],
                left=[at for _, at, _, _ in mine],
                height=0.8,
                color=colours[group],
                label=short(group),
            )
            if len(placed) <= MAX_HOVERS:
                for bar, (_, at, length, job) in zip(bars, mine, strict=True):
                    hover(bar, f"{job.title}: {length:.1f} {name} from {at:.1f}")
        hosts = [host for host, _ in lanes]
        named = [host if host not in hosts[:place] else "" for place, host in enumerate(hosts)]
        axes.set_yticks(range(len(lanes)), named)
        axes.set_ylim(len(lanes) - 0.4, -0.6)
        axes.set_xlabel(f"{name} since the first job began")
        axes.grid(False, axis="y")
        figure.legend(loc="outside upper left", ncols=min(6, len(groups)))
        svg = to_svg(figure, hover)
    return Figure(
        key="gantt",
        title="When which job ran",
        caption="Finished stages, cells and studies, by machine; jobs that ran at the same time "
        "stand in lanes of their own. A run that was resumed shows its pauses.",
        svg=svg,
    )


def _colours(methods: tuple[str, ...], groups: list[str]) -> dict[str, str]:
    """Methods in their colour of every figure; stages that are no method in what is left."""
    stages = [group for group in groups if group not in methods]
    colours = {group: colour_of(methods, group) for group in groups if group in methods}
    left = [colour for colour in PALETTE if colour not in colours.values()] or list(PALETTE)
    return colours | {stage: left[i % len(left)] for i, stage in enumerate(stages)}


def _unit(span: float) -> tuple[float, str]:
    if span > 3 * 3600:
        return 3600.0, "hours"
    return (60.0, "minutes") if span > 300 else (1.0, "seconds")
