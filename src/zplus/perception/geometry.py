"""Scores from landmarks as seen from the front, so that the pose of the head does not change them.

All are ratios of lengths and do not depend on the size of the face or image.
"""

import numpy as np
from jaxtyping import Float

from zplus.perception.face_input import FaceInput

EYES = ((36, 37, 38, 39, 40, 41), (42, 43, 44, 45, 46, 47))  # corner, two of the upper lid, corner, two of the lower
CORNERS, LIPS, OPENING = (48, 54), (51, 57), (62, 66)  # of the mouth; outer edges in the middle; inner ones


def smile(face: FaceInput) -> float:
    """Width of the mouth plus the lift of its corners above its middle, in distances between the eyes.

    About 0.85 for a closed, relaxed mouth and 1.2 for a broad smile.
    """
    points = face.frontal
    width = _length(points[CORNERS[0]] - points[CORNERS[1]])
    lift = points[list(LIPS), 1].mean() - points[list(CORNERS), 1].mean()
    return float((width + lift) / _between_eyes(points))


def mouth_open(face: FaceInput) -> float:
    """The gap between the lips, in distances between the eyes."""
    points = face.frontal
    return float((points[OPENING[1], 1] - points[OPENING[0], 1]) / _between_eyes(points))


def eye_open(face: FaceInput) -> float:
    """The gap between the lids divided by the length of the eye, mean of both eyes."""
    points = face.frontal
    ratios = [
        (_length(points[b] - points[f]) + _length(points[c] - points[e])) / (2 * _length(points[a] - points[d]))
        for a, b, c, d, e, f in EYES
    ]
    return float(np.mean(ratios))


def _between_eyes(points: Float[np.ndarray, "68 2"]) -> float:
    left, right = (points[list(eye)].mean(0) for eye in EYES)
    return _length(left - right)


def _length(v: Float[np.ndarray, " 2"]) -> float:
    return float(np.hypot(*v))
