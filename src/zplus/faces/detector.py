"""Face detection: boxes and landmarks by dlib (King 2009, "Dlib-ml: A machine learning toolkit").

Coordinates are continuous, x then y, in pixels of the photo: its upper left corner is (0, 0), the centre of its first
pixel (0.5, 0.5). "Left" is the left side of the image. The 68 landmarks are those of the iBUG scheme.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image

from zplus.archives import require
from zplus.errors import FaceError
from zplus.faces.warp import warp
from zplus.faces.weights import FACE_MODELS, dlib

LANDMARKS_68 = "shape_predictor_68_face_landmarks.dat"
LANDMARKS_5 = "shape_predictor_5_face_landmarks.dat"
NETWORK = "mmod_human_face_detector.dat"

SEARCH_SIDE = 1200  # pixels: a face of 1/30 of the longest side is found, in half a second
NETWORK_SIDE = 640  # the network needs 3 seconds for this on two cores, and 9 for twice the pixels
MIN_SCORE = 0.25  # of the frontal detector; faces seen in cloth and leaves stay below, enlarged ones most of all
MAX_OVERLAP = 0.3  # of two boxes, intersection over union: beyond, they are the same face
QUICK_SIDE = 256  # pixels: faces of a third of the picture and more are found in 10 ms
MIN_SIDE = 40  # pixels of a picture: the detectors fail on less
WINDOW = 640  # pixels of the cut-out in which landmarks are found, twice the face: dlib rounds them to whole pixels

ONE_BOX = ((0.0, 0.0, 1.0),)  # where the landmark models start from: the box moved by, scaled by
FIVE_BOXES = (*ONE_BOX, (0.04, 0.0, 0.95), (-0.04, 0.0, 0.95), (0.0, 0.04, 1.05), (0.0, -0.04, 1.05))

Photo = UInt8[np.ndarray, "h w 3"]
Box = tuple[float, float, float, float]  # left, top, right, bottom
Window = UInt8[np.ndarray, "640 640 3"]


@dataclass(frozen=True)
class DetectedFace:
    """A face in a photo.

    Attributes:
        box: left, top, right, bottom.
        landmarks: [68, 2].
        five: [5, 2], by another model (outer and inner corner of the eye at the right, of that at the left, base of the
            nose); only for faces from `FaceDetector.largest`.
        score: How sure the detector is, about 0 to 3; only for faces from `FaceDetector.find`.
    """

    box: Box
    landmarks: Float[np.ndarray, "68 2"]
    five: Float[np.ndarray, "5 2"] | None = None
    score: float = 0.0


class FaceDetector:
    """dlib's detectors and landmark models. They load when first used, and process one photo at a time in all threads.

    Args:
        folder: Where the files are; None for the cache (`zplus pull faces`).
    """

    def __init__(self, folder: Path | None = None):
        self.folder = folder
        self._one_at_a_time = threading.Lock()  # dlib's detectors keep state while they work

    def find(self, pixels: Photo) -> list[DetectedFace]:
        """All faces in a photo [H, W, 3], the largest first, also small and rotated ones.

        It takes half a second for frontal faces, and several seconds where only the network finds one.

        Raises:
            FaceError: There is no face.
        """
        with self._one_at_a_time:
            faces = self._thorough(pixels)
        if not faces:
            raise FaceError("No face was found: use a photo where a face is seen from the front, sharp and upright.")
        return faces

    def largest(self, pixels: Photo) -> DetectedFace | None:
        """The largest face of a portrait [H, W, 3], with stable landmarks; None if there is none.

        It takes 30 ms at 1024 px, or 400 ms where the fast search finds nothing. dlib's landmarks depend on the box
        that they start from, so they are the mean over five boxes, which halves the error variance. On faces that are
        moved, scaled and rotated a little, the opening of the eyes correlates by .97 with itself instead of .95.
        """
        if min(pixels.shape[:2]) < MIN_SIDE:
            return None
        pixels = np.ascontiguousarray(pixels)
        with self._one_at_a_time:
            box = self._quick(pixels)
            if box is None:
                return None
            window, corner, side = _cropped_window(pixels, box)
            models = (self._landmarks_68, self._landmarks_5)
            found, five = (_landmarks(m, window, FIVE_BOXES) * side / WINDOW + corner for m in models)
            return DetectedFace(box, found, five)

    def file(self, name: str) -> str:
        """The path of a model file. Raises FaceError where it is missing, DownloadError where all are."""
        path = (self.folder or require(FACE_MODELS)) / name
        if not path.is_file():
            raise FaceError(f"The face models are not whole ({path} is missing): run 'zplus pull' first.")
        return str(path)

    def _thorough(self, pixels: np.ndarray) -> list[DetectedFace]:
        return self._frontal(pixels) or self._turned(pixels) or self._faces(pixels, self._by_network(pixels))

    def _frontal(self, pixels: np.ndarray) -> list[DetectedFace]:
        return self._faces(pixels, self._by_gradients(pixels))

    def _turned(self, pixels: np.ndarray) -> list[DetectedFace]:
        """The faces of a photo that is rotated by 90, 180 or 270 degrees, such as a scan."""
        for quarters in (1, 2, 3):
            turned = np.rot90(pixels, quarters).copy()  # dlib wants the strides of a new array, also of one column
            if faces := self._frontal(turned):
                for i in range(quarters):
                    faces = [_turned_back(face, turned.shape[i % 2]) for face in faces]
                return faces
        return []

    def _faces(self, pixels: np.ndarray, boxes: dict[Box, float]) -> list[DetectedFace]:
        """The faces in these boxes with their scores, the largest first."""
        return [self._face(pixels, box, boxes[box]) for box in sorted(boxes, key=_area, reverse=True)]

    def _face(self, pixels: np.ndarray, box: Box, score: float) -> DetectedFace:
        window, corner, scale = _warped_window(pixels, box)
        return DetectedFace(box, _landmarks(self._landmarks_68, window, ONE_BOX) * scale + corner, score=score)

    def _by_gradients(self, pixels: np.ndarray) -> dict[Box, float]:
        """Faces by the frontal detector, at the photo's size and doubled, for faces from 40 px; with their scores."""
        small, scale = _reduced(pixels, SEARCH_SIDE)
        boxes: dict[Box, float] = {}
        for enlargements in (0, 1):
            found, scores, _ = self._detector.run(small, enlargements, 0.0)
            for box, score in zip(map(_box, found), scores, strict=True):
                if score >= MIN_SCORE and all(box_overlap(box, other) < MAX_OVERLAP for other in boxes):
                    boxes[box] = score
        return {_scaled(box, scale): score for box, score in boxes.items()}

    def _by_network(self, pixels: np.ndarray) -> dict[Box, float]:
        """Faces by the convolutional detector: slower, but it finds turned and partly hidden ones."""
        small, scale = _reduced(pixels, NETWORK_SIDE)
        if min(small.shape[:2]) < MIN_SIDE:
            return {}
        return {_scaled(_box(found.rect), scale): found.confidence for found in self._network(small, 0)}

    def _quick(self, pixels: np.ndarray) -> Box | None:
        """The box of the largest face in a small copy, by the frontal detector, else by all detectors."""
        factor = max(1, max(pixels.shape[:2]) // QUICK_SIDE)
        small = np.array(Image.fromarray(pixels).reduce(factor))
        boxes = [_box(rect) for rect in self._detector(small, 0)] or [face.box for face in self._thorough(small)]
        return _scaled(max(boxes, key=_area), float(factor)) if boxes else None

    @cached_property
    def _detector(self) -> Any:
        return dlib().get_frontal_face_detector()

    @cached_property
    def _network(self) -> Any:
        return dlib().cnn_face_detection_model_v1(self.file(NETWORK))

    @cached_property
    def _landmarks_68(self) -> Any:
        return dlib().shape_predictor(self.file(LANDMARKS_68))

    @cached_property
    def _landmarks_5(self) -> Any:
        return dlib().shape_predictor(self.file(LANDMARKS_5))


def _landmarks(model: Any, window: Window, boxes: Sequence[tuple[float, float, float]]) -> Float[np.ndarray, "k 2"]:
    """Landmarks [K, 2] in pixels of a window whose middle half is the face: the mean over the boxes."""
    shapes = [model(window, _start(*box)).parts() for box in boxes]
    return np.mean([[(p.x + 0.5, p.y + 0.5) for p in shape] for shape in shapes], axis=0)


def _start(right: float, down: float, scale: float) -> Any:
    """The face's box in the window, moved and scaled."""
    x, y, half = WINDOW * (0.5 + right / 2), WINDOW * (0.5 + down / 2), WINDOW / 4 * scale
    return dlib().rectangle(*(round(v) for v in (x - half, y - half, x + half - 1, y + half - 1)))


def _warped_window(pixels: np.ndarray, box: Box) -> tuple[Window, Float[np.ndarray, " 2"], float]:
    """The window around a face by interpolation, its corner in the photo and the size of its pixels."""
    left, top, right, bottom = box
    side = max(right - left, bottom - top)
    scale = 2 * side / WINDOW
    corner = np.array([left + right, top + bottom]) / 2 - WINDOW / 2 * scale
    matrix = np.array([[scale, 0, corner[0]], [0, scale, corner[1]]])
    window = warp(torch.from_numpy(pixels).permute(2, 0, 1), matrix, (WINDOW, WINDOW))
    window = window.round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0).contiguous()
    return window.numpy(), corner, scale


def _cropped_window(pixels: np.ndarray, box: Box) -> tuple[Window, Float[np.ndarray, " 2"], int]:
    """The window around a face by whole pixels, black outside the photo; its corner and side in pixels. Fast.

    Scores, and the directions learnt from them, depend on these landmarks; aligned crops depend on those of
    `_warped_window`. The two cannot be exchanged.
    """
    left, top, right, bottom = box
    side = max(right - left, bottom - top)
    corner = np.floor([(left + right) / 2 - side, (top + bottom) / 2 - side])
    wide = int(np.ceil(2 * side))
    edges = (*corner.astype(int), *(corner.astype(int) + wide))
    method = Image.Resampling.BOX if wide > WINDOW else Image.Resampling.BICUBIC
    return np.asarray(Image.fromarray(pixels).crop(edges).resize((WINDOW, WINDOW), method)), corner, wide


def _turned_back(face: DetectedFace, height: int) -> DetectedFace:
    """The face in the photo that np.rot90 turned to a photo of this height."""
    left, top, right, bottom = face.box
    x, y = face.landmarks.T
    box = (height - bottom, left, height - top, right)
    return replace(face, box=box, landmarks=np.stack([height - y, x], axis=1))


def _reduced(pixels: np.ndarray, side: int) -> tuple[np.ndarray, float]:
    """The photo with its longest side at most `side`, and the factor back to the photo's pixels."""
    height, width = pixels.shape[:2]
    scale = max(1.0, max(height, width) / side)
    size = max(1, round(width / scale)), max(1, round(height / scale))
    small = pixels if scale == 1 else np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BOX))
    return np.ascontiguousarray(small), scale


def _box(rect: Any) -> Box:
    """The box of a dlib rectangle, whose right and bottom pixels are inclusive."""
    return float(rect.left()), float(rect.top()), float(rect.right() + 1), float(rect.bottom() + 1)


def _scaled(box: Box, scale: float) -> Box:
    left, top, right, bottom = (x * scale for x in box)
    return left, top, right, bottom


def _area(box: Box) -> float:
    return max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])


def box_overlap(a: Box, b: Box) -> float:
    """Intersection over union of two boxes."""
    shared = _area((max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3])))
    return shared / (_area(a) + _area(b) - shared)
