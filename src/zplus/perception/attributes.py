"""Scores of face attributes by name.

A direction learnt from one scorer must be judged by a scorer that is `independent` of it.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import nan

import numpy as np
from jaxtyping import UInt8

from zplus.archives import require
from zplus.errors import UnknownNameError
from zplus.faces.detector import FaceDetector
from zplus.faces.weights import FACE_MODELS
from zplus.perception import geometry
from zplus.perception.age_gender import Age, Gender
from zplus.perception.age_identity import AgeIdentity
from zplus.perception.emotion import SmileNetwork
from zplus.perception.face_input import FaceInput, largest_face
from zplus.perception.identity import Identity

Score = Callable[[FaceInput], float]


@dataclass(frozen=True)
class Scorer:
    """A score of a face. `source` is the underlying model; scorers with the same source are not independent."""

    name: str
    measures: str
    unit: str
    source: str
    load: Callable[[FaceDetector], Score]  # called once, when the scorer is first needed
    note: str = ""


LANDMARKS_68, LANDMARKS_5 = "68 landmarks", "5 landmarks"
_ALL = (
    Scorer(
        "smile_network", "smile, by a network that sees the face", "log-odds of happy", "emotion network",
        lambda detector: SmileNetwork(),
        "Independent of smile_geometry but for the landmarks by which the face is cut out.",
    ),
    Scorer(
        "smile_geometry", "smile, by the width of the mouth and the lift of its corners", "distances between the eyes",
        LANDMARKS_68, lambda detector: geometry.smile,
        "Independent of smile_network; rises a little with mouth_open, which has the same landmarks.",
    ),
    Scorer(
        "age", "perceived age, by a network that sees the face", "years", "age network", lambda detector: Age(),
        "Ends at 80 years; 8 too young on portraits of 56 on average. Independent of age_identity.",
    ),
    Scorer(
        "age_identity", "perceived age, by a regression on the identity descriptor", "years", "identity network",
        lambda detector: AgeIdentity(Identity(detector)),
        "Fitted to politicians of 23 to 85 years. Independent of age; circular with the identity distance.",
    ),
    Scorer(
        "gender", "perceived gender", "log-odds of man against woman", "gender network", lambda detector: Gender(),
        "The only one: a direction learnt from it has no independent judge here.",
    ),
    Scorer(
        "yaw", "turn of the head to the right of the picture", "degrees", LANDMARKS_68,
        lambda detector: lambda face: face.pose.yaw, "Independent of yaw_five but for the 3-D face that both fit.",
    ),
    Scorer(
        "yaw_five", "turn of the head to the right of the picture", "degrees", LANDMARKS_5,
        lambda detector: lambda face: face.pose_of_five.yaw,
        "By a landmark model trained on other pictures. Like yaw, unsure beyond 35 degrees.",
    ),
    Scorer(
        "pitch", "turn of the head upwards", "degrees", LANDMARKS_68, lambda detector: lambda face: face.pose.pitch,
        "A long nose looks like a bowed head: compare one person with itself. Circular with yaw and the geometry.",
    ),
    Scorer(
        "mouth_open", "gap between the lips", "distances between the eyes", LANDMARKS_68,
        lambda detector: geometry.mouth_open, "Circular with smile_geometry.",
    ),
    Scorer(
        "eye_open", "gap between the lids", "parts of the eye's length", LANDMARKS_68,
        lambda detector: geometry.eye_open, "The noisiest of the geometric scores.",
    ),
)  # fmt: skip
ATTRIBUTES = {scorer.name: scorer for scorer in _ALL}


def independent(a: str, b: str) -> bool:
    """Whether one scorer can judge what was learnt from the other.

    Examples:
        >>> independent("smile_network", "smile_geometry"), independent("smile_geometry", "mouth_open")
        (True, False)
    """
    return _scorer(a).source != _scorer(b).source


class Scorers:
    """Scores images by several scorers, with one face detection per image. Networks load when first needed."""

    def __init__(self, detector: FaceDetector | None = None):
        self.detector = detector or FaceDetector(require(FACE_MODELS))
        self._loaded: dict[str, Score] = {}

    def measure(self, pixels: UInt8[np.ndarray, "h w 3"], names: Iterable[str]) -> dict[str, float]:
        """The scores of the largest face of an image.

        Args:
            pixels: uint8 [H, W, 3], RGB.
            names: Names of `ATTRIBUTES`.

        Returns:
            Scores by name, in the units of `ATTRIBUTES`; all nan where there is no face.
        """
        return self.score(largest_face(pixels, self.detector), names)

    def score(self, face: FaceInput | None, names: Iterable[str]) -> dict[str, float]:
        """The scores of a face by name; all nan for None."""
        scores = {name: self._load(name) for name in names}  # also without a face, so that an unknown name is found
        return {name: nan if face is None else score(face) for name, score in scores.items()}

    def _load(self, name: str) -> Score:
        if name not in self._loaded:
            self._loaded[name] = _scorer(name).load(self.detector)
        return self._loaded[name]


def _scorer(name: str) -> Scorer:
    if name not in ATTRIBUTES:
        raise UnknownNameError("attribute", name, ATTRIBUTES)
    return ATTRIBUTES[name]
