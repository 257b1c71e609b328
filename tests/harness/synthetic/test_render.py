"""Faces show what FACS says they should, where it says, and their landmarks lie on them."""

import numpy as np
import pytest
import torch

from harness.synthetic.camera import SensorNoise
from harness.synthetic.geometry import landmarks
from harness.synthetic.motion import performance
from harness.synthetic.preview import combined, expressions, still
from harness.synthetic.recipe import SyntheticRecipe, headers, table
from harness.synthetic.render import Renderer
from harness.synthetic.shape import ACTIONS, MIRROR, resting_landmarks


def placed(actions, person=0):
    """Landmarks (A, 49, 2) of one person showing each action alone at full intensity."""
    rows = np.stack([combined(a, 1.0) for a in actions])
    return landmarks("lab", 0, person, still(rows))


def rendered(acted, person=0, task=0):
    return np.concatenate([f for _, f, _ in Renderer("lab", 0, person, task).batches(acted)])


def test_the_mean_face_is_registered():
    points = resting_landmarks()
    np.testing.assert_allclose(points.mean(axis=0), [100, 92], atol=0.01)
    assert np.hypot(*(points[28] - points[19])) == pytest.approx(90, abs=0.01)
    np.testing.assert_allclose(points[MIRROR] * [-1, 1] + [200, 0], points, atol=1e-9)


def test_people_are_registered_with_a_small_jitter():
    acted = performance("lab", 0, 2, 1, 60)
    points = landmarks("lab", 0, 2, acted)
    np.testing.assert_allclose(points.mean(axis=(0, 1)), [100, 92], atol=1.5)
    wobble = points.mean(axis=1).std(axis=0)
    assert (wobble > 0.05).all()
    assert (wobble < 1.5).all()
    width = np.hypot(*(points[:, 28] - points[:, 19]).T)
    assert 78 < width.min() < width.max() < 102


@pytest.mark.parametrize("person", [0, 3, 8])
def test_actions_move_landmarks_as_facs_describes(person):
    actions = ((), (1,), (2,), (4,), (12,), (15,), (7,), (24,), (25, 26))
    rest, inner, outer, lower, smile, frown, lids, press, jaw = placed(actions, person)
    from_eyes = lambda p: p - p[[19, 22, 25, 28]].mean(0)  # noqa: E731
    rest, inner, outer, lower, smile, frown, lids, press, jaw = map(
        from_eyes, (rest, inner, outer, lower, smile, frown, lids, press, jaw)
    )
    up = lambda p, rows: (rest[rows, 1] - p[rows, 1]).mean()  # noqa: E731
    assert up(inner, [4, 5]) > 3
    assert up(inner, [4, 5]) > up(inner, [0, 9]) + 2
    assert up(outer, [1, 8]) > 3
    assert up(outer, [1, 8]) > up(outer, [4, 5]) + 2
    assert up(lower, [3, 4, 5, 6]) < -2
    assert lower[5, 0] - lower[4, 0] < rest[5, 0] - rest[4, 0] - 3  # brows draw together
    assert up(smile, [31, 37]) > 3
    assert smile[37, 0] - smile[31, 0] > rest[37, 0] - rest[31, 0] + 8
    assert up(frown, [31, 37]) < -3
    opening = lambda p: p[[23, 24, 29, 30], 1].mean() - p[[20, 21, 26, 27], 1].mean()  # noqa: E731
    assert opening(lids) < opening(rest) - 1.5
    lips = lambda p: p[40, 1] - p[34, 1]  # noqa: E731
    assert lips(press) < lips(rest) - 2
    assert jaw[47, 1] - jaw[44, 1] > rest[47, 1] - rest[44, 1] + 4


@pytest.mark.parametrize("person", [3, 4])
def test_each_action_changes_the_picture_most_where_it_should(person):
    import cv2

    places = {2: (25, 70), 4: (25, 75), 12: (95, 165), 15: (120, 175), 17: (135, 180)}
    sheet = np.stack([combined(a, 1.0) for a in ((), *((au,) for au in places))])
    faces = expressions("lab", 0, person, sheet).astype(np.float32)
    for au, face in zip(places, faces[1:], strict=True):
        # over patches, since the camera's noise changes every pixel
        change = cv2.GaussianBlur(np.abs(cv2.GaussianBlur(face - faces[0], (0, 0), 2)), (0, 0), 7)
        # inside the face: registration also moves its outline a little
        row = 25 + int(change.mean(axis=-1)[25:175, 65:135].max(axis=1).argmax())
        low, high = places[au]
        assert low <= row <= high, f"AU{au} changes row {row} most"


def test_no_action_shows_in_the_global_brightness():
    sheet = np.stack([combined((), 0)] + [combined((a,), 1.0) for a in ACTIONS])
    for person in (1, 4):
        mean = expressions("lab", 0, person, sheet).mean(axis=(1, 2, 3))
        assert np.abs(mean - mean[0]).max() < 5


def test_subjects_differ_as_much_as_actions_do():
    people = np.stack(
        [expressions("lab", 0, p, np.stack([combined((), 0)]))[0] for p in range(4)]
    ).astype(float)
    actions = expressions(
        "lab", 0, 0, np.stack([combined((a,), 1.0) for a in (1, 4, 12, 15)])
    ).astype(float)
    inner = (slice(None), slice(30, 170), slice(40, 160))
    between = np.abs(people[inner] - people[inner].mean(0)).mean()
    within = np.abs(actions[inner] - actions[inner].mean(0)).mean()
    assert between > within


def test_a_frame_does_not_depend_on_its_neighbours_in_the_batch():
    acted = performance("lab", 0, 1, 0, 21)
    whole = rendered(acted, person=1)
    np.testing.assert_array_equal(rendered(acted.rows(0, 5), person=1), whole[:5])
    np.testing.assert_array_equal(rendered(acted.rows(0, 17), person=1), whole[:17])


def test_blinks_close_the_eyes():
    acted = still(np.stack([combined((), 0)] * 2))
    acted.blink[1] = 1.0
    open_eye, closed = landmarks("lab", 0, 8, acted)
    height = lambda p: p[[23, 24], 1].mean() - p[[20, 21], 1].mean()  # noqa: E731
    assert height(open_eye) > 5
    assert height(closed) < 2


def test_turning_the_head_foreshortens_one_side():
    acted = still(np.stack([combined((), 0)] * 2))
    acted.pose[1] = [0.35, 0.0]
    front, turned = landmarks("lab", 0, 2, acted)
    ratio = lambda p: np.hypot(*(p[19] - p[13])) / np.hypot(*(p[28] - p[13]))  # noqa: E731
    assert abs(np.log(ratio(turned) / ratio(front))) > 0.15


def test_hands_cover_the_face():
    acted = still(np.stack([combined((), 0)] * 2))
    acted.hand[1] = [100, 130, 1]
    free, covered = rendered(acted, person=4).astype(float)
    change = np.abs(free - covered).mean(axis=-1)
    assert change[140:180, 80:120].mean() > 8
    assert change[:60].mean() < 3


def test_landmarks_come_from_the_geometry_that_moves_the_pixels():
    """A dark pupil lies between the eye's landmarks, in still and in turned faces."""
    acted = still(np.stack([combined((), 0)] * 2))
    acted.pose[1] = [0.25, 0.1]
    renderer = Renderer("lab", 0, 8, 0)
    for _, faces, points in renderer.batches(acted):
        for face, marks in zip(faces, points, strict=True):
            for eye in (slice(19, 25), slice(25, 31)):
                x, y = marks[eye].mean(axis=0).round().astype(int)
                middle = face[y - 2 : y + 2, x - 2 : x + 3].mean()
                corner_y = int(marks[eye.start][1].round())
                beside = face[corner_y + 12 : corner_y + 16, x - 4 : x + 5].mean()
                assert middle < 0.6 * beside


def test_a_linear_probe_on_landmarks_beats_chance_on_people_it_never_saw():
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score

    recipe = SyntheticRecipe(preset="lab", frames=448)
    labelled, shapes, rows, at = table(recipe), [], [], 0
    for position, header in enumerate(headers(recipe)):
        subject, task = divmod(position, recipe.num_tasks)
        if task % 2 == 0:
            acted = performance("lab", 0, subject, task, header.num_frames)
            chosen = np.arange(10, header.num_frames, 25)
            part = type(acted)(**{k: v[chosen] for k, v in vars(acted).items()})
            shapes.append(landmarks("lab", 0, subject, part).reshape(len(chosen), -1))
            rows.append(at + chosen)
        at += header.num_frames
    index, features = np.concatenate(rows), np.concatenate(shapes)
    labels, people = labelled.labels[index], labelled.subjects[index].astype(str)
    test = np.isin(people, np.unique(people)[::3])
    features = (features - features[~test].mean(0)) / features[~test].std(0)
    for column, au in enumerate(labelled.aus):
        model = LogisticRegression(C=0.02, class_weight="balanced", max_iter=200)
        model.fit(features[~test], labels[~test, column])
        area = roc_auc_score(labels[test, column], model.decision_function(features[test]))
        assert area > 0.65, f"AU{au}: {area:.2f}"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_renders_the_same_pictures():
    acted = performance("lab", 0, 1, 0, 20)
    cpu = rendered(acted, person=1).astype(int)
    gpu = np.concatenate([f for _, f, _ in Renderer("lab", 0, 1, 0, "cuda").batches(acted)])
    assert np.abs(cpu - gpu).max() <= 2


def test_noise_by_one_indexing_is_the_noise_frame_by_frame():
    random = np.random.default_rng(3)
    noise = SensorNoise(random, 40, 2.0, torch.device("cpu"))
    picture = torch.zeros((9, 3, 40, 40))
    noise.add(picture, 4090)
    assert torch.equal(picture, noise.gathered(np.arange(4090, 4099)))
