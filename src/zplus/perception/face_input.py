"""The input of the scorers and the identity network: an image, its face, and the head's pose."""

from dataclasses import dataclass
from functools import cached_property
from math import inf
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from zplus.errors import FaceError
from zplus.faces.align import LEFT_EYE, RIGHT_EYE
from zplus.faces.detector import DetectedFace, FaceDetector
from zplus.faces.weights import dlib
from zplus.perception.pose import FACE, FIVE, INNER, MIRRORED, RIGID, Pose, fit_pose, frontal


@dataclass(frozen=True)
class FaceInput:
    """An image, uint8 RGB [H, W, 3], and a face in it, from `FaceDetector.largest`."""

    pixels: UInt8[np.ndarray, "h w 3"]
    face: DetectedFace

    @cached_property
    def pose(self) -> Pose:
        """The head's pose from the landmarks of nose and eyes."""
        return fit_pose(self.face.landmarks[list(RIGID)], FACE[[k - INNER.start for k in RIGID]])

    @cached_property
    def pose_of_five(self) -> Pose:
        """The head's pose from the five landmarks of the other model. Raises FaceError without them."""
        if self.face.five is None:
            raise FaceError("This face has no five landmarks: find it with FaceDetector.largest.")
        return fit_pose(self.face.five, FACE[[k - INNER.start for k in FIVE]])

    @cached_property
    def frontal(self) -> Float[np.ndarray, "68 2"]:
        """The landmarks as seen from the front, in millimetres; nan for the jaw line."""
        inner = frontal(self.face.landmarks[INNER], self.pose)
        return np.concatenate([np.full((INNER.start, 2), np.nan), inner])

    def chip(self, size: int, padding: float) -> UInt8[np.ndarray, "{size} {size} 3"]:
        """The upright face at the size that a network of dlib expects; `padding` is a fraction of the face."""
        return dlib().extract_image_chip(self.pixels, self._cut(size, padding))

    def chip_matrix(self, size: int, padding: float) -> Float[np.ndarray, "2 3"]:
        """The affine map from coordinates of the chip to those of the image."""
        cut = self._cut(size, padding)
        # dlib's coordinates count from the centres of pixels, and the chip's last one lies on the end of the rectangle
        scale = (cut.rect.right() - cut.rect.left()) / (size - 1)
        cosine, sine = scale * np.cos(cut.angle), scale * np.sin(cut.angle)
        linear = np.array([[cosine, -sine], [sine, cosine]])
        centre = np.array([cut.rect.left() + cut.rect.right(), cut.rect.top() + cut.rect.bottom()]) / 2 + 0.5
        return np.hstack([linear, (centre - linear @ [size / 2, size / 2])[:, None]])

    def _cut(self, size: int, padding: float) -> Any:
        points = [dlib().point(*(round(float(x) - 0.5) for x in point)) for point in self.face.landmarks]
        shape = dlib().full_object_detection(dlib().rectangle(0, 0, 0, 0), points)
        return dlib().get_face_chip_details(shape, size, padding)


def mirror_gap(face: FaceInput, detector: FaceDetector) -> float:
    """The distance of the landmarks 17 to 67 from those in the mirror image: rms, in distances between the eyes.

    It is .02 for most faces and larger where landmarks are unreliable; inf if no face is found in the mirror image.
    """
    other = largest_face(face.pixels[:, ::-1], detector)
    if other is None:
        return inf
    own, back = face.face.landmarks, other.face.landmarks[list(MIRRORED)] * [-1, 1] + [face.pixels.shape[1], 0]
    between = np.hypot(*(own[LEFT_EYE].mean(0) - own[RIGHT_EYE].mean(0)))
    return float(np.sqrt(((back - own)[INNER] ** 2).sum(1).mean()) / between)


def largest_face(pixels: UInt8[np.ndarray, "h w 3"], detector: FaceDetector) -> FaceInput | None:
    """The largest face of an image, uint8 RGB [H, W, 3]; None if there is none."""
    face = detector.largest(pixels)
    return None if face is None else FaceInput(np.ascontiguousarray(pixels), face)
