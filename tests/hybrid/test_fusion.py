import numpy as np
import pytest
import torch

from harness.errors import UserError
from hybrid.fusion import build_fusion, fusion_inputs, stream_sizes
from hybrid.fusion_training import best_share, held_out, train_fusion
from hybrid.hybrid_model import HybridModel
from hybrid.lstm_model import Streams
from hybrid.options import FusionOptions
from hybrid.selection import mean_f1

AUS = 3


def _streams(num=7, seed=0):
    rng = np.random.default_rng(seed)
    draw = lambda *shape: rng.normal(size=shape).astype(np.float32)  # noqa: E731
    return Streams(
        logits_NL=5 * draw(num, AUS),
        fc7_ND=draw(num, 6),
        scores_NL=np.tanh(draw(num, AUS)),
        hidden_NH=draw(num, 4),
    )


def _unit(x):
    return x / np.linalg.norm(x, axis=1, keepdims=True)


@pytest.mark.parametrize("mode", ["score_fc2", "siamese", "linear"])
def test_the_untrained_fusion_says_what_the_sum_of_normalised_scores_says(mode):
    options, streams = FusionOptions(mode=mode), _streams()
    inputs = fusion_inputs(streams, options)
    logits = build_fusion(options, inputs.shape[1], AUS, 0)(inputs).detach().numpy()
    expected = _unit(streams.logits_NL) + _unit(streams.scores_NL)
    assert np.allclose(logits, 4 * expected, atol=1e-4)


@pytest.mark.parametrize("mode", ["score_fc2", "linear"])
def test_a_weighted_start_follows_the_better_stream(mode):
    options, streams = FusionOptions(mode=mode, init="weighted"), _streams(400)
    inputs = fusion_inputs(streams, options)
    labels = np.where(streams.logits_NL > 0, 1, -1)
    assert best_share(inputs.numpy(), labels) == 1.0
    assert best_share(inputs.numpy(), np.where(streams.scores_NL > 0, 1, -1)) == 0.0
    both = _unit(streams.logits_NL) + _unit(streams.scores_NL)
    assert best_share(inputs.numpy(), np.where(both > 0, 1, -1)) == 0.5
    logits = build_fusion(options, 6, AUS, 0, cnn_share=1.0)(inputs).detach().numpy()
    assert np.allclose(logits, 8 * _unit(streams.logits_NL), atol=1e-4)


@pytest.mark.parametrize(
    ("mode", "width", "parameters"),
    [
        ("score_fc2", 6, (6 + 1) * 64 + (64 + 1) * 3),
        ("siamese", 6, (3 + 1) * 64 + (64 + 1) * 3),
        ("feature", 10, (10 + 1) * 64 + (64 + 1) * 3),
        ("linear", 6, (6 + 1) * 3),
    ],
)
def test_sizes_of_each_reading(mode, width, parameters):
    options = FusionOptions(mode=mode)
    inputs = fusion_inputs(_streams(), options)
    fusion = build_fusion(options, inputs.shape[1], AUS, 0)
    assert inputs.shape == (7, width)
    assert sum(p.numel() for p in fusion.parameters()) == parameters
    assert fusion(inputs).shape == (7, AUS)


def test_siamese_treats_both_streams_alike():
    options = FusionOptions(mode="siamese", init="random")
    inputs = fusion_inputs(_streams(), options)
    fusion = build_fusion(options, 6, AUS, 0)
    swapped = torch.cat([inputs[:, AUS:], inputs[:, :AUS]], 1)
    assert torch.allclose(fusion(inputs), fusion(swapped), atol=1e-6)


def test_scores_are_normalised_and_zeros_stay_zeros():
    streams = _streams()
    streams.logits_NL[2] = 0
    inputs = fusion_inputs(streams, FusionOptions())
    lengths = inputs[:, :AUS].norm(dim=1)
    assert lengths[2] == 0
    assert torch.allclose(lengths[[0, 1, 3]], torch.ones(3))
    assert torch.allclose(inputs[:, AUS:].norm(dim=1), torch.ones(7))
    probabilities = fusion_inputs(streams, FusionOptions(score="prob"))[:, :AUS]
    assert (probabilities > 0).all()
    expected = _unit(1 / (1 + np.exp(-streams.logits_NL)))
    assert np.allclose(probabilities.numpy(), expected, atol=1e-5)


def test_normalised_over_frames_the_order_of_an_aus_frames_stays():
    streams, options = _streams(50), FusionOptions(normalise="au")
    sizes = stream_sizes(streams, options, np.ones(len(streams.logits_NL), bool))
    inputs = fusion_inputs(streams, options, sizes).numpy()
    for part, scores in (
        (inputs[:, :AUS], streams.logits_NL),
        (inputs[:, AUS:], streams.scores_NL),
    ):
        assert np.array_equal(np.argsort(part, axis=0), np.argsort(scores, axis=0))
        assert np.array_equal(part > 0, scores > 0)
        assert np.allclose((part**2).mean(0), 1 / AUS, rtol=1e-5)
        assert np.isclose((part**2).sum(1).mean(), 1, rtol=1e-5)
    streams.logits_NL[:, 1] = 0  # a score that never moves
    sizes = stream_sizes(streams, options, np.ones(len(streams.logits_NL), bool))
    assert torch.equal(fusion_inputs(streams, options, sizes)[:, 1], torch.zeros(50))


def test_too_few_hidden_units_for_the_sum_are_refused():
    with pytest.raises(UserError, match="needs hidden of 6 at least, not 5"):
        build_fusion(FusionOptions(hidden=5), 6, AUS, 0)
    build_fusion(FusionOptions(hidden=5, init="random"), 6, AUS, 0)


class TwoStreams:
    """Streams of which one sees the first AU and the other the last two."""

    aus = (1, 6, 12)

    def __init__(self, toy):
        self.labels = toy.labels

    def streams(self, frames):
        assert not frames.has_labels
        rng = np.random.default_rng(0)
        true = self.labels[frames.index].astype(np.float32)
        cnn = true + rng.normal(0, 0.3, true.shape).astype(np.float32)
        lstm = np.tanh(true + rng.normal(0, 0.3, true.shape)).astype(np.float32)
        cnn[:, 1:] = rng.normal(0, 1, cnn[:, 1:].shape)
        lstm[:, 0] = rng.uniform(-1, 1, len(lstm))
        noise = rng.normal(size=(len(true), 4)).astype(np.float32)
        return Streams(
            logits_NL=cnn,
            fc7_ND=np.concatenate([cnn, noise], 1),
            scores_NL=lstm,
            hidden_NH=np.concatenate([lstm, noise], 1),
        )


@pytest.mark.parametrize("mode", ["score_fc2", "siamese", "feature", "linear"])
@pytest.mark.parametrize("loss", ["ce", "hinge"])
def test_fusion_learns_which_stream_to_trust(toy, context, mode, loss):
    streams = TwoStreams(toy)
    options = FusionOptions(mode=mode, loss=loss, batch=16, lr=0.05)
    validation, test = toy.of_subjects(["toy:S0", "toy:S1", "toy:S2"]), toy.of_subjects(["toy:S3"])
    model = train_fusion(streams, validation, validation, options, context())
    labels, parts = test.labels, streams.streams(test.unlabelled())
    fused = mean_f1(labels, model.scores(test.unlabelled()))
    assert fused > mean_f1(labels, parts.logits_NL) + (0.02 if mode == "siamese" else 0.1)
    if mode != "siamese":
        assert fused > 0.8


def test_data_decides_what_the_fusion_reads(toy, context):
    asked = []

    class Noting(TwoStreams):
        def streams(self, frames):
            asked.append(len(frames))
            return super().streams(frames)

    train, validation = toy.of_subjects(["toy:S0", "toy:S1"]), toy.of_subjects(["toy:S2"])
    for data in ("val", "train"):
        train_fusion(Noting(toy), train, validation, FusionOptions(data=data, epochs=1), context())
    assert asked == [60, 120]
    with pytest.raises(UserError, match="data 'val' needs validation subjects"):
        train_fusion(
            Noting(toy), train, validation.select(np.arange(0)), FusionOptions(), context()
        )


def test_out_of_fold_scores_teach_and_validation_subjects_decide(toy, context):
    """The final networks know their training people by heart; only unseen scores tell that the
    LSTMs are the better stream."""

    class Overfit(TwoStreams):
        def streams(self, frames):
            found = super().streams(frames)
            found.logits_NL[:] = np.random.default_rng(1).normal(size=found.logits_NL.shape)
            train_rows = np.isin(frames.subjects, ["toy:S0", "toy:S1"])
            known = self.labels[frames.index].astype(np.float32)
            found.logits_NL[train_rows] = known[train_rows]
            noise = np.random.default_rng(2).normal(size=known.shape)
            found.scores_NL[:] = np.tanh(known + 1.2 * noise)
            return found

    class Unseen(Overfit):
        def streams(self, frames):
            asked.append(set(frames.subjects))
            found = super().streams(frames)
            found.logits_NL[:] = np.random.default_rng(3).normal(size=found.logits_NL.shape)
            return found

    asked = []
    train, validation = toy.of_subjects(["toy:S0", "toy:S1"]), toy.of_subjects(["toy:S2"])
    test = toy.of_subjects(["toy:S3"])

    def fused(data, unseen=None):
        options = FusionOptions(data=data, batch=16, lr=0.05, init="weighted", epochs=10)
        lstm = Overfit(toy)
        model = train_fusion(lstm, train, validation, options, context(data), unseen)
        return mean_f1(test.labels, model.scores(test.unlabelled())), model.about

    trusting, trusting_about = fused("train")
    warned, warned_about = fused("oof", Unseen(toy))
    assert trusting_about["cnn_share"] > 0.5
    assert warned_about["cnn_share"] < 0.5
    assert warned > trusting + 0.2
    assert asked == [{"toy:S0", "toy:S1"}]


def test_the_sizes_of_scores_are_the_learning_frames_and_are_saved_with_the_model(toy, context):
    part, test = toy.of_subjects(["toy:S0", "toy:S1"]), toy.of_subjects(["toy:S3"])
    streams = TwoStreams(toy)
    options = FusionOptions(normalise="au", epochs=1)
    model = train_fusion(streams, part, part, options, context())
    expected = streams.streams(part.unlabelled())
    learned = ~held_out(part, options.holdout)
    assert not learned.all()
    assert torch.equal(model.sizes_2L, stream_sizes(expected, options, learned))
    few = model.scores(test.select(np.arange(5)).unlabelled())
    other = HybridModel(streams, model.fusion, options, {}, 2 * model.sizes_2L)
    assert not np.allclose(other.scores(test.select(np.arange(5)).unlabelled()), few)


def test_positive_weights_find_more_of_a_rare_au(toy, context):
    part, test = toy.of_subjects(["toy:S0", "toy:S1", "toy:S2"]), toy.of_subjects(["toy:S3"])
    rates = []
    for weights in (False, True):
        options = FusionOptions(positive_weights=weights, batch=16, lr=0.02, epochs=20, holdout=0.4)
        model = train_fusion(TwoStreams(toy), part, part, options, context(str(weights)))
        rates.append((model.scores(test.unlabelled()) > 0).mean())
    assert rates[1] > rates[0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mode": "feature", "normalise": "au"}, "mode 'feature' reads none"),
        ({"loss": "hinge", "positive_weights": True}, "not those of 'hinge'"),
    ],
)
def test_options_without_an_effect_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        FusionOptions(**options)


def test_held_out_frames_are_whole_subjects_or_ends_of_sequences(toy):
    held = held_out(toy, 0.25)
    assert held.mean() == 0.25
    assert len(set(toy.subjects[held])) == 1
    pair = toy.of_subjects(["toy:S0", "toy:S1"])
    held = held_out(pair, 0.2)
    assert np.flatnonzero(held).tolist()[:8] == [24, 25, 26, 27, 28, 29, 54, 55]


def test_same_seed_same_fusion(toy, context):
    part = toy.of_subjects(["toy:S2", "toy:S3"])
    scores = [
        train_fusion(TwoStreams(toy), part, part, FusionOptions(), context(seed=s)).scores(
            part.unlabelled()
        )
        for s in (1, 1, 2)
    ]
    assert np.array_equal(scores[0], scores[1])
    assert not np.array_equal(scores[0], scores[2])
