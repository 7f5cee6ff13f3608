"""Faces in a photo: their boxes and the 68 landmarks of the iBUG scheme, found by dlib.

Coordinates are continuous, x then y, in pixels of the photo: its upper left corner is (0, 0), the centre of its first
pixel (0.5, 0.5). "Left" is the left of the picture.
"""

import threading
from dataclasses import dataclass
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

LANDMARKS = "shape_predictor_68_face_landmarks.dat"
NETWORK = "mmod_human_face_detector.dat"

SEARCH_SIDE = 1200  # pixels: a face of 1/30 of the longest side is found, in half a second
NETWORK_SIDE = 640  # the network needs 3 seconds for this on two cores, and 9 for twice the pixels
SURE = 0.25  # a detector's score; faces seen in cloth and leaves stay below, enlarged ones most of all
OVERLAP = 0.3  # of two boxes' union: beyond, they are the same face
FACE_SIDE = 320  # pixels that a face is scaled to for its landmarks, which dlib rounds to whole ones

Box = tuple[float, float, float, float]  # left, top, right, bottom


@dataclass(frozen=True)
class Face:
    """A face in a photo: its box (left, top, right, bottom) and landmarks [68,2] in continuous pixel coordinates."""

    box: Box
    landmarks: Float[np.ndarray, "68 2"]

    def turned_back(self, height: int) -> "Face":
        """The face in the photo that np.rot90 turned to a photo of this height."""
        left, top, right, bottom = self.box
        x, y = self.landmarks.T
        return Face((height - bottom, left, height - top, right), np.stack([height - y, x], axis=1))


class FaceFinder:
    """dlib's detectors and landmark model, read when first used.

    folder holds their files; None means where `fetch(FACE_MODELS)` has put them.
    """

    def __init__(self, folder: Path | None = None):
        self.folder = folder
        self._one_at_a_time = threading.Lock()  # dlib's detectors keep state while they work

    def find(self, pixels: UInt8[np.ndarray, "h w 3"]) -> list[Face]:
        """All faces in a photo [H,W,3], the largest first; FaceError if there is none."""
        with self._one_at_a_time:
            faces = self._frontal(pixels) or self._turned(pixels) or self._faces(pixels, self._by_network(pixels))
        if not faces:
            raise FaceError("No face was found: use a photo where a face is seen from the front, sharp and upright.")
        return faces

    def _frontal(self, pixels: np.ndarray) -> list[Face]:
        return self._faces(pixels, self._by_gradients(pixels))

    def _turned(self, pixels: np.ndarray) -> list[Face]:
        """Those of a photo that lies on its side or stands on its head, as scanned ones do."""
        for quarters in (1, 2, 3):
            turned = np.ascontiguousarray(np.rot90(pixels, quarters))
            if faces := self._frontal(turned):
                for i in range(quarters):
                    height = turned.shape[i % 2]
                    faces = [face.turned_back(height) for face in faces]
                return faces
        return []

    def _faces(self, pixels: np.ndarray, boxes: list[Box]) -> list[Face]:
        return [Face(box, self._landmarks(pixels, box)) for box in sorted(boxes, key=_area, reverse=True)]

    def _by_gradients(self, pixels: np.ndarray) -> list[Box]:
        """The frontal detector, as the photo is and enlarged twice, which also finds small faces (40 pixels)."""
        small, scale = _reduced(pixels, SEARCH_SIDE)
        boxes: list[Box] = []
        for enlargements in (0, 1):
            found, scores, _ = self._detector.run(small, enlargements, 0.0)
            for box, score in zip(map(_box, found), scores, strict=True):
                if score >= SURE and all(_overlap(box, other) < OVERLAP for other in boxes):
                    boxes.append(box)
        return [_scaled(box, scale) for box in boxes]

    def _by_network(self, pixels: np.ndarray) -> list[Box]:
        """The convolutional detector: slower, but it knows turned and partly hidden faces."""
        small, scale = _reduced(pixels, NETWORK_SIDE)
        return [_scaled(_box(found.rect), scale) for found in self._network(small, 0)]

    def _landmarks(self, pixels: np.ndarray, box: Box) -> Float[np.ndarray, "68 2"]:
        """The landmarks of one face, looked for in a cut-out of fixed size: as exact in small photos as in large."""
        left, top, right, bottom = box
        scale = max(right - left, bottom - top) / FACE_SIDE  # pixels of the photo per pixel of the cut-out
        corner = np.array([left + right, top + bottom]) / 2 - FACE_SIDE * scale  # the cut-out is twice the face
        matrix = np.array([[scale, 0, corner[0]], [0, scale, corner[1]]])
        window = warp(torch.from_numpy(pixels).permute(2, 0, 1), matrix, (2 * FACE_SIDE, 2 * FACE_SIDE))
        window = window.round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0).contiguous()
        rect = dlib().rectangle(FACE_SIDE // 2, FACE_SIDE // 2, FACE_SIDE * 3 // 2 - 1, FACE_SIDE * 3 // 2 - 1)
        points = self._predictor(window.numpy(), rect).parts()
        return np.array([(p.x + 0.5, p.y + 0.5) for p in points]) * scale + corner

    @cached_property
    def _detector(self) -> Any:
        return dlib().get_frontal_face_detector()

    @cached_property
    def _network(self) -> Any:
        return dlib().cnn_face_detection_model_v1(self._file(NETWORK))

    @cached_property
    def _predictor(self) -> Any:
        return dlib().shape_predictor(self._file(LANDMARKS))

    def _file(self, name: str) -> str:
        path = (self.folder or require(FACE_MODELS)) / name
        if not path.is_file():
            raise FaceError(f"The face models are not whole ({path} is missing): run 'zplus pull' first.")
        return str(path)


def _reduced(pixels: np.ndarray, side: int) -> tuple[np.ndarray, float]:
    """The photo with its longest side at most `side`, and the factor back to the photo's pixels."""
    height, width = pixels.shape[:2]
    scale = max(1.0, max(height, width) / side)
    size = max(1, round(width / scale)), max(1, round(height / scale))
    small = pixels if scale == 1 else np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BOX))
    return np.ascontiguousarray(small), scale


def _box(rect: Any) -> Box:
    """A dlib rectangle, whose right and bottom are whole pixels that belong to it."""
    return float(rect.left()), float(rect.top()), float(rect.right() + 1), float(rect.bottom() + 1)


def _scaled(box: Box, scale: float) -> Box:
    left, top, right, bottom = (x * scale for x in box)
    return left, top, right, bottom


def _area(box: Box) -> float:
    return max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])


def _overlap(a: Box, b: Box) -> float:
    """The boxes' intersection over their union."""
    shared = _area((max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3])))
    return shared / (_area(a) + _area(b) - shared)
