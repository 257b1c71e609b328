"""Planted runs for every test of the reports; a run that a test changes is its own copy."""

import importlib.util
import shutil
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def planted():
    file = Path(__file__).with_name("planted.py")
    spec = importlib.util.spec_from_file_location("planted_runs", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def finished(planted, tmp_path_factory):
    """A finished run: three methods, two datasets, within and across. Not to be changed."""
    return planted.make_run(tmp_path_factory.mktemp("finished") / "run")


@pytest.fixture(scope="session")
def unfinished(planted, tmp_path_factory):
    """A run with a failed cell and one that waits, of two AUs. Not to be changed."""
    return planted.make_run(
        tmp_path_factory.mktemp("unfinished") / "run",
        aus=(6, 12),
        failed={("anet", "lab → group", "1")},
        skip={("hybrid", "group 3-fold", "2")},
    )


@pytest.fixture(scope="session")
def small(planted, tmp_path_factory):
    """A finished run of one setting, two methods and two AUs. Not to be changed."""
    plan = planted.planted_plan(methods=("svm", "anet"), settings=(("lab", "lab"),), aus=(6, 12))
    return planted.make_run(tmp_path_factory.mktemp("small") / "run", plan=plan, aus=(6, 12))


@pytest.fixture
def own_copy(small, tmp_path):
    """A copy of the small run that a test may damage."""
    return Path(shutil.copytree(small, tmp_path / "run"))


@pytest.fixture(scope="session")
def evaluation(finished):
    from reports.evaluation import evaluate_run

    return evaluate_run(finished)


@pytest.fixture(scope="session")
def report(finished, tmp_path_factory):
    from reports.build import build

    return build(finished, tmp_path_factory.mktemp("report") / "out")


@pytest.fixture(scope="session")
def unfinished_report(unfinished, tmp_path_factory):
    from reports.build import build

    return build(unfinished, tmp_path_factory.mktemp("unfinished-report") / "out")
