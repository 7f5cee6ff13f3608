"""Head pose: recovered exactly where the model made the points, and nearly where they are disturbed."""

import numpy as np
import pytest

from zplus.perception.pose import FACE, INNER, MIRRORED, RIGID, _rotation, fit_pose, frontal

SOLID = FACE[[k - INNER.start for k in RIGID]]
POSES = [(0, 0, 0), (30, 0, 0), (-40, 10, 5), (5, -25, -20), (15, 20, 45), (-20, -10, 90)]


def seen(solid, yaw, pitch, roll, scale=3.0, at=(500.0, 400.0)):
    return scale * (solid @ _rotation(*np.radians([yaw, pitch, roll])).T)[:, :2] + np.array(at)


@pytest.mark.parametrize(("yaw", "pitch", "roll"), POSES)
@pytest.mark.parametrize("scale", [0.3, 5.0])
def test_recovers_the_pose(yaw, pitch, roll, scale):
    pose = fit_pose(seen(SOLID, yaw, pitch, roll, scale), SOLID)
    np.testing.assert_allclose([pose.yaw, pose.pitch, pose.roll], [yaw, pitch, roll], atol=0.01)
    assert pose.scale == pytest.approx(scale, rel=1e-3)
    assert pose.residual < 0.01


def test_signs_are_those_that_the_docstring_states():
    nose_tip = FACE[30 - INNER.start] * [[1, 1, 1]]
    assert seen(nose_tip, 20, 0, 0)[0, 0] > 500  # turned to the right of the picture
    assert seen(nose_tip, 0, 20, 0)[0, 1] < seen(nose_tip, 0, 0, 0)[0, 1]  # turned upwards


def test_noise_changes_the_pose_a_little_and_is_reported():
    noise = np.random.default_rng(0).normal(scale=1.0, size=SOLID[:, :2].shape)  # a millimetre
    pose = fit_pose(seen(SOLID, 20, 5, 3, scale=1.0) + noise, SOLID)
    assert abs(pose.yaw - 20) < 5
    assert 0.5 < pose.residual < 2.5


def test_one_wrong_landmark_does_not_carry_it_away():
    points = seen(SOLID, 20, 5, 3)
    points[-1] += 60  # twenty millimetres
    assert abs(fit_pose(points, SOLID).yaw - 20) < 8


def test_mirrored_points_have_the_opposite_yaw_and_roll():
    every = np.zeros((68, 2))
    every[INNER] = seen(FACE, 25, 8, 6) + np.random.default_rng(1).normal(size=(51, 2))
    mirrored = every[list(MIRRORED)] * [-1, 1]
    one, other = (fit_pose(points[list(RIGID)], SOLID) for points in (every, mirrored))
    np.testing.assert_allclose([one.yaw, one.pitch, one.roll], [-other.yaw, other.pitch, -other.roll], atol=0.1)


@pytest.mark.parametrize(("yaw", "pitch", "roll"), POSES)
def test_the_frontal_view_undoes_the_pose(yaw, pitch, roll):
    points = seen(FACE, yaw, pitch, roll)
    pose = fit_pose(points[[k - INNER.start for k in RIGID]], SOLID)
    np.testing.assert_allclose(frontal(points, pose), FACE[:, :2], atol=0.1)


def test_the_face_is_symmetric_and_the_mirror_is_its_own_inverse():
    assert [MIRRORED[k] for k in MIRRORED] == list(range(68))
    mirrored = FACE[[k - INNER.start for k in MIRRORED[INNER]]]
    np.testing.assert_allclose(mirrored * [-1, 1, 1], FACE)
