"""What models say of themselves: an AU with one class in training, an option that had no effect.

The same sentence of several methods and folds is one line.
"""

from __future__ import annotations

from reports.evaluation import Evaluation

MOST = 12


def model_notes(evaluation: Evaluation, setting: str) -> tuple[str, ...]:
    """Lines such as ``"svm (fold 2), cpm (folds 1, 2): AU4: one class only …"``, at most ``MOST``
    and how many more there are."""
    said: dict[str, dict[str, list[str]]] = {}  # sentence -> method -> folds
    for view in evaluation.cells:
        cell = view.cell
        if cell.setting == setting:
            for note in evaluation.run.notes.get(cell.job, ()):
                folds = said.setdefault(note, {}).setdefault(cell.method, [])
                if cell.train_dataset == cell.test_dataset and cell.fold not in folds:
                    folds.append(cell.fold)
    lines = [
        f"{', '.join(_who(method, folds) for method, folds in by_method.items())}: {note}."
        for note, by_method in said.items()
    ]
    if len(lines) > MOST:
        more = f"{len(lines) - MOST} more sentences of models stand in their result.json."
        lines = [*lines[:MOST], more]
    return tuple(lines)


def _who(method: str, folds: list[str]) -> str:
    if not folds:  # across datasets there is one part only
        return method
    return f"{method} ({'fold' if len(folds) == 1 else 'folds'} {', '.join(folds)})"
