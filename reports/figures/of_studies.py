"""The figures of every study that is done; a study of another kind than these has a table only."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from harness.registry import STUDIES, study_path
from reports.evaluation import Evaluation
from reports.figure import Figure
from reports.figures.ascent import ascent
from reports.figures.attention import attention
from reports.figures.embedding import embedding
from reports.figures.filters import filters
from reports.figures.subject_divergence import subject_divergence
from reports.run_view import DAMAGE
from reports.studies import StudyView

DRAWN_BY: Mapping[str, Callable[[StudyView], list[Figure]]] = {
    STUDIES["embedding"]: embedding,
    STUDIES["subject-divergence"]: subject_divergence,
    STUDIES["filters"]: filters,
    STUDIES["ascent"]: ascent,
    STUDIES["attention"]: attention,
}


def study_figures(evaluation: Evaluation) -> list[Figure]:
    """In plan order. A study whose arrays are not what its kind leaves counts as damaged."""
    figures = []
    for view in evaluation.studies:
        if view.state != "done":
            continue
        try:
            draw = DRAWN_BY.get(study_path(view.cell.kind))
            figures += draw(view) if draw is not None else []
        except (*DAMAGE, IndexError) as error:
            evaluation.run.mark_damaged(view.cell.job, error)
    return figures
