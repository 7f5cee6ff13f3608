"""Where the face of a film is: found in every frame, followed, smoothed over time and cut out."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch.nn import functional as F

from zplus.errors import FaceError, ImageError
from zplus.faces.align import Aligned, crop, middle, quad_of
from zplus.faces.detector import DetectedFace, FaceDetector
from zplus.faces.track import Piece, follow, pieces, smoothed
from zplus.images import read_image, to_tensor, write_image
from zplus.perception.pose import FACE, INNER, RIGID, fit_pose
from zplus.workflow.callbacks import Callbacks
from zplus.workflow.film_work import FilmWork
from zplus.workflow.footage import Footage
from zplus.workflow.photo import Pixels

SHARP_SIDE = 128  # pixels of the crop in which sharpness is measured: what compression does lies above

RIGID_FACE = FACE[np.array(RIGID) - INNER.start]


class Places(NamedTuple):
    """Where the face is.

    Attributes:
        landmarks: [T, 68, 2] in pixels of the frame, smoothed; nan where there is none. None without alignment.
        pieces: The frames that are edited.
        seen: For each frame whether its face was found, not bridged.
    """

    landmarks: Float[np.ndarray, "t 68 2"] | None
    pieces: list[Piece]
    seen: list[bool]

    @property
    def frames(self) -> int:
        """T, the number of all frames."""
        return len(self.seen)

    @property
    def edited(self) -> list[int]:
        """The numbers of the frames that are edited."""
        return [i for piece in self.pieces for i in range(*piece)]

    def quad(self, pixels: Pixels, i: int) -> Float[np.ndarray, "4 2"]:
        """The corners of the face's square in frame i."""
        return middle(*pixels.shape[:2]) if self.landmarks is None else quad_of(self.landmarks[i])


def find_places(
    footage: Footage, work: FilmWork, face: int, align: bool, callbacks: Callbacks, detector: FaceDetector | None
) -> Places:
    """Find the face in every frame, unless that was done before.

    Raises:
        FaceError: No frame has that face.
        ImageError: The film is damaged or has less than two frames.
    """
    found: list[list[DetectedFace]] = []
    with callbacks.stage("Finding the face", len(footage.pictures) or None) as tick:
        detector = (detector or FaceDetector()) if align else None
        for i, frame in enumerate(footage.frames()):
            found.append([] if detector is None else _faces(work, i, frame.pixels, detector))
            tick(i + 1, "")
    if len(found) < 2:
        raise ImageError(f"{footage.path} has {len(found)} frames: a film has two or more. Edit a photo by zplus edit.")
    if not align:
        return Places(None, [Piece(0, len(found))], [True] * len(found))
    return _tracked(found, face, float(footage.timing.rate), callbacks)


def cut_faces(footage: Footage, work: FilmWork, places: Places, size: int, callbacks: Callbacks) -> None:
    """Keep the square of the face of every frame, unless that was done before."""
    wanted = set(places.edited)
    if all(work.crop(i).exists() for i in wanted):
        return
    with callbacks.stage("Cutting out the face", places.frames) as tick:
        for i, frame in enumerate(footage.frames()):
            if i in wanted and not work.crop(i).exists():
                write_image(work.crop(i), crop(frame.pixels, places.quad(frame.pixels, i), size).pixels)
            tick(i + 1, "")


def key_frame(work: FilmWork, places: Places) -> int:
    """The frame in which the face is seen best: of the sharper half the most frontal."""
    frames = [i for i in places.edited if places.seen[i]]
    sharp = [sharpness(read_image(work.crop(i), min_side=1)) for i in frames]
    half = [i for i, value in zip(frames, sharp, strict=True) if value >= np.median(sharp)]
    if places.landmarks is None:
        return frames[int(np.argmax(sharp))]
    marks = places.landmarks[:, list(RIGID)]
    return min(half, key=lambda i: abs(fit_pose(marks[i], RIGID_FACE).yaw))


def sharpness(pixels: Pixels) -> float:
    """The variance of the Laplacian of the grey picture, in [-1, 1], at `SHARP_SIDE`."""
    grey = F.adaptive_avg_pool2d(to_tensor(pixels).mean(1, keepdim=True), min(SHARP_SIDE, *pixels.shape[:2]))
    kernel = torch.tensor([[0.0, 1, 0], [1, -4, 1], [0, 1, 0]])[None, None]
    return float(F.conv2d(grey, kernel).var())


def _faces(work: FilmWork, i: int, pixels: Pixels, detector: FaceDetector) -> list[DetectedFace]:
    """The faces of a frame; none is no error."""
    known = work.faces(i)
    if known is None:
        try:
            known = detector.find(pixels)
        except FaceError:
            known = []
        work.keep_faces(i, known)
    return known


def _tracked(found: Sequence[Sequence[DetectedFace]], face: int, rate: float, callbacks: Callbacks) -> Places:
    track = follow(found, face)
    seen = [one is not None for one in track]
    landmarks = np.stack([np.full((68, 2), np.nan) if one is None else one.landmarks for one in track])
    if (most := max(len(faces) for faces in found)) > 1:
        others = f"--face 0 to --face {most - 1} choose, 0 is the largest"
        callbacks.say(f"Up to {most} faces were found in a frame, face {face} is followed ({others}).")
    parts = pieces(seen, rate)
    for first, last in parts:
        landmarks[first:last] = smoothed(landmarks[first:last], rate)
    bounds = [0, *(x for part in parts for x in part), len(found)]
    lost = [f"{a} to {b - 1}" for a, b in zip(bounds[::2], bounds[1::2], strict=True) if a < b]
    if lost:
        callbacks.warn(f"The face is not seen for long in frames {', '.join(lost)}: these stay as they are.")
    return Places(landmarks, parts, seen)


def crop_file(path: Path) -> Aligned:
    """A crop that was kept, as a photo of its own."""
    pixels = read_image(path, min_side=1)
    return Aligned(pixels, middle(*pixels.shape[:2]), pixels)
