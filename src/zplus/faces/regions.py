"""Regions of an aligned face as masks from landmarks, to limit edits to."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image, ImageChops, ImageDraw, ImageFilter
from torch import Tensor

from zplus.errors import UnknownNameError
from zplus.faces.detector import FaceDetector

SIDE = 256  # of a mask in pixels: its border is soft
SOFT = 4  # sigma of the border, in pixels of the mask
REGIONS = ("mouth", "eyes", "face", "hair", "background")
JAW, BROWS, EYES, MOUTH = slice(0, 17), slice(17, 27), slice(36, 48), slice(48, 68)

Points = Float[np.ndarray, "k 2"]
Vector = Float[np.ndarray, "2"]


def region_mask(
    pixels: UInt8[np.ndarray, "r r 3"], name: str, detector: FaceDetector | None = None
) -> Float[Tensor, "1 1 s s"]:
    """A mask of a region of the largest face in an aligned crop.

    Args:
        pixels: uint8 [R, R, 3].
        name: "mouth", "eyes" (with brows) and "face" are dilated hulls of landmarks. "hair" is an ellipse around the
            head without the face; "background" is outside this ellipse and beside the shoulders. Both are rough.
        detector: A detector to reuse.

    Returns:
        The mask in [0, 1], 1 in the region, with a soft border.

    Raises:
        UnknownNameError: There is no such region.
        FaceError: There is no face.
    """
    if name not in REGIONS:
        raise UnknownNameError("region", name, REGIONS)
    return region_around((detector or FaceDetector()).find(pixels)[0].landmarks / pixels.shape[0], name)


def region_around(landmarks: Float[np.ndarray, "68 2"], name: str) -> Float[Tensor, "1 1 s s"]:
    """`region_mask` of a face whose landmarks are known, in sides of the crop. Raises UnknownNameError."""
    if name not in REGIONS:
        raise UnknownNameError("region", name, REGIONS)
    mask = Image.fromarray(_regions(landmarks * SIDE, name)).filter(ImageFilter.GaussianBlur(SOFT))
    return torch.from_numpy(np.asarray(mask, np.float32) / 255)[None, None]


def _regions(landmarks: Points, name: str) -> UInt8[np.ndarray, "s s"]:
    middle, unit, up = _frame(landmarks)
    if name == "mouth":
        return np.asarray(_grown([landmarks[MOUTH]], 0.35 * unit))
    if name == "eyes":
        return np.asarray(_grown([landmarks[EYES], landmarks[BROWS]], 0.25 * unit))
    forehead = landmarks[BROWS] + 0.55 * unit * up
    face = _grown([np.concatenate([landmarks[JAW], forehead])], 0.05 * unit)
    if name == "face":
        return np.asarray(face)
    chin = landmarks[8]
    head = Image.new("L", (SIDE, SIDE))
    crown = middle + 2.6 * unit * up
    ImageDraw.Draw(head).polygon(
        _ellipse((chin + crown) / 2, float(np.linalg.norm(chin - crown)) / 2, 1.75 * unit, up), 255
    )
    if name == "hair":
        return np.asarray(ImageChops.subtract(head, face))
    shoulders = Image.new("L", (SIDE, SIDE))
    level = float(chin[1])
    corners = [(chin[0] - 1.2 * unit, level), (chin[0] + 1.2 * unit, level), (SIDE, level + unit), (SIDE, SIDE)]
    ImageDraw.Draw(shoulders).polygon([*map(tuple, corners), (0, SIDE), (0, level + unit)], 255)
    return 255 - np.asarray(ImageChops.lighter(head, shoulders))


def _frame(landmarks: Points) -> tuple[Vector, float, Vector]:
    """The middle between the eyes [2], the distance between them, and the unit vector upwards [2]."""
    left, right = landmarks[36:42].mean(0), landmarks[42:48].mean(0)
    middle, across = (left + right) / 2, right - left
    unit = float(np.linalg.norm(across))
    return middle, unit, np.array([across[1], -across[0]]) / unit


def _grown(groups: Sequence[np.ndarray], reach: float) -> Image.Image:
    """The convex hulls of groups of points [K, 2], dilated by `reach` pixels."""
    import scipy.spatial  # noqa: PLC0415  (slow to import)

    found = Image.new("L", (SIDE, SIDE))
    draw = ImageDraw.Draw(found)
    for points in groups:
        hull = [tuple(map(float, points[i])) for i in scipy.spatial.ConvexHull(points).vertices]
        draw.polygon(hull, 255)
        draw.line([*hull, hull[0]], 255, max(1, round(2 * reach)), joint="curve")
    return found


def _ellipse(centre: Vector, tall: float, wide: float, up: Vector) -> list[tuple[float, float]]:
    """The outline of an ellipse; `tall` and `wide` are the radii along `up` and across it."""
    across = np.array([-up[1], up[0]])
    turns = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    points = centre + tall * np.cos(turns)[:, None] * up + wide * np.sin(turns)[:, None] * across
    return [(float(x), float(y)) for x, y in points]
