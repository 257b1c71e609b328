"""Every mistake in a suite file is one line: the file, the line, and what would be right."""

import pytest

from harness.errors import UserError
from harness.plan.build import build_plan
from harness.suite.load import load_suite, shipped_suites

GOOD = """\
name: trial
datasets:
  toy: {prepared: TOY}
  other: {prepared: OTHER}
settings:
  - within: toy
    protocol: 3-fold
  - {train: toy, test: other}
methods:
  pixel:
    method: toy_methods:Pixel
    options:
      scale: 2.0
"""


@pytest.fixture
def write(tmp_path, toy_dataset, other_dataset):
    def write(text):
        text = text.replace("TOY", str(toy_dataset.folder)).replace(
            "OTHER", str(other_dataset.folder)
        )
        file = tmp_path / "suite.yaml"
        file.write_text(text, encoding="utf-8")
        return file

    return write


def test_a_good_suite_loads_with_its_lines(write):
    suite = load_suite(write(GOOD))
    assert suite.spec.name == "trial"
    assert suite.place("methods", "pixel", "options", "scale").endswith("suite.yaml:13")
    assert [setting.title for setting in suite.spec.settings] == ["toy 3-fold", "toy → other"]


MISTAKES = {
    "unknown key": (
        "name: trial",
        "name: trial\nprotocoll: 3-fold",
        ":2: ",
        "unknown key 'protocoll'",
    ),
    "unknown key in a setting": (
        "protocol: 3-fold",
        "protocol: 3-fold\n    fold: 3",
        ":8: ",
        "valid: ",
    ),
    "unknown method": ("toy_methods:Pixel", "svmm", ":11: ", "did you mean 'svm'"),
    "no such module": ("toy_methods:Pixel", "no_such:Pixel", ":11: ", "no module 'no_such'"),
    "no such class": ("toy_methods:Pixel", "toy_methods:Nix", ":11: ", "no class 'Nix'"),
    "not a method": ("toy_methods:Pixel", "toy_methods:PixelModel", ":11: ", "is not a method"),
    "yours by a dot": ("toy_methods:Pixel", "toy_methods.Pixel", ":11: ", "yours as module:Class"),
    "method without fit": ("toy_methods:Pixel", "harness.method:Method", ":11: ", "has no fit()"),
    "method without load": ("toy_methods:Pixel", "toy_search:NoLoad", ":11: ", "has no load()"),
    "unknown option": ("scale: 2.0", "skale: 2.0", ":13: ", "did you mean 'scale'"),
    "option of a wrong type": ("scale: 2.0", "scale: much", ":13: ", "valid number"),
    "unknown dataset": ("within: toy", "within: tay", ":6: ", "did you mean 'toy'"),
    "unknown protocol": ("3-fold", "3-folds", ":7: ", "3-fold"),
    "more folds than subjects": ("3-fold", "7-fold", ":7: ", "6"),
    "no such folder": (
        "TOY",
        "/no/such/folder",
        ":3: ",
        "/no/such/folder is not a prepared dataset",
    ),
    "unknown AU": ("name: trial", "name: trial\naus: [1, 99]", ":2: ", "AU99"),
    "no method": (
        "  pixel:\n    method: toy_methods:Pixel\n    options:\n      scale: 2.0\n",
        "",
        "suite.yaml:9: ",
        "methods",
    ),
    "same key twice": ("name: trial", "name: trial\nname: again", ":2: ", "given twice"),
    "setting twice": (
        "  - {train: toy, test: other}",
        "  - {within: toy, protocol: 3-fold}",
        ":8: ",
        "given twice",
    ),
    "train is test": ("test: other", "test: toy", ":8: ", "use 'within'"),
    "not YAML": ("name: trial", "name: [trial", ":2: ", "not valid YAML"),
    "unknown preset": ("{prepared: TOY}", "{synthetic: labb}", ":3: ", "lab"),
    "too many subjects": ("{prepared: TOY}", "{synthetic: lab, subjects: 5000}", ":3: ", "5000"),
    "two sources": ("{prepared: TOY}", "{prepared: TOY, synthetic: lab}", ":3: ", "either"),
    "no name": ("name: trial\n", "", ":1: ", "'name' is missing"),
    "no workers": (
        "    options:",
        "    resources: {workers: 0}\n    options:",
        ":12: ",
        "greater than or equal to 1",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_line_with_its_place(write, mistake):
    old, new, place, hint = MISTAKES[mistake]
    assert old in GOOD
    file = write(GOOD.replace(old, new, 1))
    with pytest.raises(UserError) as caught:
        build_plan(load_suite(file))
    message = str(caught.value)
    assert "\n" not in message
    assert str(file) in message
    assert place in message
    assert hint in message


def test_two_names_of_one_dataset_may_not_be_train_and_test(write):
    text = GOOD.replace("{prepared: OTHER}", "{prepared: TOY}")
    with pytest.raises(UserError, match=r"suite.yaml:8: .*toy:S001"):
        build_plan(load_suite(write(text)))


def test_unreadable_text_is_said(tmp_path):
    file = tmp_path / "suite.yaml"
    file.write_bytes(b"name: \xff\xfe")
    with pytest.raises(UserError, match="not UTF-8"):
        load_suite(file)


def test_a_suite_that_does_not_exist_names_those_that_ship():
    with pytest.raises(UserError, match="did you mean 'demo'"):
        load_suite("demmo")


@pytest.mark.parametrize("name", shipped_suites())
def test_every_suite_that_ships_loads(name):
    assert load_suite(name).spec.name == name


def test_paths_are_relative_to_the_suite_file(write, tmp_path, toy_dataset):
    (tmp_path / "here").symlink_to(toy_dataset.folder)
    suite = load_suite(write(GOOD.replace("TOY", "here")))
    assert suite.spec.datasets["toy"].prepared == str(toy_dataset.folder.resolve())


def test_a_dataset_may_have_an_address(write, toy_dataset):
    def prepared(address):
        return load_suite(write(GOOD.replace("TOY", f'"{address}"'))).spec.datasets["toy"].prepared

    assert prepared(f"file://{toy_dataset.folder}") == str(toy_dataset.folder.resolve())
    assert prepared("s3://lab/data/toy/?region=eu") == "s3://lab/data/toy?region=eu"
    for address, complaint in (
        ("s3://key:hidden@lab/toy", "must hold no keys"),
        ("ftp://lab/toy", "unknown kind of storage 'ftp'"),
    ):
        with pytest.raises(UserError, match=complaint) as caught:
            prepared(address)
        assert "suite.yaml:3: datasets.toy.prepared: " in str(caught.value)
        assert "hidden" not in str(caught.value)
