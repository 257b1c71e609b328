import json

import numpy as np
import pytest
import torch

from harness.context import LocalContext
from harness.errors import UserError
from hybrid import sequence_training
from hybrid.losses import max_margin_sum
from hybrid.options import CnnOptions, SequenceOptions
from hybrid.segments import places_in_batch
from hybrid.selection import mean_f1
from hybrid.sequence_training import train_lstm

TINY = {
    "pca": 6,
    "scale": "unit",
    "hidden": 8,
    "layers": 2,
    "dropout": 0.2,
    "window": 25,
    "windows": 4,
    "burn_in": 4,
    "min_active": 0.0,
    "updates": 9,
    "evaluate_every": 3,
    "lr": 1e-2,
}


def tiny(**fields):
    return SequenceOptions(**{**TINY, **fields})


class LabelsAsFc7:
    """Stands in for the CNN: its fc7 are the labels, noisy, one frame late."""

    def __init__(self, labels_of):
        self.labels_of = labels_of
        self.aus, self.device = (1, 6, 12), torch.device("cpu")
        self.options, self.network = CnnOptions(size="small"), torch.nn.Identity()
        self.mean, self.scale = torch.zeros(3), 1.0

    def evaluate(self, frames):
        rng = np.random.default_rng(int(frames.index[0]) if len(frames) else 0)
        late = np.roll(self.labels_of(frames).astype(np.float32), 1, axis=0)
        noise = rng.normal(0, 0.5, (len(frames), 5)).astype(np.float32)
        fc7 = np.concatenate([late + rng.normal(0, 0.3, late.shape), noise], 1)
        return late, fc7.astype(np.float32)

    def represent(self, frames):
        return self.evaluate(frames)[1]


@pytest.fixture
def cnn(toy):
    return LabelsAsFc7(lambda frames: toy.labels[frames.index])


class Killed(Exception):
    pass


class DyingContext(LocalContext):
    reports = 0

    def report(self, metrics, checkpoint=None):
        super().report(metrics, checkpoint)
        self.reports += 1
        if self.reports == 2:
            raise Killed


def history(context):
    return [json.loads(row) for row in (context.folder / "history.jsonl").open()]


def same(one, other):
    one, other = one.stack.state_dict(), other.stack.state_dict()
    return all(torch.equal(one[name], other[name]) for name in one)


def test_it_learns_from_noisy_features(toy_maker, context):
    everybody = toy_maker(subjects=14, tasks=2, frames=50, pictures=False)
    cnn = LabelsAsFc7(lambda frames: everybody.labels[frames.index])
    train, validation, test = (
        everybody.of_subjects([f"toy:S{s}" for s in part])
        for part in (range(10), range(10, 12), range(12, 14))
    )
    options = tiny(updates=100, evaluate_every=25, hidden=16, layers=1, window=50, lr=3e-3)
    model = train_lstm(cnn, train, validation, options, context())
    assert mean_f1(test.labels, model.scores(test.unlabelled())) > 0.8
    assert 0.8 < model.about["pca_energy"] < 1


def test_killed_and_taken_up_gives_the_weights_of_an_undisturbed_run(
    toy_parts, cnn, context, tmp_path
):
    train, validation, _ = toy_parts
    whole = train_lstm(cnn, train, validation, tiny(), context("whole", seed=5))
    with pytest.raises(Killed):
        train_lstm(cnn, train, validation, tiny(), DyingContext(tmp_path / "cut", seed=5))
    resumed = train_lstm(cnn, train, validation, tiny(), context("cut", seed=5))
    assert same(whole, resumed)
    other = train_lstm(cnn, train, validation, tiny(), context("other", seed=6))
    assert not same(whole, other)


@pytest.mark.parametrize("short", ["concat_subject", "concat_noreset", "pad"])
def test_no_loss_falls_on_a_burn_in(toy_parts, cnn, context, monkeypatch, short):
    train, validation, _ = toy_parts
    counted = []

    def counting(scores, labels, *args):
        counted.append(len(labels))
        return max_margin_sum(scores, labels, *args)

    monkeypatch.setattr(sequence_training, "max_margin_sum", counting)
    train_lstm(cnn, train, validation, tiny(short=short), context())
    full = 4 * (25 - 4)  # windows of 25 frames, the first 4 free
    if short == "concat_subject":
        # A border inside a window costs it up to 4 frames more.
        assert min(counted) < full
        assert all(full - 4 * 4 <= n <= full for n in counted)
    else:
        assert set(counted) == {full}


@pytest.mark.parametrize(
    ("fields", "smoothing", "momentum", "decay"),
    [
        ({}, 0.95, 0.9, 0.0),
        ({"rms": "rms_alpha"}, 0.97, 0.9, 0.0),
        ({"rms": "weight_decay"}, 0.95, 0.9, 0.97),
        ({"momentum_is": "rms_alpha"}, 0.9, 0.0, 0.0),
    ],
)
def test_readings_of_weight_decay(
    toy_parts, cnn, context, monkeypatch, fields, smoothing, momentum, decay
):
    train, validation, _ = toy_parts
    made = []
    original = torch.optim.RMSprop

    def noting(*args, **kwargs):
        made.append(kwargs)
        return original(*args, **kwargs)

    monkeypatch.setattr(torch.optim, "RMSprop", noting)
    train_lstm(cnn, train, validation, tiny(updates=3, **fields), context())
    assert (made[0]["alpha"], made[0]["momentum"], made[0]["weight_decay"]) == (
        smoothing,
        momentum,
        decay,
    )


def test_the_rate_falls_after_the_tenth_epoch(toy_parts, cnn, context):
    train, validation, _ = toy_parts
    options = tiny(updates=30, evaluate_every=2, patience=100)
    train_lstm(cnn, train, validation, options, context())
    # 120 training frames are two updates of 4 x 25 frames.
    rates = [row["lr"] / 1e-2 for row in history(context())]
    assert rates == pytest.approx([1.0] * 10 + [0.97**k for k in range(1, 6)])
    constant = context("constant")
    train_lstm(cnn, train, validation, tiny(updates=24, rms="rms_alpha"), constant)
    assert {row["lr"] for row in history(constant)} == {1e-2}


def test_training_stops_when_validation_stops_getting_better(toy_parts, cnn, context, monkeypatch):
    train, validation, _ = toy_parts
    monkeypatch.setattr(sequence_training, "mean_f1", lambda labels, scores: 0.5)
    train_lstm(cnn, train, validation, tiny(updates=300, patience=2), context())
    assert [row["step"] for row in history(context())] == [3, 6, 9]


def test_saved_and_loaded_it_gives_the_same_scores(toy_parts, context, tmp_path):
    from hybrid.cnn_training import train_cnn
    from hybrid.lstm_model import LstmModel
    from hybrid.options import CnnOptions

    train, validation, test = toy_parts
    small = CnnOptions(size="small", resolution=40, crop=36, fc=16, iterations=2, batch=8)
    cnn = train_cnn(train, validation, small, context("cnn"))
    model = train_lstm(cnn, train, validation, tiny(bidirectional=True), context())
    (tmp_path / "model").mkdir()
    model.save(tmp_path / "model")
    again = LstmModel.load(tmp_path / "model")
    assert np.array_equal(model.scores(test), again.scores(test))
    assert again.about == model.about


def test_scores_of_a_video_depend_on_that_video_alone(toy_parts, cnn, context):
    train, validation, test = toy_parts
    model = train_lstm(cnn, train, validation, tiny(updates=3), context())
    features = torch.randn(60, 6, generator=torch.Generator().manual_seed(0))
    from hybrid.lstm_model import run_through

    scores, _ = run_through(model.stack, features, test.sequences)
    swapped, _ = run_through(
        model.stack, torch.cat([features[30:], features[:30]]), np.roll(test.sequences, 30)
    )
    assert np.allclose(np.roll(scores, 30, axis=0), swapped, atol=1e-6)


def test_places_number_the_rows_of_the_global_mini_batch_window_by_window():
    # Three windows of 5, 4 and 6 rows; this worker holds the first (two segments) and the third.
    places = places_in_batch(np.array([2, 3, 6]), np.array([0, 9]), np.array([5, 6]))
    assert places.tolist() == [0, 2, 9]


def test_fewer_windows_than_workers_is_refused(toy_parts, cnn, context):
    train, validation, _ = toy_parts
    with pytest.raises(UserError, match="windows is 1, fewer than the 2 workers"):
        train_lstm(cnn, train, validation, tiny(windows=1), context(world_size=2))
