import subprocess
import sys

import numpy as np
import pytest
import torch

from harness.errors import UserError
from harness.registry import load_method
from hybrid.methods import Anet, Cnn, EndToEnd, Hybrid, JointTraining, Lstm, LstmStack
from hybrid.thresholds import WithThresholds

SMALL = {
    "size": "small",
    "cnn": {
        "resolution": 40,
        "crop": 36,
        "widths": (8, 8, 8, 8, 8),
        "fc": 16,
        "batch": 16,
        "iterations": 8,
        "evaluate_every": 4,
        "pixels": "unit",
    },
}
SEQUENCE = {"pca": 6, "hidden": 8, "window": 25, "windows": 4, "updates": 6, "evaluate_every": 3}
JOINT = {"window": 10, "windows": 2, "updates": 2, "evaluate_every": 1}
TEMPORAL = {**SMALL, "sequence": SEQUENCE}


def trained(name, options, parts, context, cache):
    """A fitted method, with its stages trained first as the harness would."""
    found = load_method(name)
    method = found(found.Options(**options))
    folders = {}
    for stage_name, stage in method.stages().items():
        key = f"{stage.method} {sorted(stage.options.items())}"
        if key not in cache:
            model = trained(stage.method, stage.options, parts, context, cache)
            cache[key] = context(f"stage{len(cache)}").folder / "model"
            cache[key].mkdir()
            model.save(cache[key])
        folders[stage_name] = cache[key]
    return method.fit(*parts[:2], context(f"{name}-{len(cache)}", stages=folders))


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("anet", {"size": "small", **SMALL["cnn"]}),
        ("anet", {"size": "small", **SMALL["cnn"], "threshold": "val_f1"}),
        ("anet", {"size": "small", **SMALL["cnn"], "labels": "single"}),
        ("lstm", TEMPORAL),
        ("hybrid", TEMPORAL),
        ("hybrid", {**TEMPORAL, "threshold": "val_f1", "fusion": {"mode": "feature"}}),
        ("hybrid", {**TEMPORAL, "fusion": {"data": "oof", "parts": 2, "normalise": "au"}}),
        ("end-to-end", {**TEMPORAL, "joint": JOINT}),
    ],
)
def test_a_method_trains_scores_saves_and_loads(toy_parts, context, tmp_path, name, options):
    model = trained(name, options, toy_parts, context, {})
    test = toy_parts[2].unlabelled()
    scores = model.scores(test)
    assert scores.shape == (60, 3)
    assert scores.dtype == np.float32
    assert np.isfinite(scores).all()
    assert (scores.std(0) > 0).all()
    (tmp_path / "saved").mkdir()
    model.save(tmp_path / "saved")
    again = load_method(name).load(tmp_path / "saved")
    assert np.array_equal(again.scores(test), scores)
    fewer = test.with_aus([12, 1])
    assert np.array_equal(again.scores(fewer), scores[:, [2, 0]])


def test_lstm_and_hybrid_rest_on_one_stage_and_it_on_the_cnn_of_anet():
    cnn = Anet(Anet.Options(size="small", **SMALL["cnn"])).stages()["cnn"]
    lstm = Lstm(Lstm.Options(**TEMPORAL)).stages()["lstm"]
    assert Hybrid(Hybrid.Options(**TEMPORAL)).stages()["lstm"] == lstm
    stack = LstmStack(LstmStack.Options(**lstm.options))
    assert stack.stages()["cnn"] == cnn
    assert Cnn(Cnn.Options(**cnn.options)).stages() == {}
    joint = EndToEnd(EndToEnd.Options(**TEMPORAL, joint=JOINT)).stages()["joint"]
    assert JointTraining(JointTraining.Options(**joint.options)).stages()["lstm"] == lstm
    thresholds = Lstm(Lstm.Options(**TEMPORAL, threshold="val_f1"))
    assert thresholds.stages()["lstm"] == lstm


def test_only_the_stages_that_train_networks_ask_for_a_training_process():
    assert Cnn().needs().train
    assert LstmStack().needs().train
    assert JointTraining().needs().train
    assert not any(method().needs().train for method in (Anet, Lstm, Hybrid, EndToEnd))


def test_the_representation_has_length_one_unless_raw(toy_parts, context):
    cnn = trained("anet", {"size": "small", **SMALL["cnn"]}, toy_parts, context, {})
    test = toy_parts[2].unlabelled()
    fc7 = cnn.represent(test)
    assert fc7.shape == (60, 16)
    assert fc7.dtype == np.float32
    assert np.allclose(np.linalg.norm(fc7, axis=1), 1, atol=1e-5)
    raw = cnn.represent(test, raw=True)
    assert (raw >= 0).all()
    assert np.allclose(fc7, raw / np.linalg.norm(raw, axis=1, keepdims=True), atol=1e-6)


def test_thresholds_move_scores_by_a_constant_that_is_best_on_validation(toy_parts, context):
    from harness.metrics import frame_f1

    cache = {}
    options = {"size": "small", **SMALL["cnn"]}
    plain = trained("anet", options, toy_parts, context, cache)
    moved = trained("anet", {**options, "threshold": "val_f1"}, toy_parts, context, cache)
    assert len(cache) == 1
    validation = toy_parts[1]
    shift = plain.scores(validation) - moved.scores(validation)
    assert np.allclose(shift, shift[0], atol=1e-6)
    f1 = frame_f1(validation.labels, moved.scores(validation))
    for offset in np.linspace(-2, 2, 41):
        other = frame_f1(validation.labels, plain.scores(validation) - offset)
        assert (f1 >= other - 1e-9).all()


def test_a_threshold_between_neighbouring_numbers_keeps_both_on_their_sides():
    low, high = np.float32(0.50000006), np.float32(0.5000001)
    scores = np.array([[low], [high]], np.float32)

    class Model:
        aus = (1,)

        def scores(self, frames):
            return scores

    class Frames:
        aus = (1,)

    threshold = np.array([(float(low) + float(high)) / 2])
    assert (WithThresholds(Model(), threshold).scores(Frames()) > 0).tolist() == [[False], [True]]


def test_importing_the_methods_imports_no_torch():
    code = "import sys, hybrid.methods; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_saved_models_are_refused_in_one_line_where_they_do_not_fit(toy_parts, context, tmp_path):
    cnn = trained("anet", {"size": "small", **SMALL["cnn"]}, toy_parts, context, {})
    folder = tmp_path / "saved"
    folder.mkdir()
    with pytest.raises(UserError, match="holds no saved model"):
        Anet.load(folder)
    cnn.save(folder)
    with pytest.raises(UserError, match="holds a model of kind 'anet', not 'lstm'"):
        LstmStack.load(folder)
    header = (folder / "options.json").read_text()
    (folder / "options.json").write_text(header.replace('"fc": 16', '"fc": 17'))
    with pytest.raises(UserError, match=r"was made by another architecture: its 'fc6.weight'"):
        Anet.load(folder)
    (folder / "options.json").write_text(header)
    (folder / "model.pt").write_bytes(b"not weights")
    with pytest.raises(UserError, match=r"model.pt cannot be read as saved weights"):
        Anet.load(folder)
    from hybrid.anet_model import columns_of

    with pytest.raises(UserError, match="trained without AU99; it knows"):
        columns_of(cnn.aus, (99,))


def test_a_saved_model_cannot_smuggle_code(tmp_path):
    class Evil:
        def __reduce__(self):
            return (print, ("executed",))

    torch.save({"network": Evil()}, tmp_path / "model.pt")
    (tmp_path / "options.json").write_text('{"kind": "anet", "aus": [1], "options": {}}')
    with pytest.raises(UserError, match="cannot be read as saved weights"):
        Anet.load(tmp_path)
