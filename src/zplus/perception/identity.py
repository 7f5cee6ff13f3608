"""Identity: dlib's face descriptor, 128 numbers of a ResNet-29. One person's descriptors are within 0.6."""

from collections.abc import Mapping
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from zplus.archives import require
from zplus.faces.detector import FaceDetector
from zplus.faces.weights import FACE_MODELS
from zplus.images import to_pixels, to_tensor
from zplus.perception.face_input import FaceInput, largest_face
from zplus.perception.residual import IDENTITY, residual
from zplus.perception.weights import identity_tensors

SIZE, PADDING = 150, 0.25  # of the face that the network was trained with

Descriptor = Float[np.ndarray, "128"]


def descriptors(weights: Mapping[str, Tensor], image: Float[Tensor, "n 3 150 150"]) -> Float[Tensor, "n 128"]:
    """The descriptors of faces in [-1,1], cut as `FaceInput.chip(SIZE, PADDING)` does; differentiable."""
    return residual(weights, image, IDENTITY)


class Identity:
    """Descriptors of faces; nan where an image has no face. Raises DownloadError without the models."""

    def __init__(self, detector: FaceDetector | None = None):
        self.detector = detector or FaceDetector(require(FACE_MODELS))

    def embed(self, pixels: UInt8[np.ndarray, "h w 3"]) -> Descriptor:
        """The descriptor [128] of the largest face of an image, uint8 RGB [H, W, 3]."""
        face = largest_face(pixels, self.detector)
        return np.full(128, np.nan) if face is None else self.describe(face)

    @torch.inference_mode()
    def describe(self, face: FaceInput) -> Descriptor:
        """The descriptor [128] of a detected face."""
        return descriptors(self._weights, to_tensor(face.chip(SIZE, PADDING)))[0].double().numpy()

    @cached_property
    def _weights(self) -> dict[str, Tensor]:
        return identity_tensors()


def distance(a: Descriptor, b: Descriptor) -> float:
    """The Euclidean distance of two descriptors. Below 0.6: the same person."""
    return float(np.linalg.norm(a - b))


def identity_distance(
    identity: Identity | None, image: Float[Tensor, "n 3 h w"], target: Float[Tensor, "n 3 h w"]
) -> Float[Tensor, " n"]:
    """The distance [N] of the largest faces of images in [-1, 1]; nan without a network or face."""
    if identity is None:
        return torch.full((len(image),), torch.nan)
    pairs = zip(image, target, strict=True)
    found = [distance(*(identity.embed(to_pixels(x)) for x in pair)) for pair in pairs]
    return torch.tensor(found, dtype=torch.float64)


def rank(query: Descriptor, gallery: Float[np.ndarray, "m 128"], own: int) -> int:
    """The rank of row `own` when a gallery [M, 128] is sorted by distance to the query; 1 is first.

    Ties and nan count against it.

    Examples:
        >>> rank(np.eye(128)[0], np.eye(128)[:3], own=0)
        1
    """
    distances = np.linalg.norm(gallery - query, axis=1)
    nearer = ~(distances > distances[own])
    nearer[own] = False
    return 1 + int(nearer.sum())
