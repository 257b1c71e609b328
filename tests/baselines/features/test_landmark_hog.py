"""Landmark HOG against a direct computation of its definition, and its invariants."""

import cv2
import numpy as np
import pytest

from baselines.features.landmark_hog import CELLS, CLIP, ORIENTATIONS, LandmarkHog
from harness.errors import UserError


@pytest.fixture
def faces():
    generator = np.random.default_rng(0)
    small = generator.integers(0, 255, (3, 30, 30, 3), dtype=np.uint8)
    return np.stack([cv2.resize(face, (200, 200)) for face in small])


@pytest.fixture
def landmarks():
    return np.random.default_rng(1).uniform(30, 170, (3, 49, 2)).astype(np.float32)


def direct(face, point, patch):
    """The definition, pixel by pixel, at a point on the pixel grid."""
    gray = cv2.cvtColor(face, cv2.COLOR_RGB2GRAY).astype(np.float64)
    gx, gy = np.zeros_like(gray), np.zeros_like(gray)
    gx[:, 1:-1] = (gray[:, 2:] - gray[:, :-2]) / 2
    gy[1:-1] = (gray[2:] - gray[:-2]) / 2
    magnitude = np.hypot(gx, gy)
    turn = (np.arctan2(gy, gx) % (2 * np.pi)) * ORIENTATIONS / (2 * np.pi)
    cell = patch // CELLS
    y, x = np.mgrid[0:200, 0:200]
    out = np.zeros((CELLS, CELLS, ORIENTATIONS))
    for r in range(CELLS):
        for c in range(CELLS):
            dy, dx = (r - 1.5) * cell, (c - 1.5) * cell
            near = np.clip(1 - np.abs(y - point[1] - dy) / cell, 0, None)
            near *= np.clip(1 - np.abs(x - point[0] - dx) / cell, 0, None)
            window = np.exp(-(dx**2 + dy**2) / (2 * (patch / 2) ** 2))
            for o in range(ORIENTATIONS):
                away = np.abs(turn - o)
                away = np.minimum(away, ORIENTATIONS - away)
                out[r, c, o] = window * (near * magnitude * np.clip(1 - away, 0, None)).sum()
    out = out.ravel() / np.linalg.norm(out)
    out = np.minimum(out, CLIP)
    return out / np.linalg.norm(out)


@pytest.mark.parametrize("patch", [32, 40])
def test_equals_its_definition_where_cell_centres_fall_on_pixels(faces, patch):
    points = np.tile(np.array([[60, 90], [100, 100], [141, 77]], np.float32), (17, 1))[:49]
    found = LandmarkHog(patch=patch)(faces[:1], points[None])[0].reshape(49, 128)
    for p in range(3):
        np.testing.assert_allclose(found[p], direct(faces[0], points[p], patch), atol=2e-3)


def test_shape_and_length(faces, landmarks):
    extract = LandmarkHog()
    assert extract.dimension == 6272
    features = extract(faces, landmarks)
    assert features.shape == (3, 6272)
    assert features.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(features.reshape(3, 49, 128), axis=2), 1, rtol=1e-5)
    whole = LandmarkHog(normalise="whole")(faces, landmarks)
    np.testing.assert_allclose(np.linalg.norm(whole, axis=1), 1, rtol=1e-5)


def test_a_lost_face_gives_zeros_and_leaves_the_others_alone(faces, landmarks):
    expected = LandmarkHog()(faces, landmarks)
    landmarks[1, 7] = np.nan
    found = LandmarkHog()(faces, landmarks)
    assert not found[1].any()
    np.testing.assert_array_equal(found[[0, 2]], expected[[0, 2]])


def test_a_flat_patch_gives_zeros_not_noise(faces, landmarks):
    faces[0, :, :100] = 77
    landmarks[0, :10] = (40, 100)
    found = LandmarkHog()(faces, landmarks)[0].reshape(49, 128)
    assert not found[:10].any()
    assert found[10:].any()


def test_brightness_and_contrast_do_not_matter(faces, landmarks):
    dark = (faces // 2).astype(np.uint8)
    brighter = dark + 60
    one, other = LandmarkHog()(dark, landmarks), LandmarkHog()(brighter, landmarks)
    np.testing.assert_allclose(one, other, atol=0.02)


def test_orientation_zero_points_right_and_two_down():
    ramp = np.tile(np.arange(200, dtype=np.uint8), (200, 1))
    points = np.full((1, 49, 2), 100, np.float32)
    right = np.repeat(ramp[None, ..., None], 3, axis=3)
    for picture, expected in ((right, 0), (right.transpose(0, 2, 1, 3), 2)):
        votes = LandmarkHog()(picture, points)[0, :128].reshape(16, 8)
        assert np.all(votes.argmax(axis=1) == expected)
        assert np.all(np.delete(votes, expected, axis=1) == 0)


def test_landmarks_outside_of_the_picture_are_allowed(faces, landmarks):
    landmarks[0, 0] = (-300, 50)
    landmarks[0, 1] = (2, 199)
    found = LandmarkHog()(faces, landmarks)
    assert np.isfinite(found).all()
    assert not found[0, :128].any()


def test_chunks_and_threads_do_not_change_the_result(faces, landmarks):
    together = LandmarkHog()(faces, landmarks)
    alone = np.concatenate(
        [LandmarkHog()(faces[i : i + 1], landmarks[i : i + 1]) for i in range(3)]
    )
    np.testing.assert_array_equal(together, alone)
    before = cv2.getNumThreads()
    cv2.setNumThreads(2)
    try:
        np.testing.assert_array_equal(LandmarkHog()(faces, landmarks), together)
        assert cv2.getNumThreads() == 2
    finally:
        cv2.setNumThreads(before)


@pytest.mark.parametrize("options", [{"patch": 30}, {"patch": 0}, {"normalise": "l1"}])
def test_bad_options_are_named(options):
    with pytest.raises(UserError, match="landmark HOG"):
        LandmarkHog(**options)
