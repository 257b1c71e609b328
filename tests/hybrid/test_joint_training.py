import copy
import dataclasses
import json

import numpy as np
import pytest
import torch

from harness.context import LocalContext
from harness.errors import UserError
from hybrid.cnn_training import train_cnn
from hybrid.end_to_end import Joint, _JointTraining, train_end_to_end
from hybrid.faces_on_device import centre_crops
from hybrid.lstm_model import LstmModel
from hybrid.options import CnnOptions, EndToEndOptions, JointOptions, SequenceOptions
from hybrid.segments import pack
from hybrid.sequence_training import train_lstm

CNN = CnnOptions(
    size="small", resolution=24, crop=22, widths=(4, 4, 4, 4, 4), geometry="alexnet_pad", fc=8,
    batch=8, iterations=4, evaluate_every=4, training_probe=0, pixels="unit",
)  # fmt: skip
SEQUENCE = SequenceOptions(
    size="small",
    pca=4,
    hidden=4,
    layers=2,
    dropout=0.2,
    window=25,
    windows=2,
    updates=2,
    evaluate_every=2,
    min_active=0,
)
JOINT = JointOptions(
    window=10, windows=3, burn_in=2, updates=4, evaluate_every=2, lr=1e-3, cnn_rate=1.0
)


@pytest.fixture(scope="module")
def stages(toy_maker, tmp_path_factory):
    """Saved stages on small toys, and the toys."""
    toy = toy_maker(subjects=3, frames=30)
    train, validation = toy.of_subjects(["toy:S0", "toy:S1"]), toy.of_subjects(["toy:S2"])
    place = tmp_path_factory.mktemp("stages")
    cnn = train_cnn(train, validation, CNN, LocalContext(place / "cnn"))
    lstm = train_lstm(cnn, train, validation, SEQUENCE, LocalContext(place / "lstm"))
    (place / "model").mkdir()
    lstm.save(place / "model")
    return place / "model", train, validation


def state(model):
    return copy.deepcopy({**model.cnn.network.state_dict(), **model.stack.state_dict()})


def test_both_networks_move_but_projection_statistics_and_unused_head_do_not(stages, context):
    folder, train, validation = stages
    before = LstmModel.load(folder)
    options = JOINT.model_copy(update={"updates": 1, "evaluate_every": 1})
    training = _JointTraining(
        Joint(lstm := LstmModel.load(folder)), lstm, train, validation, options, context()
    )
    training.run()
    old, new = state(before), state(lstm)
    moved = {name for name in old if not torch.equal(old[name], new[name])}
    assert "trunk.conv1.weight" in moved
    assert "layers.0.weight_hh_l0" in moved
    assert not any("running" in name or "fc8" in name or "bias_hh" in name for name in moved)
    assert torch.equal(before.pca.components_DK, lstm.pca.components_DK)


def test_the_gradient_of_a_later_frame_reaches_the_face_of_an_earlier_one(stages):
    joint = Joint(LstmModel.load(stages[0])).eval()
    faces = torch.randn(6, 3, 22, 22, requires_grad=True)
    packing = pack(np.array([0]), np.array([6]))
    joint(faces, packing)[5].sum().backward()
    assert (faces.grad.flatten(1).abs().sum(1) > 0).all()
    faces.grad = None
    joint(faces, packing)[2].sum().backward()
    assert (faces.grad.flatten(1).abs().sum(1) > 0).tolist() == [True] * 3 + [False] * 3


def test_joint_scores_are_those_of_the_two_stages_in_turn(stages):
    folder, _, validation = stages
    lstm = LstmModel.load(folder)
    part = validation.select(np.arange(30))
    faces, _ = next(iter(lstm.cnn.faces_of(part.faces).batches(_centred(lstm, 30))))
    with torch.inference_mode():
        scores = Joint(lstm).eval()(faces, pack(np.array([0]), np.array([30])))
    assert np.allclose(scores.numpy(), lstm.scores(part.unlabelled()), atol=1e-5)


def _centred(lstm, num):
    return [centre_crops(torch.arange(num), lstm.cnn.options.resolution, lstm.cnn.options.crop)]


def test_a_window_is_cropped_alike_and_labels_stay_with_their_faces(stages, context):
    folder, train, validation = stages
    lstm = LstmModel.load(folder)
    training = _JointTraining(Joint(lstm), lstm, train, validation, JOINT, context())
    asked = []

    class Faces:
        def batches(self, plan):
            for crops in plan:
                asked.append(crops.table)
                yield torch.zeros(crops.table.shape[1], 3, 22, 22), crops.table[0]

    training.faces = Faces()
    every = training.windows
    starts = (0, 25, 70)  # the second runs over the end of a sequence, so it has two segments
    chosen = np.array([int(np.flatnonzero(every.starts_W == start)[0]) for start in starts])
    training.windows = dataclasses.replace(every)
    object.__setattr__(training.windows, "draw", lambda num, generator: chosen)
    training._step(training.joint.train(), 0)
    table = asked[0].numpy()
    rows = np.concatenate([np.arange(start, start + 10) for start in starts])
    assert np.array_equal(np.sort(table[0]), rows)
    crops = [
        {tuple(column) for column in table[1:, np.isin(table[0], np.arange(start, start + 10))].T}
        for start in starts
    ]
    assert [len(c) for c in crops] == [1, 1, 1]
    assert len(set.union(*crops)) == 3


def test_training_can_be_cut_short_and_taken_up(stages, context):
    folder, train, validation = stages
    whole = train_end_to_end(LstmModel.load(folder), train, validation, JOINT, context("whole"))
    half = JOINT.model_copy(update={"updates": 2})
    job = context("broken")
    train_end_to_end(LstmModel.load(folder), train, validation, half, job)
    resumed = train_end_to_end(LstmModel.load(folder), train, validation, JOINT, job)
    one, other = state(whole), state(resumed)
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_training_on_the_same_windows_lowers_their_loss(stages, context):
    folder, train, validation = stages
    lstm, job = LstmModel.load(folder), context()
    options = JOINT.model_copy(update={"updates": 60, "evaluate_every": 20})
    training = _JointTraining(Joint(lstm), lstm, train, validation, options, job)
    training.windows = dataclasses.replace(training.windows)
    object.__setattr__(training.windows, "draw", lambda num, generator: np.array([0, 35, 70]))
    training.run()
    rows = [json.loads(row) for row in (job.folder / "history.jsonl").read_text().splitlines()]
    losses = [row["loss"] for row in rows]
    assert losses[2] < losses[0] - 0.05, losses


def test_options_that_cannot_be_are_refused(stages, context):
    with pytest.raises(ValueError, match="burn_in 10 leaves nothing of a window of 8"):
        JointOptions(window=8)
    assert EndToEndOptions(size="small").joint == JointOptions(size="small")
    folder, train, validation = stages
    lstm = LstmModel.load(folder)
    crowd = context("crowd", world_size=4)
    with pytest.raises(UserError, match=r"joint.windows is 3, fewer than the 4 workers"):
        train_end_to_end(lstm, train, validation, JOINT, crowd)
