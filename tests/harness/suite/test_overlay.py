"""A file laid over a suite: what it changes, and mistakes in it with its own name and line."""

import pytest

from harness.errors import UserError
from harness.plan.build import build_plan
from harness.suite.load import lay_over, load_suite

SUITE = """\
name: small
datasets:
  toy: {{prepared: {toy}}}
settings:
  - {{within: toy, protocol: 2-fold}}
methods:
  pixel: {{method: "toy_methods:Pixel", options: {{scale: 2}}}}
  bare:
    method: "toy_methods:Pixel"
"""


@pytest.fixture
def laid(tmp_path, toy_dataset):
    file = tmp_path / "suite.yaml"
    file.write_text(SUITE.format(toy=toy_dataset.folder))

    def lay(text):
        over = tmp_path / "best.yaml"
        over.write_text(text)
        return load_suite(file, over)

    return lay


def test_mappings_are_merged_and_all_else_replaced():
    below = {"a": {"b": 1, "c": [1, 2]}, "d": None, "e": 5}
    above = {"a": {"c": [3]}, "d": {"x": 1}, "f": None}
    assert lay_over(below, above) == {
        "a": {"b": 1, "c": [3]},
        "d": {"x": 1},
        "e": 5,
        "f": None,
    }
    assert lay_over({"a": {"b": 1}}, {"a": None}) == {"a": {"b": 1}}  # `svm:` alone says nothing
    assert below["a"]["c"] == [1, 2]


def test_an_overlay_changes_options_and_keeps_the_rest(laid):
    spec = laid("methods: {pixel: {options: {sleep: 0.5}}}\nseeds: [3]\n").spec
    assert spec.methods["pixel"].options == {"scale": 2, "sleep": 0.5}
    assert spec.methods["pixel"].method == "toy_methods:Pixel"
    assert (spec.seeds, spec.name) == ((3,), "small")


def test_options_of_a_fold_hold_in_that_fold_only(laid):
    suite = laid("methods:\n  pixel:\n    folds: {toy 2-fold: {1: {scale: 7}}}\n")
    plan = build_plan(suite)
    scales = {
        (cell.method, cell.fold): plan.jobs[cell.job].spec["options"]["scale"]
        for cell in plan.cells
    }
    assert scales == {
        ("pixel", "1"): 7.0,
        ("pixel", "2"): 2.0,
        ("bare", "1"): 1.0,
        ("bare", "2"): 1.0,
    }
    assert len(plan.methods) == 2


MISTAKES = {
    "methods:\n  pixel:\n    options: {scal: 3}\n": "best.yaml:3: unknown key 'scal'",
    "methods:\n  pixel:\n    option: {scale: 3}\n": "best.yaml:3: unknown key 'option'",
    "methods:\n  pixels: {options: {scale: 3}}\n": "best.yaml:2: unknown method 'pixels'",
    "methods:\n  pixel:\n    folds:\n      toy 3-fold: {'1': {scale: 3}}\n": (
        "best.yaml:4: unknown setting 'toy 3-fold'"
    ),
    "methods:\n  pixel:\n    folds:\n      toy 2-fold:\n        '3': {scale: 3}\n": (
        "best.yaml:5: setting 'toy 2-fold' has no fold '3'"
    ),
    "methods:\n  pixel:\n    folds:\n      toy 2-fold:\n        '1': {scale: x}\n": (
        "best.yaml:5: methods.pixel.folds.toy 2-fold.1.scale"
    ),
    "settings:\n  - {within: toy, protocol: 9-old}\n": "best.yaml:2: unknown protocol '9-old'",
    "a: [\n": "best.yaml:2: not valid YAML",
    "- 1\n": "best.yaml:1: what is laid over a suite is a mapping like a suite",
}


@pytest.mark.parametrize("text", MISTAKES)
def test_a_mistake_in_the_overlay_names_the_overlay_s_line(laid, text):
    with pytest.raises(UserError) as error:
        build_plan(laid(text))
    assert MISTAKES[text] in str(error.value)


def test_a_mistake_below_the_overlay_still_names_the_suite(laid, tmp_path, toy_dataset):
    wrong = SUITE.replace("bare:\n", "bare:\n    options: {{scal: 1}}\n")
    (tmp_path / "wrong.yaml").write_text(wrong.format(toy=toy_dataset.folder))
    laid("methods: {pixel: {options: {scale: 3}}}\n")
    with pytest.raises(UserError, match=r"wrong\.yaml:9: unknown key 'scal'"):
        build_plan(load_suite(tmp_path / "wrong.yaml", tmp_path / "best.yaml"))


def test_an_overlay_that_is_not_there_is_named(tmp_path, toy_dataset):
    (tmp_path / "suite.yaml").write_text(SUITE.format(toy=toy_dataset.folder))
    with pytest.raises(UserError, match=r"no file none\.yaml to lay over the suite"):
        load_suite(tmp_path / "suite.yaml", "none.yaml")
