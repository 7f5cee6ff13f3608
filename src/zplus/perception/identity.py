"""Who is seen: dlib's face descriptor, a ResNet with 29 layers whose 128 numbers lie within 0.6 for one person."""

import threading
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from zplus.faces.weights import dlib
from zplus.perception.look import Look, Looker

NETWORK = "dlib_face_recognition_resnet_model_v1.dat"
SIZE, PADDING = 150, 0.25  # of the face that the network was trained with

Descriptor = Float[np.ndarray, "128"]


class Identity:
    """Descriptors of faces; nan where a picture shows none."""

    def __init__(self, looker: Looker | None = None):
        self.looker = looker or Looker()
        self._one_at_a_time = threading.Lock()  # the network keeps its activations

    def embed(self, pixels: UInt8[np.ndarray, "h w 3"]) -> Descriptor:
        """The descriptor [128] of the largest face of a picture uint8 RGB [H,W,3]."""
        look = self.looker.look(pixels)
        return np.full(128, np.nan) if look is None else self.describe(look)

    def describe(self, look: Look) -> Descriptor:
        """The descriptor [128] of a face that was found already."""
        chip = look.chip(SIZE, PADDING)
        with self._one_at_a_time:
            return np.array(self._network.compute_face_descriptor(chip))

    @cached_property
    def _network(self) -> Any:
        return dlib().face_recognition_model_v1(str(self.looker.folder / NETWORK))


def distance(a: Descriptor, b: Descriptor) -> float:
    """The Euclidean distance of two descriptors."""
    return float(np.linalg.norm(a - b))


def rank(query: Descriptor, gallery: Float[np.ndarray, "m 128"], own: int) -> int:
    """The place of row `own` when the gallery [M,128] is sorted by its distance to the query: 1 is first.

    Ties and nan count against it.

    >>> rank(np.eye(128)[0], np.eye(128)[:3], own=0)
    1
    """
    distances = np.linalg.norm(gallery - query, axis=1)
    nearer = ~(distances > distances[own])
    nearer[own] = False
    return 1 + int(nearer.sum())
