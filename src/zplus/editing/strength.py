"""The strength at which a score reads a target: variable magnitude, found by bisection."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from torch import Tensor

from zplus.direction import Direction
from zplus.editing.editor import Editor
from zplus.errors import ZplusError
from zplus.generators import Generator
from zplus.latent import Latent

MAX_STRENGTH = 5.0  # standard deviations either way; further out a face comes apart before its score does
HALVINGS = 7  # to a twenty-fifth of a standard deviation

Measure = Callable[[Float[Tensor, "3 r r"]], float]


class Reached(NamedTuple):
    """The strength whose score came nearest to the target, that score, and whether the target lies within reach."""

    strength: float
    score: float
    within: bool


def solve_strength(
    generator: Generator,
    latent: Latent,
    direction: Direction,
    target: float,
    measure: Measure,
) -> Reached:
    """Bisect the strength of one more edit of the first row, between 0 and five deviations towards the target.

    measure: a picture [3,R,R] in [-1,1] to a score, nan where there is none. Raises ZplusError where the picture as it
    is has no score.
    """
    scores: dict[float, float] = {}
    editor = Editor(generator, latent[0])

    def at(strength: float) -> float:
        scores[strength] = measure(editor.image(editor.edit({direction: strength}))[0])
        return scores[strength]

    if not np.isfinite(at(0.0)):
        raise ZplusError(f"The picture has no score that {direction.name} could bring to {target:g}.")
    sign = 1.0 if target >= scores[0.0] else -1.0
    near, far = 0.0, sign * MAX_STRENGTH
    at(far)  # there is often no face, and no score, so far out
    for _ in range(HALVINGS):
        middle = (near + far) / 2
        near, far = (near, middle) if not sign * (at(middle) - target) < 0 else (middle, far)
    best = min((s for s in scores if np.isfinite(scores[s])), key=lambda s: abs(scores[s] - target))
    within = any(sign * (score - target) >= 0 for score in scores.values())
    return Reached(best, scores[best], within)
