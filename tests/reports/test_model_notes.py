"""What models say of themselves reaches the reader, gathered by sentence."""

import json

import pytest

from harness.store import RunStore
from reports.evaluation import evaluate_run
from reports.model_notes import MOST, model_notes
from reports.tables.per_au import per_au

ONE_CLASS = "AU12: one class only among the known training labels, scored 0 (absent) everywhere"


@pytest.fixture
def noted(own_copy):
    """Lets finished cells of the small run say sentences: ``{(method, fold): [sentence]}``."""

    def say(sentences):
        store = RunStore(own_copy)
        for cell in store.plan().cells:
            file = own_copy / "jobs" / cell.job / "result.json"
            result = json.loads(file.read_text())
            result["notes"] = sentences.get((cell.method, cell.fold), [])
            file.write_text(json.dumps(result))
        return evaluate_run(own_copy)

    return say


def test_the_same_sentence_of_several_methods_and_folds_is_one_line(noted):
    evaluation = noted({("svm", "1"): [ONE_CLASS], ("svm", "3"): [ONE_CLASS], ("anet", "2"): ["x"]})
    setting = evaluation.plan.settings[0]
    assert sorted(model_notes(evaluation, setting)) == [
        "anet (fold 2): x.",
        f"svm (folds 1, 3): {ONE_CLASS}.",
    ]
    assert f"svm (folds 1, 3): {ONE_CLASS}." in per_au(evaluation, setting, "f1").notes
    assert not any(ONE_CLASS in note for note in per_au(evaluation, setting, "auc").notes)


def test_many_sentences_are_cut_and_counted(noted):
    evaluation = noted({("svm", "1"): [f"sentence {i}" for i in range(MOST + 3)]})
    lines = model_notes(evaluation, evaluation.plan.settings[0])
    assert len(lines) == MOST + 1
    assert lines[-1].startswith("3 more")
