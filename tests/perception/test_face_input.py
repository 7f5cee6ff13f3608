"""What is told of a face before anything is scored."""

import math
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from command_line import ASTRONAUT, needs_faces
from zplus.faces.detector import FaceDetector
from zplus.images import read_image
from zplus.perception.face_input import FaceInput, largest_face, mirror_gap

pytestmark = needs_faces


@cache
def detector() -> FaceDetector:
    return FaceDetector()


def face_of(pixels) -> FaceInput:
    found = largest_face(pixels, detector())
    assert found is not None
    return found


@pytest.mark.parametrize("mirrored", [False, True])
def test_landmarks_of_a_face_agree_with_those_of_its_mirror_image(mirrored):
    pixels = read_image(ASTRONAUT)
    assert mirror_gap(face_of(np.ascontiguousarray(pixels[:, ::-1]) if mirrored else pixels), detector()) < 0.04


def test_landmarks_that_are_elsewhere_in_the_mirror_image_show():
    face = face_of(read_image(ASTRONAUT))
    between = np.hypot(*(face.face.landmarks[36:42].mean(0) - face.face.landmarks[42:48].mean(0)))
    moved = replace(face.face, landmarks=face.face.landmarks + np.array([0.3 * between, 0.0]))
    assert mirror_gap(FaceInput(face.pixels, moved), detector()) == pytest.approx(0.3, abs=0.03)


def test_a_face_that_only_one_of_both_shows_is_trusted_in_nothing():
    face = face_of(read_image(ASTRONAUT))
    blank = FaceInput(np.zeros_like(face.pixels), face.face)
    assert mirror_gap(blank, detector()) == math.inf
