import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.prepare.registration import (
    MIRROR,
    OUTER_EYES,
    RIGID_SUBSET,
    Registration,
    similarity,
    transform,
)


def umeyama(source, target):
    """The textbook solution by SVD, reflections forbidden (Umeyama, PAMI 1991)."""
    a, b = source - source.mean(0), target - target.mean(0)
    u, d, vt = np.linalg.svd(b.T @ a / len(a))
    s = np.diag([1, np.sign(np.linalg.det(u) * np.linalg.det(vt))])
    rotation = u @ s @ vt
    scale = np.trace(np.diag(d) @ s) / (a**2).sum() * len(a)
    return np.c_[scale * rotation, target.mean(0) - scale * rotation @ source.mean(0)]


@pytest.mark.parametrize("seed", range(5))
def test_similarity_is_umeyamas(seed):
    draw = np.random.default_rng(seed)
    source, target = draw.normal(0, 50, (3, 49, 2)), draw.normal(0, 30, (49, 2))
    if seed == 4:  # a mirrored face: the best fit would reflect, and may not
        source = np.stack([target * [-1, 1]] * 3) + draw.normal(0, 1, (3, 49, 2))
    expected = np.stack([umeyama(s, target) for s in source])
    matrices = similarity(source, target)
    np.testing.assert_allclose(matrices, expected, atol=1e-9)
    assert (np.linalg.det(matrices[:, :, :2]) > 0).all()


@settings(max_examples=50, deadline=None)
@given(
    scale=st.floats(0.05, 20),
    angle=st.floats(-3.1, 3.1),
    dx=st.floats(-500, 500),
    dy=st.floats(-500, 500),
    points=st.sampled_from(["all", "rigid_subset"]),
)
def test_registered_points_do_not_depend_on_where_the_face_was(scale, angle, dx, dy, points):
    registration = Registration(points=points)
    shape = registration.reference + np.random.default_rng(3).normal(0, 3, (49, 2))
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    moved = transform(shape, np.array([[cos, -sin, dx], [sin, cos, dy]]))
    once = transform(shape, registration.fit(shape))
    np.testing.assert_allclose(transform(moved, registration.fit(moved)), once, atol=1e-6)
    np.testing.assert_allclose(transform(once, registration.fit(once)), once, atol=1e-6)


@pytest.mark.parametrize("eye_dist", [80, 90, 100])
def test_reference_shape_is_as_stated(eye_dist):
    reference = Registration(eye_dist=eye_dist).reference
    left, right = reference[list(OUTER_EYES)]
    assert right[0] - left[0] == pytest.approx(eye_dist)
    assert left[1] == pytest.approx(right[1])
    np.testing.assert_allclose(reference.mean(axis=0), (100, 92), atol=1e-9)
    np.testing.assert_allclose(reference[MIRROR] * [-1, 1] + [200, 0], reference, atol=1e-9)
    if eye_dist == 90:  # brows near y = 37, lower lip near y = 146
        assert reference[:, 1].min() == pytest.approx(37, abs=3)
        assert reference[:, 1].max() == pytest.approx(146, abs=3)
    assert (reference > 12).all()  # a centre crop of 176 keeps every point
    assert (reference < 188).all()


def test_mirror_is_its_own_inverse_and_keeps_parts_together():
    assert (MIRROR[MIRROR] == np.arange(49)).all()
    for start, stop in ((0, 10), (10, 14), (14, 19), (19, 31), (31, 43), (43, 49)):
        assert set(MIRROR[start:stop]) == set(range(start, stop))


def test_rigid_subset_ignores_the_mouth():
    reference = Registration().reference
    shape = reference.copy()
    shape[31:] += [0, 25]
    rigid = Registration(points="rigid_subset")
    np.testing.assert_allclose(rigid.fit(shape), np.eye(2, 3), atol=1e-9)
    assert np.abs(Registration().fit(shape) - np.eye(2, 3)).max() > 0.01
    assert set(RIGID_SUBSET) == {19, 22, 25, 28, *range(10, 19)}


def test_lost_or_collapsed_points_give_no_matrix():
    registration = Registration()
    shapes = np.stack([registration.reference, np.full((49, 2), np.nan), np.full((49, 2), 7.0)])
    matrices = registration.fit(shapes)
    assert np.isfinite(matrices[0]).all()
    assert np.isnan(matrices[1:, 0, 0]).all()


@pytest.mark.parametrize("scale", [0.7, 1.4, 2.0, 3.7])
@pytest.mark.parametrize("resampling", ["area", "bilinear"])
def test_warp_puts_a_point_where_transform_says(scale, resampling):
    registration = Registration(resampling=resampling)
    shape = transform(registration.reference, scale * np.array([[1, -0.2, 60], [0.2, 1, 30]]))
    size = int(300 * scale)
    picture = np.zeros((size, size, 3), np.uint8)
    x, y = np.round(shape[13]).astype(int)
    reach = int(4 * scale)
    picture[y - reach : y + reach + 1, x - reach : x + reach + 1] = 255
    matrix = registration.fit(shape)
    face = registration.warp(picture, matrix)
    assert face.shape == (200, 200, 3)
    weight = face[..., 0].astype(float)
    ys, xs = np.mgrid[:200, :200]
    centre = (xs * weight).sum() / weight.sum(), (ys * weight).sum() / weight.sum()
    expected = transform(np.array([[x, y]], float), matrix)[0]
    np.testing.assert_allclose(centre, expected, atol=0.1)


def test_area_resampling_reads_every_pixel_of_a_large_picture():
    draw = np.random.default_rng(0)
    noise = draw.integers(0, 256, (900, 900, 3), dtype=np.uint8)
    shape = transform(Registration().reference, np.array([[3.7, 0, 50], [0, 3.7, 60]]))
    spread = {
        kind: Registration(resampling=kind).warp(noise, Registration().fit(shape)).std()
        for kind in ("area", "bilinear")
    }
    assert spread["area"] < 0.6 * spread["bilinear"]
    small = draw.integers(0, 256, (400, 400, 3), dtype=np.uint8)
    matrix = np.array([[0.6, 0.1, 3], [-0.1, 0.6, 9]])
    np.testing.assert_array_equal(
        Registration().warp(small, matrix), Registration(resampling="bilinear").warp(small, matrix)
    )


def test_a_face_outside_the_picture_is_black():
    matrix = np.array([[0.3, 0, -9000], [0, 0.3, -9000]])
    assert not Registration().warp(np.full((300, 300, 3), 255, np.uint8), matrix).any()
