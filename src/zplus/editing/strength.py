"""The strength at which a score reaches a target, found by bisection."""

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
    """The result of `solve_strength`.

    Attributes:
        strength: The strength whose score is nearest to the target, in standard deviations.
        score: That score.
        within: Whether some strength reached the target.
    """

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
    """Find the strength of one further edit at which a score of the first row reaches a target.

    Args:
        generator: The generator of the latent.
        latent: Only its first row is used.
        direction: The direction of the edit. Strengths from 0 to 5 standard deviations towards the target are tried.
        target: The score to reach, in the score's own unit.
        measure: An image [3, R, R] in [-1, 1] to a score; nan where there is none.

    Raises:
        ZplusError: The image as it is has no score.
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
