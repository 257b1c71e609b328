"""Suites that search the planted method, and one Ray instance for all of them."""

import contextlib

import pytest

SUITE = """\
name: planted
datasets:
  toy: {{prepared: {toy}}}
settings:
  - {{within: toy, protocol: {folds}-fold}}
methods:
  planted: {{method: "toy_search:{method}", options: {{{options}}}}}
search:
  method: planted
  space:
    inner.depth: {{int: [1, 6]}}
    inner.margin: {{uniform: [0.1, 1.0]}}
  {more}
"""


@pytest.fixture
def suite(tmp_path, toy_dataset):
    """Writes a suite; ``more`` stands at the end of its search block."""

    def write(more="trials: 6", *, method="Planted", options="", folds=2, text=SUITE, name="suite"):
        file = tmp_path / f"{name}.yaml"
        given = {"toy": toy_dataset.folder, "folds": folds, "method": method}
        file.write_text(text.format(**given, options=options, more=more))
        return file

    return write


@pytest.fixture(scope="session")
def shared_ray():
    """One Ray of two CPUs, which every search of these tests uses."""
    from harness.engine import cluster

    with cluster.ray_cluster(cpus=2) as resources:

        @contextlib.contextmanager
        def already_there(*_, **__):
            yield resources

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(cluster, "ray_cluster", already_there)
            yield
