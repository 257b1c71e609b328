"""Whole-face HOG, Gabor magnitudes, shape and network files: definitions and invariants."""

import base64
import sys

import cv2
import numpy as np
import pytest
import torch

from baselines.features.face_hog import FaceHog
from baselines.features.gabor import Gabor
from baselines.features.network_file import NetworkFile
from baselines.features.shape import Shape
from harness.errors import UserError
from harness.prepare.registration import Registration


@pytest.fixture
def faces():
    generator = np.random.default_rng(0)
    small = generator.integers(0, 255, (3, 30, 30, 3), dtype=np.uint8)
    return np.stack([cv2.resize(face, (200, 200)) for face in small])


@pytest.fixture
def landmarks():
    return np.random.default_rng(1).uniform(30, 170, (3, 49, 2)).astype(np.float32)


@pytest.fixture
def network(tmp_path):
    file = tmp_path / "network.pt"
    torch.jit.script(torch.nn.Sequential(torch.nn.AvgPool2d(8), torch.nn.Flatten())).save(file)
    return str(file)


EXTRACTORS = [FaceHog, Gabor, lambda: Gabor(pool="at_landmarks"), Shape]


@pytest.mark.parametrize("make", EXTRACTORS)
def test_shape_finite_and_zero_for_a_lost_face(make, faces, landmarks):
    extract = make()
    expected = extract(faces, landmarks)
    assert expected.shape == (3, extract.dimension)
    assert expected.dtype == np.float32
    assert expected.any(axis=1).all()
    landmarks[1] = np.nan
    found = extract(faces, landmarks)
    assert not found[1].any()
    np.testing.assert_array_equal(found[[0, 2]], expected[[0, 2]])


@pytest.mark.parametrize(
    ("make", "dimension"),
    [
        (FaceHog, 4356),
        (Gabor, 10240),
        (lambda: Gabor(pool=8), 2560),
        (lambda: Gabor(pool="at_landmarks"), 1960),
        (Shape, 98),
    ],
)
def test_dimensions_of_the_specification(make, dimension):
    assert make().dimension == dimension


@pytest.mark.parametrize("size", [200, 64])
def test_face_hog_is_opencvs_descriptor(size, faces, landmarks):
    pictures = np.ascontiguousarray(faces[:, :size, :size])
    side = size // 16 * 16
    edge = (size - side) // 2
    descriptor = cv2.HOGDescriptor((side, side), (32, 32), (16, 16), (16, 16), 9)
    found = FaceHog(size=size)(pictures, landmarks)
    for picture, row in zip(pictures, found, strict=True):
        gray = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)[edge : edge + side, edge : edge + side]
        np.testing.assert_allclose(row, descriptor.compute(np.ascontiguousarray(gray)), atol=1e-5)


def test_face_hog_sees_unsigned_gradients(faces, landmarks):
    found = FaceHog()(np.stack([faces[0], 255 - faces[0], faces[0]]), landmarks)
    np.testing.assert_allclose(found[0], found[1], atol=0.02)
    assert found.min() >= 0
    blocks = np.linalg.norm(found.reshape(-1, 36), axis=1)
    np.testing.assert_allclose(blocks, 1, atol=0.02)


def test_gabor_prefers_the_grating_of_its_own_wavelength_and_direction(landmarks):
    # Scale 2 has |k| = pi / 4, a wavelength of 8 px of 96, or 8 / 96 of the face.
    x = np.arange(200) + 0.5
    for orientation, axis in ((0, 1), (4, 0)):
        wave = 127 + 100 * np.sin(2 * np.pi * x * 12 / 200)
        face = np.repeat(np.expand_dims(wave, 1 - axis), 200, axis=1 - axis)
        face = np.repeat(face[..., None], 3, axis=2).astype(np.uint8)
        maps = Gabor()(face[None], landmarks[:1]).reshape(5, 8, 256).mean(axis=2)
        assert np.unravel_index(maps.argmax(), maps.shape) == (2, orientation)


def test_gabor_does_not_see_brightness_and_contrast(faces, landmarks):
    one, other = (Gabor()(x, landmarks) for x in (faces // 2, faces // 2 + 50))
    np.testing.assert_allclose(one, other, atol=1e-3)
    assert not Gabor()(np.full_like(faces, 80), landmarks).any()


def test_gabor_filters_have_no_mean_and_real_responses():
    responses = Gabor()._responses_MHW
    assert np.abs(responses[:, 0, 0]).max() < 1e-4
    assert responses.shape == (40, 96, 96)


def test_shape_is_zero_at_the_reference_and_pixels_are_kept(faces, landmarks):
    reference = Registration().reference.astype(np.float32)
    np.testing.assert_allclose(Shape()(faces[:1], reference[None]), 0, atol=1e-5)
    moved = Shape()(faces[:1], reference[None] + [90, 0]).reshape(49, 2)
    np.testing.assert_allclose(moved, np.tile([1.0, 0.0], (49, 1)), atol=1e-5)
    pixels = Shape(units="pixels")(faces, landmarks)
    np.testing.assert_allclose(pixels, landmarks.reshape(3, 98))


def test_a_torchscript_network_gets_the_pictures_it_asks_for(faces, landmarks, network):
    options = {"file": network, "size": 32, "mean": (1.0, 2.0, 3.0), "scale": 0.5}
    rgb = NetworkFile(**options)(faces, landmarks)
    assert rgb.shape == (3, 48)
    small = cv2.resize(faces[2], (32, 32), interpolation=cv2.INTER_AREA).astype(np.float32)
    blocks = ((small - [1, 2, 3]) * 0.5).reshape(4, 8, 4, 8, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(rgb[2].reshape(3, 4, 4), blocks.transpose(2, 0, 1), rtol=1e-4)
    bgr = NetworkFile(**options, channels="bgr")(faces, landmarks)
    np.testing.assert_allclose(
        bgr[2].reshape(3, 16)[0], rgb[2].reshape(3, 16)[2] + (3 - 1) * 0.5, rtol=1e-4
    )
    landmarks[0] = np.nan
    assert not NetworkFile(**options)(faces, landmarks)[0].any()


def test_bad_networks_are_named(faces, landmarks, network, tmp_path):
    with pytest.raises(UserError, match="no such file"):
        NetworkFile(file=str(tmp_path / "none.pt"))
    (tmp_path / "text.pt").write_text("not a network")
    with pytest.raises(UserError, match="not a TorchScript file"):
        NetworkFile(file=str(tmp_path / "text.pt"))
    (tmp_path / "network.bin").write_bytes(b"")
    with pytest.raises(UserError, match=r"\.onnx"):
        NetworkFile(file=str(tmp_path / "network.bin"))
    with pytest.raises(UserError, match="does not run"):
        NetworkFile(file=network, size=4)


# AveragePool 8 x 8 and Flatten on (N, 3, 32, 32), and on batches of 2
ONNX = {
    "any": "CAgSADqGAQo8CgF4EgFwIgtBdmVyYWdlUG9vbCoVCgxrZXJuZWxfc2hhcGVACEAIoAEHKhAKB3N0cmlkZXNACEAIo"
    "AEHCg8KAXASAXkiB0ZsYXR0ZW4SAWdaHAoBeBIXChUIARIRCgMSAU4KAggDCgIIIAoCCCBiFAoBeRIPCg0IARIJCgMSAU4K"
    "AggwQgQKABAN",
    "2": "CAgSADqEAQo8CgF4EgFwIgtBdmVyYWdlUG9vbCoVCgxrZXJuZWxfc2hhcGVACEAIoAEHKhAKB3N0cmlkZXNACEAIoAE"
    "HCg8KAXASAXkiB0ZsYXR0ZW4SAWdaGwoBeBIWChQIARIQCgIIAgoCCAMKAgggCgIIIGITCgF5Eg4KDAgBEggKAggCCgIIME"
    "IECgAQDQ==",
}


@pytest.mark.parametrize("batch", list(ONNX))
def test_an_onnx_network_gives_what_the_same_torchscript_gives(
    batch, faces, landmarks, network, tmp_path
):
    pytest.importorskip("onnxruntime")
    file = tmp_path / "network.onnx"
    file.write_bytes(base64.b64decode(ONNX[batch]))
    options = {"size": 32, "mean": (1.0, 2.0, 3.0), "scale": 0.5, "channels": "bgr"}
    found = NetworkFile(file=str(file), **options)
    assert found.dimension == 48
    expected = NetworkFile(file=network, **options)(faces, landmarks)
    np.testing.assert_allclose(found(faces, landmarks), expected, rtol=1e-5)
    with pytest.raises(UserError, match="does not run"):
        NetworkFile(file=str(file), size=16)


def test_a_broken_onnx_file_is_named(tmp_path):
    pytest.importorskip("onnxruntime")
    file = tmp_path / "network.onnx"
    file.write_bytes(b"nonsense")
    with pytest.raises(UserError, match=r"network\.onnx is not an ONNX network"):
        NetworkFile(file=str(file))


def test_onnx_without_its_package_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    (tmp_path / "network.onnx").write_bytes(b"")
    with pytest.raises(UserError, match="pip install onnxruntime"):
        NetworkFile(file=str(tmp_path / "network.onnx"))


@pytest.mark.parametrize(
    ("make", "options"),
    [
        (Gabor, {"pool": 10}),
        (Shape, {"units": "inches"}),
        (Shape, {"eye_dist": 85}),
        (FaceHog, {"size": 20}),
    ],
)
def test_bad_options_are_named(make, options):
    with pytest.raises(UserError, match="must be"):
        make(**options)
