"""All tables of a report, in the order in which they are read."""

from __future__ import annotations

from dataclasses import replace

from reports.evaluation import Evaluation
from reports.table import Table
from reports.tables.batch_composition import batch_composition_table
from reports.tables.cost import cost_table
from reports.tables.cross_dataset import cross_dataset
from reports.tables.equivalence import equivalence
from reports.tables.head_turn import head_turn
from reports.tables.linear_svm import linear_svm
from reports.tables.measures import all_measures, folds, poolings
from reports.tables.overview import overview
from reports.tables.own_metric import own_metric
from reports.tables.pairs import pairs
from reports.tables.per_au import per_au
from reports.tables.published import published
from reports.tables.search import search_tables
from reports.tables.strategies import strategies
from reports.tables.studies import study_tables
from reports.tables.unfinished import unfinished


def every_table(evaluation: Evaluation, rope: float | None = None) -> list[Table]:
    """Overview, unfinished cells, each setting's tables, the cross-dataset matrix, cost.

    ``rope``, in F1 points, adds the Bayesian comparison of the methods.
    """
    tables: list[Table | None] = [overview(evaluation), unfinished(evaluation)]
    for setting in evaluation.plan.settings:
        tables += [
            per_au(evaluation, setting, "f1"),
            per_au(evaluation, setting, "auc"),
            *(own_metric(evaluation, setting, m) for m in evaluation.comparisons[setting].own),
            linear_svm(evaluation, setting),
            all_measures(evaluation, setting),
            poolings(evaluation, setting),
            folds(evaluation, setting),
            head_turn(evaluation, setting),
            published(evaluation, setting),
        ]
    tables += [cross_dataset(evaluation, "f1"), cross_dataset(evaluation, "auc")]
    tables += strategies(evaluation)
    tables += [pairs(evaluation), None if rope is None else equivalence(evaluation, rope)]
    tables += study_tables(evaluation)
    tables += search_tables(evaluation)
    tables += [batch_composition_table(evaluation), cost_table(evaluation)]
    return with_own_keys([table for table in tables if table is not None])


def with_own_keys(tables: list[Table]) -> list[Table]:
    """The tables, with keys told apart where two titles give the same file name."""
    seen: dict[str, int] = {}
    told_apart = []
    for table in tables:
        seen[table.key] = seen.get(table.key, 0) + 1
        again = seen[table.key]
        told_apart.append(table if again == 1 else replace(table, key=f"{table.key}-{again}"))
    return told_apart
