import pytest
from pydantic import ValidationError

from hybrid.options import AnetOptions, CnnOptions, FusionOptions, HybridOptions, SequenceOptions


def test_defaults_are_the_papers():
    cnn, lstm = CnnOptions(), SequenceOptions()
    assert (cnn.resolution, cnn.crop, cnn.batch, cnn.iterations) == (200, 176, 196, 8000)
    assert (cnn.lr, cnn.momentum, cnn.weight_decay) == (1e-3, 0.9, 5e-4)
    assert (cnn.geometry, cnn.norm, cnn.ce_norm, cnn.init) == ("alexnet_pad", "lrn", "L", "caffe")
    assert (lstm.hidden, lstm.layers, lstm.pca, lstm.margin) == (256, 3, 1024, 0.5)
    assert (lstm.window, lstm.windows, lstm.burn_in, lstm.min_active) == (1300, 10, 10, 1.5)
    assert (lstm.lr, lstm.momentum, lstm.rms_alpha, lstm.decay) == (1e-3, 0.9, 0.95, 0.97)
    assert (lstm.head, lstm.gate, lstm.short) == ("linear_tanh", "k", "concat_subject")
    fusion = FusionOptions()
    assert (fusion.mode, fusion.score, fusion.data, fusion.hidden) == (
        "score_fc2", "logit", "val", 64,
    )  # fmt: skip
    assert AnetOptions().threshold == "fixed"


def test_a_preset_is_its_explicit_twin_and_gives_way_to_what_is_given():
    small = CnnOptions(size="small")
    assert CnnOptions(**small.model_dump(mode="json")) == small
    assert CnnOptions(size="small", fc=7).fc == 7
    assert CnnOptions(size="small", fc=7).crop == small.crop


@pytest.mark.parametrize(
    "given", [{}, {"mode": "feature"}, {"mode": "siamese"}, {"loss": "hinge"}, {"data": "val"}]
)
def test_what_of_the_small_fusion_does_not_fit_gives_way_to_what_was_asked_for(given):
    options = FusionOptions(size="small", **given)
    assert all(getattr(options, name) == value for name, value in given.items())
    assert FusionOptions(**options.model_dump(mode="json")) == options
    assert options.normalise == ("frame" if given.get("mode") == "feature" else "au")


def test_size_reaches_the_parts_that_do_not_name_their_own():
    options = HybridOptions(size="small", cnn={"fc": 7}, fusion={"size": "paper"})
    assert options.cnn == CnnOptions(size="small", fc=7)
    assert options.sequence == SequenceOptions(size="small")
    assert options.fusion == FusionOptions()
    again = HybridOptions(**options.model_dump(mode="json"))
    assert again == options


@pytest.mark.parametrize(
    ("options", "fields", "message"),
    [
        (CnnOptions, {"crop": 150, "resolution": 100}, "crop 150 is larger than resolution 100"),
        (CnnOptions, {"backbone": "torchvision.models.resnet18"}, "is not module:callable"),
        (CnnOptions, {"backbone_options": {"a": 1}}, "backbone_options need a backbone"),
        (CnnOptions, {"size": "large"}, "'paper', 'medium' or 'small'"),
        (CnnOptions, {"no_such": 1}, "Extra inputs are not permitted"),
        (CnnOptions, {"labels": "single", "ce_norm": "valid"}, "ce_norm 'valid'"),
        (HybridOptions, {"cnn": {"labels": "single"}}, "gives no shared fc7"),
        (SequenceOptions, {"burn_in": 1300}, "leaves nothing of a window of 1300 frames"),
        (SequenceOptions, {"bidirectional": True, "burnin": "detach"}, "take 'mask_loss'"),
        (SequenceOptions, {"rms": "rms_alpha", "momentum_is": "rms_alpha"}, "cannot both be"),
        (FusionOptions, {"mode": "feature", "init": "sum"}, "init 'sum' adds scores"),
        (FusionOptions, {"mode": "siamese", "init": "weighted"}, "mode 'siamese' does not"),
    ],
)
def test_what_makes_no_sense_is_refused(options, fields, message):
    with pytest.raises(ValidationError, match=message):
        options(**fields)


def test_feature_fusion_starts_random():
    assert FusionOptions(mode="feature").init == "random"
    assert FusionOptions(size="small", mode="feature").init == "random"
    assert FusionOptions(size="small", mode="siamese").init == "sum"
    assert FusionOptions(size="small").init == "weighted"
