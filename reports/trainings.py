"""Which trainings a method rests on: the stage jobs under its cells, directly or not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from harness.plan.jobs import Job, Plan


def stages_under(jobs: Mapping[str, Job], keys: Iterable[str]) -> list[str]:
    """Stage jobs that the given jobs rest on, each once."""
    found: dict[str, None] = {}
    waiting = list(keys)
    while waiting:
        for need in jobs[waiting.pop()].needs:
            if need in jobs and jobs[need].kind == "stage" and need not in found:
                found[need] = None
                waiting.append(need)
    return list(found)


def trainings_of(plan: Plan, method: str) -> dict[str, list[str]]:
    """A method's cells and the stages under them, each once, by what they were trained on: the
    dataset, with the AUs where settings train on different ones of it."""
    cells: dict[tuple[str, tuple[int, ...]], list[str]] = {}
    sets: dict[str, set[tuple[int, ...]]] = {}
    for cell in plan.cells:
        aus = tuple(plan.jobs[cell.job].spec["aus"])
        sets.setdefault(cell.train_dataset, set()).add(aus)
        if cell.method == method:
            cells.setdefault((cell.train_dataset, aus), []).append(cell.job)
    found: dict[str, list[str]] = {}
    for (dataset, aus), keys in cells.items():
        name = dataset
        if len(sets[dataset]) > 1:
            name += f", AUs {' '.join(map(str, aus))}"
        known = found.setdefault(name, [])
        known += [key for key in [*keys, *stages_under(plan.jobs, keys)] if key not in known]
    return found
