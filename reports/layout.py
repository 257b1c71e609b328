"""How a report is laid out: which tables and figures stand in which part of the page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from reports.batch_composition import batch_compositions
from reports.evaluation import Evaluation
from reports.page import Page, Part
from reports.provenance import provenance
from reports.search import search_problems
from reports.studies import study_lines
from reports.table import Table, slug
from reports.tables.own_metric import short_name
from reports.verdicts import verdict

if TYPE_CHECKING:
    from reports.figure import Figure

# Shown at once in a setting's part, in this order; the rest of it is folded away.
FIRST_IN_SETTING = ("f1", "features", "gains", "raster")


def lay_out(evaluation: Evaluation, tables: Sequence[Table], figures: Sequence[Figure]) -> Page:
    """The page of a run."""
    plan = evaluation.plan
    done, planned = evaluation.count("done"), len(evaluation.cells)
    broken = sum(evaluation.count(state) for state in ("failed", "damaged", "blocked"))
    status = f"{done} of {planned} cells done" + (f", {broken} failed" if broken else "")
    return Page(
        title=plan.suite,
        description=plan.description,
        status=status,
        health="bad" if broken else "good" if done == planned else "open",
        methods=plan.methods,
        parts=_parts(evaluation, tables, figures),
        provenance=provenance(evaluation),
        suite_text=evaluation.run.suite_text(),
    )


def _parts(
    evaluation: Evaluation, tables: Sequence[Table], figures: Sequence[Figure]
) -> list[Part]:
    items: list[Table | Figure] = [*tables, *figures]
    by_key = {item.key: item for item in items}

    def run_wide(*keys: str) -> list[Table | Figure]:
        return [by_key[key] for key in keys if key in by_key]

    lines = [(f"{s}:", verdict(c)) for s, c in evaluation.comparisons.items()]
    lines += [("Note:", line) for line in (*evaluation.oddities, *_damaged_parts(evaluation))]
    parts = [
        Part(
            key="summary",
            title="Summary",
            lines=lines,
            shown=run_wide("overview-intervals", "overview"),
        )
    ]
    if "unfinished" in by_key:
        parts.append(Part(key="missing", title="Missing", shown=run_wide("unfinished")))
    for setting in evaluation.plan.settings:
        own = [item for item in items if item.section == setting]
        asked = [f"metric-{short_name(name)}" for name in evaluation.comparisons[setting].own]
        first = run_wide(*(slug(setting, name) for name in (*FIRST_IN_SETTING, *asked)))
        parts.append(
            Part(
                key=slug("setting", setting),
                title=setting,
                lines=[] if own else [("", "nothing is scored yet")],
                shown=first,
                folded=[item for item in own if item not in first],
            )
        )
    drawn = [item.key for item in items if item.key.startswith("strategies-") and not item.section]
    across = run_wide("cross-dataset-f1", "cross-dataset-auc", *drawn)
    if across:
        parts.append(Part(key="across", title="Across datasets", shown=across))
    ranks = run_wide("critical-difference", "pairs")
    if ranks:
        parts.append(Part(key="ranks", title="Ranks", shown=ranks))
    studies = [item for item in items if item.key.startswith("study-") and not item.section]
    left = study_lines(evaluation.run, evaluation.studies)
    if studies or left:
        parts.append(Part(key="studies", title="Features and networks", lines=left, shown=studies))
    searched = run_wide("search-map", "search-best", "search-parallel", "search-importance")
    if "search-cost" in by_key:
        parts.append(
            Part(
                key="search",
                title="Search",
                shown=searched,
                folded=run_wide("search-timeline", "search-cost", "search-trials"),
                folded_title="Time line, cost and every trial",
            )
        )
    trained = run_wide(
        "training-f1", "training-curves", "batch-composition", "batches", "base-rates"
    )
    if trained:
        parts.append(Part(key="training", title="Data and training", shown=trained))
    parts.append(Part(key="costs", title="Cost", shown=run_wide("cost", "gantt")))
    return parts


def _damaged_parts(evaluation: Evaluation) -> list[str]:
    """What was wrong with jobs whose result could be read all the same."""
    run = evaluation.run
    _, compositions = batch_compositions(evaluation)
    histories = [
        f"{run.plan.jobs[key].title}: {problem}"
        for key, problem in run.problems.items()
        if run.states[key] == "done"
    ]
    return [*histories, *compositions, *search_problems(evaluation)]
