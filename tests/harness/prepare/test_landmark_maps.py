import numpy as np
import pytest

from harness.prepare.landmark_maps import FROM_66, FROM_68, FROM_MESH, to_49


def test_68_drops_the_jaw_and_the_inner_mouth_corners():
    assert FROM_68.tolist() == [i for i in range(68) if i >= 17 and i not in (60, 64)]
    points = np.arange(136).reshape(68, 2)
    np.testing.assert_array_equal(to_49(points)[43], points[61])  # inner upper lip, left
    np.testing.assert_array_equal(to_49(points)[37], points[54])  # right mouth corner


def test_66_is_68_without_the_inner_mouth_corners():
    points = np.random.default_rng(0).normal(size=(5, 68, 2))
    without = np.delete(points, (60, 64), axis=1)
    np.testing.assert_array_equal(to_49(without), to_49(points))
    assert len(FROM_66) == 49


def test_mesh_takes_named_vertices_and_averages_pairs():
    mesh = np.random.default_rng(1).normal(size=(478, 2))
    points = to_49(mesh)
    np.testing.assert_allclose(points[19], mesh[33])  # outer corner of the eye on the left
    np.testing.assert_allclose(points[28], mesh[263])
    np.testing.assert_allclose(points[10], (mesh[168] + mesh[6]) / 2)
    np.testing.assert_allclose(points[48], mesh[87])
    np.testing.assert_array_equal(to_49(mesh[:468]), points)
    assert FROM_MESH.shape == (49, 2)


def test_other_counts_are_refused():
    with pytest.raises(ValueError, match="51"):
        to_49(np.zeros((51, 2)))
