"""Open and align: from the file of a photo to the crop of a face."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from zplus.errors import FaceError
from zplus.faces.align import Aligned, choose, crop, quad_of, whole
from zplus.faces.detector import DetectedFace, FaceDetector
from zplus.images import read_image
from zplus.workflow.callbacks import SILENT, Callbacks

MAX_OUTSIDE = 0.1  # of the crop: beyond, what was filled in can be seen
GRID = 64  # points a side, at which the crop is probed

Pixels = UInt8[np.ndarray, "_ _ 3"]


def aligned_face(
    path: Path, size: int, face: int | str = 0, align: bool = True, callbacks: Callbacks = SILENT
) -> Aligned:
    """Read a photo and crop a face: the first of `aligned_faces`."""
    return aligned_faces(path, size, face, align, callbacks)[0]


def aligned_faces(
    path: Path,
    size: int,
    face: int | str = 0,
    align: bool = True,
    callbacks: Callbacks = SILENT,
    detector: FaceDetector | None = None,
) -> list[Aligned]:
    """Read a photo and crop a face, or all.

    Args:
        path: The file of the photo.
        size: Pixels a side of the crop.
        face: The number of the face, by size; 0 is the largest. "all" takes all of them.
        align: Whether to find faces; False takes the square in the middle of the photo.
        callbacks: `say` is told which face was taken, `warn` where the crop is doubtful.
        detector: Kept by the caller for many photos; None loads one.

    Raises:
        ImageError: The file is not a usable image.
        FaceError: No such face was found; the message names the photo.
    """
    photo = read_image(path)
    if not align:
        return [whole(photo, size)]
    try:
        faces = (detector or FaceDetector()).find(photo)
        chosen = range(len(faces)) if face == "all" else [int(face)]
        found = [cut(photo, faces, i, size) for i in chosen]
    except FaceError as error:
        raise FaceError(f"{path}: {error} A picture that is cut as its model expects it needs --no-align.") from error
    if len(faces) > len(found):
        others = f"--face 0 to --face {len(faces) - 1} choose, 0 is the largest"
        callbacks.say(f"{path}: {len(faces)} faces were found, face {face} is taken ({others}).")
    for aligned in found:
        for line in crop_doubts(aligned):
            callbacks.warn(line)
    return found


def cut(photo: Pixels, faces: Sequence[DetectedFace], face: int, size: int) -> Aligned:
    """Crop one of the detected faces, 0 the largest, to size x size pixels. Raises FaceError."""
    return crop(photo, quad_of(choose(list(faces), face).landmarks), size)


def crop_doubts(aligned: Aligned) -> list[str]:
    """Warnings about a crop, one sentence each."""
    outside = part_outside(aligned)
    if outside <= MAX_OUTSIDE:
        return []
    return [
        f"{outside:.0%} of the crop lies outside the photo and is filled in: an edit may look wrong there. Use a photo "
        "with more room around the head."
    ]


def part_outside(aligned: Aligned) -> float:
    """The part of the crop that lies outside the photo, in [0, 1]."""
    centres = np.arange(GRID) + 0.5
    points = np.stack(np.meshgrid(centres, centres, [1.0]), axis=-1)[:, :, 0] @ aligned.matrix(GRID).T  # [G, G, 2]
    height, width = aligned.photo.shape[:2]
    return float(((points < 0) | (points > (width, height))).any(axis=-1).mean())
