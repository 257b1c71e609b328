"""ANet_T: which training its fc7 comes from."""

from baselines.anet_t import AnetT
from baselines.svm_fc7 import SvmFc7
from harness.plan.build import build_plan
from harness.suite.load import load_suite

SUITE = """
name: transfer
datasets:
  lab: {synthetic: lab, subjects: 6, tasks: 1, frames: 20}
  group: {synthetic: group, subjects: 6, tasks: 1, frames: 20}
settings:
  - {within: lab, protocol: 3-fold}
methods:
  anet-t: {options: {C: [1.0], anet: {size: small}}}
  anet: {options: {size: small}}
"""


def test_it_asks_for_a_cnn_of_another_dataset():
    own = SvmFc7(SvmFc7.Options(anet={"size": "small"})).stages()["cnn"]
    other = AnetT(AnetT.Options(anet={"size": "small"}, cnn_dataset="group")).stages()["cnn"]
    assert (own.on, other.on) == ("train", "other")
    assert other.dataset == "group"
    assert (other.method, other.options) == (own.method, own.options)


def test_one_network_of_the_other_dataset_serves_all_folds(tmp_path):
    file = tmp_path / "suite.yaml"
    file.write_text(SUITE)
    plan = build_plan(load_suite(file))
    cells = [cell for cell in plan.cells if cell.method == "anet-t"]
    assert len(cells) == 3
    needed = set()
    for cell in cells:
        job = plan.jobs[cell.job]
        assert "lab" in job.spec["train_dataset"]
        needed.add(job.spec["stages"]["cnn"])
    assert len(needed) == 1
    network = plan.jobs[needed.pop()]
    assert "group" in network.spec["train_dataset"]
    assert network.kind == "stage"
