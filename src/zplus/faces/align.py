"""The FFHQ crop (Karras et al. 2019, appendix A): a rotated square around eyes and mouth, as the generators expect it.

Coordinates are those of detector.py: continuous, x then y, in pixels of the photo.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from zplus.errors import FaceError
from zplus.faces.detector import DetectedFace, FaceDetector
from zplus.faces.warp import Affine, blur, warp
from zplus.images import to_tensor

LEFT_EYE, RIGHT_EYE, MOUTH_CORNERS = slice(36, 42), slice(42, 48), (48, 54)  # of the 68 landmarks, left in the picture

SOFT = 0.02  # sigma of the blur beyond the photo's border, in sides of the crop; FFHQ's
SHARP_UNTIL, PLAIN_FROM = 0.05, 0.3  # sides beyond the border: from there blurred, from there only the median colour


@dataclass(frozen=True)
class Aligned:
    """A crop and its place in the photo.

    Attributes:
        photo: uint8 [H, W, 3], the whole photo.
        quad: [4, 2], the crop's corners in the photo: upper left, lower left, lower right, upper right.
        pixels: uint8 [R, R, 3], the crop.
    """

    photo: UInt8[np.ndarray, "h w 3"]
    quad: Float[np.ndarray, "4 2"]
    pixels: UInt8[np.ndarray, "r r 3"]

    @property
    def image(self) -> Float[Tensor, "1 3 r r"]:
        """The crop as an image [1, 3, R, R] in [-1, 1]."""
        return to_tensor(self.pixels)

    def matrix(self, size: int) -> Affine:
        """The affine map from pixels of a crop of size x size to pixels of the photo."""
        return _matrix(self.quad, size)


def align(
    photo: UInt8[np.ndarray, "h w 3"], detector: FaceDetector | None = None, size: int = 1024, face: int = 0
) -> Aligned:
    """Cut out a face as the generators expect it.

    Args:
        photo: uint8 [H, W, 3], RGB.
        detector: A detector to reuse, so that its models are loaded once for many photos.
        size: Side of the crop in pixels; the resolution of the generator.
        face: Which face: 0 is the largest, 1 the next.

    Raises:
        FaceError: The photo has no such face.
        DownloadError: The detector's models have not been pulled.
        MissingExtraError: dlib is not installed.
    """
    return crop(photo, quad_of(choose((detector or FaceDetector()).find(photo), face).landmarks), size)


def choose(faces: list[DetectedFace], face: int) -> DetectedFace:
    """A face by its number: 0 is the first, the largest. Raises FaceError."""
    if not 0 <= face < len(faces):
        raise no_such_face(face, len(faces))
    return faces[face]


def no_such_face(face: int, count: int) -> FaceError:
    """The error that of `count` faces none has this number."""
    found = "one face was found, number 0" if count == 1 else f"faces 0 to {count - 1} were found"
    return FaceError(f"There is no face {face}: {found}.")


def quad_of(landmarks: Float[np.ndarray, "68 2"]) -> Float[np.ndarray, "4 2"]:
    """The crop's corners from 68 landmarks: upper left, lower left, lower right, upper right.

    The horizontal axis is the mean of the line between the eyes and of the normal to the line from eyes to mouth. The
    side is 4 times the distance of the eyes or 3.6 times that from eyes to mouth, whichever is larger.
    """
    left, right = landmarks[LEFT_EYE].mean(0), landmarks[RIGHT_EYE].mean(0)
    eyes, mouth = (left + right) / 2, landmarks[list(MOUTH_CORNERS)].mean(0)
    between, down = right - left, mouth - eyes
    across = between - _quarter_turn(down)
    across *= max(2.0 * np.hypot(*between), 1.8 * np.hypot(*down)) / np.hypot(*across)
    below, centre = _quarter_turn(across), eyes + 0.1 * down
    return np.stack(
        [centre - across - below, centre - across + below, centre + across + below, centre + across - below]
    )


def crop(photo: UInt8[np.ndarray, "h w 3"], quad: Float[np.ndarray, "4 2"], size: int = 1024) -> Aligned:
    """The part of a photo inside a quad, as size x size pixels.

    Outside the photo its mirror image is shown, which fades to a blur and then to a plain colour.
    """
    matrix = _matrix(quad, size)
    picture = warp(torch.from_numpy(photo).permute(2, 0, 1), matrix, (size, size), "reflection")  # [3, R, R], 0..255
    distance = _beyond(photo, matrix, size)
    if distance.any():
        picture = picture + (blur(picture, SOFT * size) - picture) * (distance / SHARP_UNTIL).clamp(0, 1)
        median = picture.flatten(1).median(dim=1).values[:, None, None]
        picture = picture + (median - picture) * (distance / PLAIN_FROM).clamp(0, 1)
    pixels = (picture + 0.5).floor().clamp(0, 255).to(torch.uint8)
    return Aligned(photo, quad, pixels.permute(1, 2, 0).contiguous().numpy())


def whole(photo: UInt8[np.ndarray, "h w 3"], size: int = 1024) -> Aligned:
    """The largest centred square of a photo, for photos that are aligned already (`--no-align`)."""
    return crop(photo, middle(*photo.shape[:2]), size)


def middle(height: int, width: int) -> Float[np.ndarray, "4 2"]:
    """The corners of the largest centred square."""
    side = min(height, width)
    x, y = (width - side) / 2, (height - side) / 2
    return np.array([(x, y), (x, y + side), (x + side, y + side), (x + side, y)])


def _quarter_turn(vector: np.ndarray) -> np.ndarray:
    """The vector turned clockwise by 90 degrees, as seen in the image (y points down)."""
    return np.array([-vector[1], vector[0]])


def _matrix(quad: np.ndarray, size: int) -> Affine:
    return np.stack([(quad[3] - quad[0]) / size, (quad[1] - quad[0]) / size, quad[0]], axis=1)


def _beyond(photo: np.ndarray, matrix: Affine, size: int) -> Float[Tensor, "r r"]:
    """The distance of each pixel of the crop outside the photo, in sides of the crop."""
    centres = np.arange(size) + 0.5
    points = np.stack(np.meshgrid(centres, centres, [1.0]), axis=-1)[:, :, 0] @ matrix.T  # [R, R, 2]
    outside = np.maximum(-points, points - (photo.shape[1], photo.shape[0])).max(axis=-1)
    return torch.from_numpy(outside.clip(min=0) / (size * np.hypot(*matrix[:, 0]))).float()
