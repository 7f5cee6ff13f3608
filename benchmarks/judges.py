"""What an edited face is judged by, and when an edit is a success.

An edit of an attribute by some strength succeeds if
- the scorer that trained the direction and an independent judge both moved by one deviation of the prior or more,
- the person is first among all portraits, by dlib's descriptor and by that of an independent network,
- the face is whole: landmarks fit a rigid 3-D face and agree with those of the mirror image, the detector is sure of
  it, and no outline was left behind where the head was.
Eyeglasses have no scorer, so their success tells of person and face alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.ndimage import gaussian_filter, map_coordinates

from faceres import FaceRes
from zplus.faces.detector import FaceDetector
from zplus.faces.weights import dlib
from zplus.perception.attributes import ATTRIBUTES, Scorers
from zplus.perception.face_input import largest_face, mirror_gap
from zplus.perception.identity import Identity, rank

TRAINERS = {
    "smile": "smile_network", "age": "age", "yaw": "yaw", "gender": "gender", "eyeglasses": "",
    "mouth_open": "mouth_open", "pitch": "pitch",
}  # fmt: skip
JUDGES = {"smile": "smile_geometry", "age": "age_faceres", "yaw": "yaw_five", "gender": "gender_faceres"}
SECOND = {"age": "age_identity"}  # a second judge, told beside
SIDE = 256  # pixels at which pictures are judged
MAX_RESIDUAL = 6.0  # mm that the rigid fit of nose and eyes leaves
MAX_MIRROR = 0.08  # distances between the eyes by which landmarks differ from those of the mirror image
MIN_CONFIDENCE = 0.0  # of the frontal detector
MAX_GHOST = 0.35  # of the old outline's contrast that is still there
TURNED = 8.0  # degrees from which on a head has left its old outline: a smile only moves landmarks along it
GONE = 0.05  # widths of the face that the outline must have moved by, where its ghost is looked for
OUTLINE = slice(0, 17)  # the landmarks of the jaw


@dataclass(frozen=True)
class Reading:
    """A picture as the judges see it; scores and descriptors are nan where there is no face."""

    scores: Mapping[str, float]
    identity: np.ndarray
    second_identity: np.ndarray
    residual: float = np.inf
    mirror: float = np.inf
    confidence: float = -np.inf
    landmarks: np.ndarray | None = None
    grey: np.ndarray | None = None

    @property
    def whole(self) -> bool:
        """Whether this is a face that is whole, whatever lies around it."""
        return self.residual <= MAX_RESIDUAL and self.mirror <= MAX_MIRROR and self.confidence >= MIN_CONFIDENCE


class Judges:
    """All scorers of the package, and the independent network in FOLDER."""

    def __init__(self, folder: Path):
        self.detector = FaceDetector()
        self.scorers, self.identity, self.independent = Scorers(self.detector), Identity(self.detector), FaceRes(folder)
        self.frontal = dlib().get_frontal_face_detector()

    def read(self, pixels: np.ndarray) -> Reading:
        """A picture uint8 RGB [H,W,3], as large as it is."""
        face = largest_face(pixels, self.detector)
        if face is None:
            nothing = dict.fromkeys((*ATTRIBUTES, "age_faceres", "gender_faceres"), np.nan)
            return Reading(nothing, np.full(128, np.nan), np.full(1024, np.nan))
        scores = {name: score(face) for name, score in self.scorers._load(ATTRIBUTES).items()}
        seen = self.independent(face)
        scores |= {"age_faceres": seen.age, "gender_faceres": seen.gender}
        factor = max(1, pixels.shape[0] // SIDE)
        small = np.ascontiguousarray(pixels[::factor, ::factor])
        confidence = max(self.frontal.run(small, 0, -1.0)[1], default=-1.0)
        return Reading(
            scores, self.identity.describe(face), seen.descriptor, face.pose.residual, mirror_gap(face, self.detector),
            confidence, face.face.landmarks, pixels.mean(2),
        )  # fmt: skip


def ghost(before: Reading, after: Reading) -> float:
    """How much of the outline's contrast is still there where the jaw has left it: 0 nothing, 1 all of it.

    Contrast is the gradient across the old outline; what has hardly moved does not count. 0 where no head has turned.
    """
    turn = max(abs(after.scores[name] - before.scores[name]) for name in ("yaw", "pitch"))
    if before.landmarks is None or after.landmarks is None or not turn > TURNED:
        return 0.0
    old, new = (_outline(x.landmarks[OUTLINE]) for x in (before, after))
    width = np.hypot(*(before.landmarks[0] - before.landmarks[16]))
    left = np.linalg.norm(old[:, None] - new[None], axis=2).min(1) > GONE * width
    if left.sum() < 5:
        return 0.0
    tangent = np.gradient(old, axis=0)
    normal = np.stack([-tangent[:, 1], tangent[:, 0]], 1) / np.linalg.norm(tangent, axis=1, keepdims=True)
    was, remains = (_across(x.grey, old[left], normal[left], width) for x in (before, after))
    return float(np.maximum(was * remains, 0).sum() / (was**2).sum())


def _outline(points: np.ndarray) -> np.ndarray:
    at = np.linspace(0, len(points) - 1, 120)
    return np.stack([np.interp(at, np.arange(len(points)), points[:, i]) for i in range(2)], 1)


def _across(grey: np.ndarray, points: np.ndarray, normal: np.ndarray, width: float) -> np.ndarray:
    """The slopes across an outline a little to either side of where landmarks say that it is, [6, points]."""
    smooth = gaussian_filter(grey.astype(float), 0.015 * width)
    steps = np.linspace(-0.03, 0.03, 7) * width
    values = [map_coordinates(smooth, (points + s * normal)[:, ::-1].T - 0.5, order=1, mode="nearest") for s in steps]
    return np.diff(values, axis=0)


def moved(before: Reading, after: Reading, score: str, spread: float, sign: int) -> float:
    """By how many deviations a score moved the way it should."""
    return sign * (after.scores[score] - before.scores[score]) / spread


def verdict(
    before: Reading, after: Reading, direction: str, sign: int, spreads: Mapping[str, float], people: Any, own: int
) -> dict[str, Any]:
    """All that is told of one edit, and whether it is a success. people: the galleries of both descriptors."""
    scores = {"trainer": TRAINERS[direction], "judge": JUDGES.get(direction), "second": SECOND.get(direction)}
    shifts = {f"moved_by_{who}": moved(before, after, s, spreads[s], sign) for who, s in scores.items() if s}
    row: dict[str, Any] = shifts | {
        "identity": float(np.linalg.norm(after.identity - before.identity)),
        "second_identity": float(np.linalg.norm(after.second_identity - before.second_identity)),
        "rank": rank(after.identity, people[0], own), "second_rank": rank(after.second_identity, people[1], own),
        "residual": after.residual, "mirror": after.mirror, "confidence": after.confidence,
        "ghost": ghost(before, after), "whole": after.whole,
    }  # fmt: skip
    row = {key: value if isinstance(value, bool) else round(value, 3) for key, value in row.items()}
    both = [shifts[key] >= 1 for key in ("moved_by_trainer", "moved_by_judge") if key in shifts]
    first = row["rank"] == row["second_rank"] == 1
    row["success"] = all(both) and first and row["whole"] and row["ghost"] <= MAX_GHOST
    return row
