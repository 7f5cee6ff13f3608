"""One face through the frames of a film: followed by overlap, its landmarks smoothed over time.

Landmarks that are found frame by frame tremble by a pixel or two, and a crop that follows them makes an edit tremble.
`smoothed` fits a parabola to the neighbours of every frame (Savitzky and Golay 1964), by weights that fall with the
distance in time and with the residual (Cleveland 1979, "Robust locally weighted regression"). It has no delay, keeps
turns of the head, and bridges frames without landmarks.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from zplus.errors import FaceError
from zplus.faces.align import no_such_face
from zplus.faces.detector import DetectedFace, box_overlap

SAME = 0.3  # intersection over union with the last box: from there it is the same face
SPREAD = 0.15  # seconds: sigma of the weights; a nod takes three times that
REACH = 3.0  # sigmas: beyond, frames have no weight
OUTLIER = 6.0  # median residuals of a frame: from there it has no weight
ROUNDS = 4  # in which weights are told from residuals
BRIDGE = 0.5  # seconds: shorter gaps are bridged

Track = Float[np.ndarray, "t 68 2"]


class Piece(NamedTuple):
    """Frames first..last-1 in which the face is seen, or only briefly not."""

    first: int
    last: int


def follow(frames: Sequence[Sequence[DetectedFace]], face: int = 0) -> list[DetectedFace | None]:
    """The same face in every frame; None where it is not found.

    Args:
        frames: The faces of each frame, the largest first.
        face: The number of the face, by size, in the first frame that has so many.

    Raises:
        FaceError: No frame has so many faces.
    """
    start = next((i for i, faces in enumerate(frames) if len(faces) > face), None)
    if start is None:
        most = max((len(faces) for faces in frames), default=0)
        words = no_such_face(face, most) if most else f"There is no face {face}: no face was found in any frame."
        raise FaceError(f"{words} Films that are cut to the face already need --no-align.")
    found: list[DetectedFace | None] = [None] * len(frames)
    for order in (range(start, len(frames)), range(start, -1, -1)):
        last = frames[start][face]
        for i in order:
            nearest = max(frames[i], key=lambda one: box_overlap(one.box, last.box), default=last)
            if frames[i] and box_overlap(nearest.box, last.box) >= SAME:
                found[i] = last = nearest
    return found


def pieces(seen: Sequence[bool], rate: float) -> list[Piece]:
    """The pieces of a film in which a face is seen: gaps of less than `BRIDGE` seconds do not end one."""
    found: list[Piece] = []
    for i in np.flatnonzero(seen).tolist():
        if found and i - found[-1].last < max(1.0, BRIDGE * rate):
            found[-1] = Piece(found[-1].first, i + 1)
        else:
            found.append(Piece(i, i + 1))
    return found


def smoothed(track: Track, rate: float) -> Track:
    """Landmarks [T, 68, 2] without their tremble; frames that are nan are bridged. At least one is not.

    >>> still = np.ones((9, 68, 2))
    >>> bool(np.allclose(smoothed(still, 25.0), still))
    True
    """
    values = track.reshape(len(track), -1)
    known = np.isfinite(values).all(1)
    trust = known.astype(float)
    for _ in range(ROUNDS):
        found = _regression(values, trust, SPREAD * rate)
        residual = np.where(known, np.linalg.norm(np.nan_to_num(values) - found, axis=1), 0.0)
        scale = OUTLIER * max(float(np.median(residual[known])), 1e-9)
        trust = known * np.square(1 - np.square(np.minimum(residual / scale, 1)))
    return _regression(values, trust, SPREAD * rate).reshape(track.shape)


def _regression(values: Float[np.ndarray, "t d"], trust: Float[np.ndarray, " t"], sigma: float) -> np.ndarray:
    """The value at each time of the parabola that fits its neighbours best."""
    used = np.flatnonzero(trust > 0)
    found = np.empty_like(values)
    for i in range(len(values)):
        near = used[np.abs(used - i) <= max(REACH * sigma, 1)]
        near = near if len(near) >= 3 else used[np.argsort(np.abs(used - i), kind="stable")[:3]]
        away = (near - i) / sigma
        weight = np.sqrt(trust[near] * np.exp(-0.5 * away**2) + 1e-12)[:, None]
        powers = away[:, None] ** np.arange(min(3, len(near)))
        found[i] = np.linalg.lstsq(weight * powers, weight * values[near], rcond=None)[0][0]
    return found
