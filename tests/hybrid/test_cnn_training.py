import json
import math
from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
import torch

from harness.context import LocalContext
from harness.errors import UserError
from hybrid import cnn_training
from hybrid.cnn_training import (
    known_labels,
    make_sampler,
    pixel_statistics,
    probe_rows,
    train_cnn,
    with_faces,
)
from hybrid.losses import cross_entropy_sum
from hybrid.options import CnnOptions, Sampler
from hybrid.selection import mean_f1
from sampling.registry import STRATEGIES

TINY = {
    "size": "small",
    "resolution": 40,
    "crop": 36,
    "widths": (8, 8, 8, 8, 8),
    "fc": 16,
    "batch": 16,
    "iterations": 9,
    "evaluate_every": 3,
    "training_probe": 40,
}


def tiny(**fields):
    return CnnOptions(**{**TINY, **fields})


def history(context):
    return [json.loads(row) for row in (context.folder / "history.jsonl").open()]


class Killed(Exception):
    pass


class DyingContext(LocalContext):
    """Dies at the n-th report: before it keeps anything, or just after."""

    def __init__(self, folder, *, at, kept, **fields):
        super().__init__(folder, **fields)
        self.reports, self.at, self.kept = 0, at, kept

    def report(self, metrics, checkpoint=None):
        self.reports += 1
        if self.reports == self.at and not self.kept:
            raise Killed
        super().report(metrics, checkpoint)
        if self.reports == self.at:
            raise Killed


def weights_of(model):
    return model.network.state_dict()


def same(one, other):
    return all(torch.equal(one[name], other[name]) for name in one)


def test_it_learns_the_toy_faces(toy_parts, context):
    train, validation, test = toy_parts
    # The toy's blobs are too broad to show in local contrast.
    fields = {"pixels": "unit", "keep": "best", "fc": 48, "dropout": 0.2}
    options = tiny(iterations=90, evaluate_every=30, **fields)
    model = train_cnn(train, validation, options, context())
    assert mean_f1(test.labels, model.scores(test.unlabelled())) > 0.65  # all present: 0.58
    assert [row["step"] for row in history(context())] == [30, 60, 90]


@pytest.mark.parametrize(("at", "kept"), [(1, False), (1, True), (2, False), (2, True)])
@pytest.mark.parametrize("sampler", ["random", "momu"])
def test_killed_and_taken_up_gives_the_weights_of_an_undisturbed_run(
    toy_parts, context, tmp_path, at, kept, sampler
):
    train, validation, _ = toy_parts
    options = tiny(sampler=sampler, schedule="plateau", keep="best")
    whole = train_cnn(train, validation, options, context("whole", seed=3))
    with pytest.raises(Killed):
        train_cnn(
            train, validation, options, DyingContext(tmp_path / "cut", at=at, kept=kept, seed=3)
        )
    resumed = train_cnn(train, validation, options, context("cut", seed=3))
    assert same(weights_of(whole), weights_of(resumed))
    assert whole.about == resumed.about


def test_same_seed_same_scores_and_global_generators_are_left_alone(toy_parts, context):
    train, validation, test = toy_parts
    torch.manual_seed(11)
    np.random.seed(11)
    state, numpy_state = torch.random.get_rng_state(), np.random.get_state()[1].copy()
    first = train_cnn(train, validation, tiny(), context("a", seed=1)).scores(test)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert np.array_equal(np.random.get_state()[1], numpy_state)
    torch.manual_seed(12)
    assert np.array_equal(
        first, train_cnn(train, validation, tiny(), context("b", seed=1)).scores(test)
    )
    other = train_cnn(train, validation, tiny(), context("c", seed=2)).scores(test)
    assert not np.array_equal(first, other)


def test_keep_best_gives_the_weights_of_the_best_evaluation(toy_parts, context):
    train, validation, _ = toy_parts
    options = tiny(iterations=30, lr=0.05, keep="best")
    model = train_cnn(train, validation, options, context())
    rows = history(context())
    best = max(row["validation_mean_f1"] for row in rows)
    assert mean_f1(validation.labels, model.scores(validation)) == pytest.approx(best)
    assert model.about["best_validation_mean_f1"] == pytest.approx(best)


def test_the_probe_is_reported_and_changes_nothing(toy_parts, context):
    train, validation, _ = toy_parts
    rows, weights = {}, {}
    for probe in (0, 40):
        options = tiny(training_probe=probe, schedule="plateau", keep="best")
        weights[probe] = weights_of(train_cnn(train, validation, options, context(f"p{probe}")))
        rows[probe] = history(context(f"p{probe}"))
    assert same(weights[0], weights[40])
    for without, with_probe in zip(rows[0], rows[40], strict=True):
        assert set(with_probe) - set(without) == {"training_mean_f1"}
        assert without["validation_loss"] == with_probe["validation_loss"]


@pytest.mark.parametrize("sampler", ["random", "momu"])
def test_the_probe_is_of_training_frames_whatever_the_sampler(toy_parts, context, sampler):
    train, validation, _ = toy_parts
    options = tiny(sampler=sampler, keep="last", training_probe=40)
    model = train_cnn(train, validation, options, context(seed=5))
    known = np.flatnonzero((train.labels != 0).any(1))
    probed = train.select(probe_rows(known, 40, 5))
    expected = mean_f1(probed.labels, model.scores(probed.unlabelled()))
    assert history(context())[-1]["training_mean_f1"] == pytest.approx(expected)


def test_probe_rows_are_drawn_evenly_and_by_seed():
    rows = np.arange(0, 3000, 3)
    drawn = [probe_rows(rows, 100, seed) for seed in range(60)]
    assert all(len(set(d)) == 100 and set(d) <= set(rows) for d in drawn)
    assert np.array_equal(drawn[7], probe_rows(rows, 100, 7))
    assert not np.array_equal(drawn[7], drawn[8])
    assert np.mean(drawn) == pytest.approx(1498.5, abs=60)  # four standard errors
    assert np.array_equal(probe_rows(rows, 5000, 0), rows)
    assert len(probe_rows(rows, 0, 0)) == 0


@pytest.mark.parametrize("sampler", ["random", "momu"])
def test_what_is_in_the_batches_stands_beside_the_history(toy_parts, context, sampler):
    train, validation, _ = toy_parts
    job = context(seed=2)
    options = tiny(sampler=sampler, iterations=1, evaluate_every=1)
    train_cnn(train, validation, options, job)
    found = json.loads((job.folder / "composition.json").read_text())
    labels = train.labels[(train.labels != 0).any(1)]
    batches = list(make_sampler(labels, options, 2))
    counts = np.stack([(labels[batch] > 0).sum(0) for batch in batches])
    assert found["aus"] == [1, 6, 12]
    assert found["batches"] == len(batches)
    assert found["count_mean"] == pytest.approx(counts.mean(0), abs=1e-4)
    assert found["count_sd"] == pytest.approx(counts.std(0), abs=1e-4)
    assert (found["count_min"], found["count_max"]) == (
        counts.min(0).tolist(),
        counts.max(0).tolist(),
    )
    drawn = np.concatenate(batches)
    assert found["share_used"] == pytest.approx(len(set(drawn.tolist())) / len(labels))
    assert found["max_reuse"] == np.bincount(drawn).max()
    assert found["base_rates"] == pytest.approx(
        (labels > 0).sum(0) / (labels != 0).sum(0), abs=1e-4
    )


def test_the_plateau_schedule_drops_the_rate_and_then_stops(toy_parts, context, monkeypatch):
    train, validation, _ = toy_parts
    losses = iter([1.0, 2.0, 2.0, 0.5, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0])
    monkeypatch.setattr(
        cnn_training, "multilabel_cross_entropy", lambda *args: torch.tensor(next(losses))
    )
    options = tiny(
        iterations=100, evaluate_every=1, schedule="plateau", patience=2, max_drops=1, lr=0.01
    )
    train_cnn(train, validation, options, context())
    rates = [row["lr"] for row in history(context())]
    assert rates == pytest.approx([0.01, 0.01, 0.01, 0.001, 0.001, 0.001])


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("step", [1.0, 1.0, 0.1]),
        ("cosine", [(1 + math.cos(math.pi * s / 9)) / 2 for s in (2, 5, 8)]),
        ("constant", [1.0, 1.0, 1.0]),
    ],
)
def test_other_schedules(toy_parts, context, schedule, expected):
    train, validation, _ = toy_parts
    options = tiny(schedule=schedule, step_every=7, lr=0.01)
    train_cnn(train, validation, options, context())
    rates = [row["lr"] / 0.01 for row in history(context())]
    assert rates == pytest.approx(expected)


@pytest.mark.parametrize("ce_norm", ["L", "batch_only", "valid"])
def test_first_loss_is_that_of_an_untrained_network_under_each_normaliser(
    toy_parts, context, ce_norm
):
    train, validation, _ = toy_parts
    options = tiny(ce_norm=ce_norm, iterations=1, evaluate_every=1, dropout=0.0, sampler="random")
    train_cnn(train, validation, options, context())
    expected = {"L": 0.95, "batch_only": 3 * 0.95, "valid": 1.0}[ce_norm] * math.log(2)
    assert history(context())[0]["loss"] == pytest.approx(expected, rel=0.12)


def test_without_validation_subjects_the_last_weights_are_kept(toy_parts, context):
    train, validation, test = toy_parts
    nobody = validation.select(np.arange(0))
    model = train_cnn(train, nobody, tiny(keep="best"), context())
    assert model.scores(test).shape == (60, 3)
    assert "validation_loss" not in history(context())[0]


def test_frames_without_a_known_label_are_never_drawn(toy_parts, context, monkeypatch):
    train, validation, _ = toy_parts
    seen = []
    monkeypatch.setattr(
        cnn_training,
        "cross_entropy_sum",
        lambda logits, labels, _: (seen.append(labels), cross_entropy_sum(logits, labels))[1],
    )
    train_cnn(train, validation, tiny(sampler="random"), context())
    assert (train.labels == 0).all(1).sum() >= 0
    assert all((labels != 0).any(1).all() for labels in seen)


def test_an_au_without_known_labels_is_named(toy_parts, context):
    from dataclasses import replace

    train, validation, _ = toy_parts
    labels = np.array(train._labels)
    labels[:, 1] = 0
    blind = replace(train, _labels=labels)
    with pytest.raises(UserError, match=r"training part of 'toy' has a known label for AU6"):
        train_cnn(blind, validation, tiny(), context())


def test_a_loss_that_is_not_finite_names_its_step_and_keeps_the_last_good_checkpoint(
    toy_parts, context, monkeypatch
):
    train, validation, _ = toy_parts
    calls = iter(range(100))

    def spoiled(logits, labels, _):
        loss = cross_entropy_sum(logits, labels)
        return loss * float("nan") if next(calls) == 4 else loss

    monkeypatch.setattr(cnn_training, "cross_entropy_sum", spoiled)
    job = context()
    with pytest.raises(UserError, match=r"the loss became nan at step 5: lower lr; the last good"):
        train_cnn(train, validation, tiny(), job)
    kept = torch.load(job.restore() / "training.pt", weights_only=True)
    assert kept["progress"]["step"] == 3
    assert all(value.isfinite().all() for value in kept["network"].values())


def test_out_of_memory_says_what_to_lower(toy_parts, context, monkeypatch):
    train, validation, _ = toy_parts

    def hungry(*args):
        raise torch.OutOfMemoryError("out of memory")

    monkeypatch.setattr(cnn_training, "cross_entropy_sum", hungry)
    with pytest.raises(UserError, match=r"a batch of 16 faces did not fit .* lower batch, or set"):
        train_cnn(train, validation, tiny(), context())


def test_an_impossible_sampler_option_is_named():
    labels = np.ones((20, 3), np.int8)
    with pytest.raises(UserError, match="sampler 'momu'"):
        make_sampler(labels, tiny(sampler="momu", sampler_options={"no_such": 1}), 0)


def test_prior_correction_takes_off_what_the_sampler_added(toy_parts, context):
    train, validation, test = toy_parts
    fields = {"sampler": "momu", "iterations": 1, "evaluate_every": 1}
    plain = train_cnn(train, validation, tiny(**fields), context("a"))
    corrected = train_cnn(train, validation, tiny(**fields, prior_correction=True), context("b"))
    shift = plain.scores(test) - corrected.scores(test)
    assert np.allclose(shift, shift[0], atol=1e-4)
    assert (shift[0] > 0.1).all()  # MOMU raises every AU of the toy labels


def test_weights_are_kept_by_the_corrected_scores(toy_parts, context):
    train, validation, _ = toy_parts
    fields = {"sampler": "momu", "iterations": 12, "evaluate_every": 3, "keep": "best"}
    model = train_cnn(train, validation, tiny(**fields, prior_correction=True), context())
    found = mean_f1(validation.labels, model.scores(validation))
    assert model.about["best_validation_mean_f1"] == pytest.approx(found, abs=1e-6)


def test_pictures_without_a_face_do_not_count_in_what_is_taken_off_the_pixels(toy):
    lost = np.arange(len(toy)) % 3 == 0
    black = replace(
        toy,
        _table=replace(toy._table, tracked=~lost),
        _faces=np.where(lost[:, None, None, None], 0, toy.faces[:]).astype(np.uint8),
    )
    seen = toy.select(np.flatnonzero(~lost))
    for pixels in ("caffe", "unit"):
        mean, scale = pixel_statistics(black, tiny(pixels=pixels))
        wanted, wanted_scale = pixel_statistics(seen, tiny(pixels=pixels))
        assert torch.allclose(mean, wanted)
        assert scale == pytest.approx(wanted_scale)
    nothing = replace(toy, _table=replace(toy._table, tracked=np.zeros(len(toy), bool)))
    assert len(with_faces(nothing)) == len(toy)


def test_a_checkpoint_of_another_architecture_is_refused(toy_parts, context):
    train, validation, _ = toy_parts
    train_cnn(train, validation, tiny(), context())
    with pytest.raises(UserError, match=r"made by another architecture: its 'fc6.weight' is"):
        train_cnn(train, validation, tiny(fc=17), context())


@pytest.mark.parametrize("sampler", get_args(Sampler))
def test_every_sampler_of_the_options_draws_batches(toy_parts, sampler):
    """The names are those of the sampling room, and each stream can train."""
    labels = known_labels(toy_parts[0])
    batches = list(make_sampler(labels, tiny(sampler=sampler), 0))
    assert batches
    assert all(len(batch) and batch.max() < len(labels) for batch in batches)
    assert set(get_args(Sampler)) == set(STRATEGIES)


def test_positive_weights_weigh_present_labels_and_leave_the_batches_alone(toy_parts, context):
    train, validation, _ = toy_parts
    fields = {"iterations": 2, "evaluate_every": 1, "keep": "last", "sampler": "random"}
    plain = train_cnn(train, validation, tiny(**fields), context("plain"))
    again = train_cnn(train, validation, tiny(**fields), context("again"))
    weighting = tiny(**fields, positive_weights=True)
    weighted = train_cnn(train, validation, weighting, context("weighted"))
    faces = validation.unlabelled()
    np.testing.assert_array_equal(plain.scores(faces), again.scores(faces))
    assert (weighted.scores(faces) != plain.scores(faces)).any()


def test_a_positive_weight_multiplies_the_terms_of_present_labels():
    logits, labels = torch.tensor([[2.0, -1.0, 0.5, 0.0]]), torch.tensor([[1, -1, 0, 1]])
    weights = torch.tensor([3.0, 5.0, 7.0, 2.0])
    terms = torch.nn.functional.softplus(torch.tensor([-2.0, -1.0, 0.0]))
    expected = 3 * terms[0] + terms[1] + 2 * terms[2]
    torch.testing.assert_close(cross_entropy_sum(logits, labels, weights), expected)
