"""What the methods cost: time, processor time, GPU time, energy and memory, from the jobs' own
meters."""

from __future__ import annotations

from collections.abc import Mapping

from reports.evaluation import Evaluation
from reports.table import Column, Entry, Row, Table, count, number, text
from reports.trainings import stages_under


def cost_table(evaluation: Evaluation) -> Table:
    """A row a method. Shared stages are counted in full for every method that rests on them."""
    run = evaluation.run
    rows = []
    for method in evaluation.plan.methods:
        cells = list(dict.fromkeys(c.job for c in evaluation.plan.cells if c.method == method))
        stages = stages_under(run.plan.jobs, cells)
        own = [run.records[key]["cost"] for key in cells if key in run.records]
        shared = [run.records[key]["cost"] for key in stages if key in run.records]
        everything = [*own, *shared]
        rows.append(
            Row(
                entries=(
                    text(method),
                    Entry(text=f"{len(own)} of {len(cells)}", value=float(len(own))),
                    count(len(shared)),
                    _seconds(own, "seconds"),
                    _seconds(everything, "seconds"),
                    _seconds(everything, "cpu_seconds"),
                    _seconds(everything, "gpu_seconds"),
                    _energy(everything),
                    _memory(everything),
                ),
                method=method,
            )
        )
    return Table(
        key="cost",
        title="What the methods cost",
        columns=(
            Column(key="method", title="Method", kind="text"),
            Column(key="cells", title="Cells done"),
            Column(key="stages", title="Stages", help="trained parts that it rests on"),
            Column(key="wall_cells", title="Wall, cells (s)"),
            Column(key="wall", title="Wall, with stages (s)"),
            Column(key="cpu", title="CPU (s)"),
            Column(key="gpu", title="GPU (s)"),
            Column(
                key="energy",
                title="Energy (Wh)",
                help="of processors (by share of busy time) and GPUs, where it could be read",
            ),
            Column(key="memory", title="Peak memory (MiB)", help="largest of its processes"),
        ),
        rows=tuple(rows),
        notes=(
            "Sums over the finished jobs. A stage that several methods share is counted in full "
            "for each of them; making datasets and extracting features are not counted. Energy is "
            "what processors and GPUs say of themselves (RAPL, NVML), a job's share by the time "
            "and the GPUs that it held; many machines do not let it be read. Peak "
            "memory is that of the process so far, which may have done other jobs before.",
        ),
    )


def _seconds(costs: list[Mapping[str, float]], name: str) -> Entry:
    values = [float(cost[name]) for cost in costs if name in cost]
    return number(sum(values) if values else None, 1)


def _energy(costs: list[Mapping[str, float]]) -> Entry:
    """Watt hours, if every job could read its own: of its processor, and of its GPU if it had one.
    Of part of them a sum would only look small."""
    missing = 0
    joules = 0.0
    for cost in costs:
        wanted = ["cpu_joules", *(["gpu_joules"] if cost.get("gpu_seconds") else [])]
        missing += not all(name in cost for name in wanted)
        joules += sum(float(cost[name]) for name in wanted if name in cost)
    if not costs:
        return number(None)
    if missing:
        note = f"{missing} of {len(costs)} jobs could not read it"
        return Entry(text="not readable", state="undefined", note=note)
    return number(joules / 3600, 2)


def _memory(costs: list[Mapping[str, float]]) -> Entry:
    values = [float(cost["peak_memory"]) for cost in costs if "peak_memory" in cost]
    return number(max(values) / 2**20 if values else None, 0)
