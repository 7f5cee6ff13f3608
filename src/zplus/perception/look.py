"""One face of a picture, found once for all scorers: quickly, and with landmarks that repeat.

dlib's landmarks depend on the box they start from: the mean over five boxes has half the error variance of one. On
faces moved, scaled and turned a little, the opening of the eyes correlates .97 with itself rather than .95.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

from zplus.archives import require
from zplus.errors import FaceError
from zplus.faces.landmarks import LANDMARKS, Box, Face, FaceFinder
from zplus.faces.weights import FACE_MODELS, dlib
from zplus.perception.pose import FACE, FIVE, INNER, RIGID, Pose, fit_pose, frontal

SEARCH_SIDE = 256  # pixels: faces of a third of the picture and more are found in 10 ms
SMALLEST = 40  # pixels: the detectors fail on less
WINDOW = 640  # pixels of the cut-out in which landmarks are found, twice the side of the face's box
FIVE_LANDMARKS = "shape_predictor_5_face_landmarks.dat"
BOXES = (
    (0.0, 0.0, 1.0),
    (0.04, 0.0, 0.95),
    (-0.04, 0.0, 0.95),
    (0.0, 0.04, 1.05),
    (0.0, -0.04, 1.05),
)  # moved by, scaled by


@dataclass(frozen=True)
class Look:
    """A face in a picture uint8 [H,W,3]: landmarks [68,2], and five [5,2] by another model, in continuous pixels."""

    pixels: UInt8[np.ndarray, "h w 3"]
    landmarks: Float[np.ndarray, "68 2"]
    five: Float[np.ndarray, "5 2"]

    @cached_property
    def pose(self) -> Pose:
        """The head's pose by nose and eyes."""
        return fit_pose(self.landmarks[list(RIGID)], FACE[[k - INNER.start for k in RIGID]])

    @cached_property
    def pose_of_five(self) -> Pose:
        """The head's pose by the five landmarks of the other model."""
        return fit_pose(self.five, FACE[[k - INNER.start for k in FIVE]])

    @cached_property
    def frontal(self) -> Float[np.ndarray, "68 2"]:
        """The landmarks as seen from the front, in millimetres; nan for the contour of the jaw."""
        return np.concatenate([np.full((INNER.start, 2), np.nan), frontal(self.landmarks[INNER], self.pose)])

    def chip(self, size: int, padding: float) -> UInt8[np.ndarray, "{size} {size} 3"]:
        """The face upright at the size that a network of dlib's was trained with; padding in parts of the face."""
        points = [dlib().point(*(round(float(x) - 0.5) for x in point)) for point in self.landmarks]
        shape = dlib().full_object_detection(dlib().rectangle(0, 0, 0, 0), points)
        return dlib().extract_image_chip(self.pixels, dlib().get_face_chip_details(shape, size, padding))


class Looker:
    """Finds the largest face of a picture, first with the quick detector, then with all that FaceFinder has."""

    def __init__(self, finder: FaceFinder | None = None):
        self.finder = finder or FaceFinder()
        self.folder = self.finder.folder or require(FACE_MODELS)
        self._one_at_a_time = threading.Lock()  # dlib's detectors keep state while they work

    def look(self, pixels: UInt8[np.ndarray, "h w 3"]) -> Look | None:
        """The face, or None where there is none; 30 ms for 1024 px, 400 ms where the quick detector finds nothing."""
        if min(pixels.shape[:2]) < SMALLEST:
            return None
        pixels = np.ascontiguousarray(pixels)
        with self._one_at_a_time:
            box = self._box(pixels)
            return None if box is None else Look(pixels, *self._landmarks(pixels, box))

    def _box(self, pixels: np.ndarray) -> Box | None:
        factor = max(1, max(pixels.shape[:2]) // SEARCH_SIDE)
        small = np.array(Image.fromarray(pixels).reduce(factor))
        found = [(r.left(), r.top(), r.right() + 1, r.bottom() + 1) for r in self._detector(small, 0)]
        if not found:
            found = [face.box for face in self._thorough(small)]
        if not found:
            return None
        left, top, right, bottom = max(found, key=lambda box: (box[2] - box[0]) * (box[3] - box[1]))
        return float(left * factor), float(top * factor), float(right * factor), float(bottom * factor)

    def _thorough(self, small: np.ndarray) -> Sequence[Face]:
        try:
            return self.finder.find(small)
        except FaceError:
            return []

    def _landmarks(self, pixels: np.ndarray, box: Box) -> tuple[np.ndarray, np.ndarray]:
        """The 68 and the 5 landmarks, in a cut-out of fixed size, so that dlib's rounding matters little."""
        left, top, right, bottom = box
        side = max(right - left, bottom - top)
        corner = np.floor([(left + right) / 2 - side, (top + bottom) / 2 - side])
        wide = int(np.ceil(2 * side))
        edges = (*corner.astype(int), *(corner.astype(int) + wide))
        filter = Image.Resampling.BOX if wide > WINDOW else Image.Resampling.BICUBIC
        window = np.asarray(Image.fromarray(pixels).crop(edges).resize((WINDOW, WINDOW), filter))
        means = [
            np.mean([_points(model(window, self._rectangle(*change))) for change in BOXES], axis=0)
            for model in self._models
        ]
        found, five = (mean * wide / WINDOW + corner for mean in means)
        return found, five

    def _rectangle(self, right: float, down: float, scale: float) -> Any:
        """The face's box in the cut-out, moved and scaled."""
        x, y, half = WINDOW * (0.5 + right / 2), WINDOW * (0.5 + down / 2), WINDOW / 4 * scale
        return dlib().rectangle(*(round(v) for v in (x - half, y - half, x + half - 1, y + half - 1)))

    @cached_property
    def _detector(self) -> Any:
        return dlib().get_frontal_face_detector()

    @cached_property
    def _models(self) -> tuple[Any, Any]:
        whole, five = (str(self.folder / name) for name in (LANDMARKS, FIVE_LANDMARKS))
        return dlib().shape_predictor(whole), dlib().shape_predictor(five)


def _points(shape: Any) -> Float[np.ndarray, "k 2"]:
    return np.array([(p.x + 0.5, p.y + 0.5) for p in shape.parts()])
