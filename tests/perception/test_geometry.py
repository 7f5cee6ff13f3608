"""Scores from landmarks: what they measure moves them, size, place and pose do not."""

import numpy as np
import pytest

from zplus.faces.detector import DetectedFace
from zplus.perception import geometry
from zplus.perception.face_input import FaceInput
from zplus.perception.pose import FACE, FIVE, INNER, _rotation

SCORES = (geometry.smile, geometry.mouth_open, geometry.eye_open)


def posed(face=FACE, yaw=0.0, pitch=0.0, roll=0.0, scale=4.0) -> FaceInput:
    """A face of landmarks only."""
    points = scale * (face @ _rotation(*np.radians([yaw, pitch, roll])).T)[:, :2] + 500.0
    landmarks = np.concatenate([np.zeros((INNER.start, 2)), points])
    face = DetectedFace((0.0, 0.0, 1.0, 1.0), landmarks, landmarks[list(FIVE)])
    return FaceInput(np.zeros((8, 8, 3), np.uint8), face)


def changed(*moves: tuple[int, float, float]) -> np.ndarray:
    face = FACE.copy()
    for k, right, down in moves:
        face[k - INNER.start] += [right, down, 0]
    return face


@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize(
    "pose", [{"yaw": 30.0}, {"pitch": -20.0}, {"roll": 30.0}, {"scale": 0.7}, {"yaw": -25.0, "pitch": 15.0}]
)
def test_pose_and_size_change_nothing(score, pose):
    assert score(posed(**pose)) == pytest.approx(score(posed()), abs=2e-3)


def test_a_smile_widens_the_mouth_and_lifts_its_corners():
    plain = geometry.smile(posed())
    assert geometry.smile(posed(changed((48, -5, 0), (54, 5, 0)))) > plain + 0.1
    assert geometry.smile(posed(changed((48, 0, -5), (54, 0, -5)))) > plain + 0.05
    assert geometry.smile(posed(changed((48, 5, 5), (54, -5, 5)))) < plain - 0.2


def test_a_lower_lip_that_falls_opens_the_mouth():
    falling = changed(*((k, 0.0, 20.0) for k in (55, 56, 57, 58, 59, 65, 66, 67)))
    assert geometry.mouth_open(posed(falling)) == pytest.approx(geometry.mouth_open(posed()) + 20 / 63, abs=0.01)


def test_lids_that_meet_close_the_eyes():
    lids = ((37, 41), (38, 40), (43, 47), (44, 46))
    gaps = {low: FACE[up - INNER.start, 1] - FACE[low - INNER.start, 1] for up, low in lids}
    assert geometry.eye_open(posed(changed(*((low, 0.0, gap) for low, gap in gaps.items())))) < 0.05
    assert geometry.eye_open(posed()) == pytest.approx(0.28, abs=0.05)


def test_five_landmarks_give_the_same_pose():
    seen = posed(yaw=25.0, pitch=5.0)
    assert seen.pose_of_five.yaw == pytest.approx(25.0, abs=0.5)
    assert seen.pose.yaw == pytest.approx(25.0, abs=0.5)
