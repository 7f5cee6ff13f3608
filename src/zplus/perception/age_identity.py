"""A second score of age: ridge regression on the identity descriptor. It serves as the independent judge of age edits.

benchmarks/fit_age_identity.py fitted it to the years of birth of 144 official portraits, none of which is used to
measure edits. Its card is in the data file.
"""

import json
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np

from zplus.perception.face_input import FaceInput
from zplus.perception.identity import Identity

DATA = "age_identity.json"


@cache
def card() -> dict[str, Any]:
    """The coefficients [128], the intercept in years, and the accuracy on portraits left out."""
    return json.loads(files("zplus.perception").joinpath(DATA).read_text(encoding="utf-8"))


class AgeIdentity:
    """Scores a face by the age in years that its identity descriptor suggests."""

    def __init__(self, identity: Identity):
        self.identity = identity
        self.coefficients = np.array(card()["coefficients"])
        self.intercept = float(card()["intercept"])

    def __call__(self, face: FaceInput) -> float:
        """The age; linear in the descriptor, so it is not limited to a range."""
        return float(self.identity.describe(face) @ self.coefficients) + self.intercept
