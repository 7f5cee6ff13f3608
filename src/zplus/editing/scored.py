"""Samples of the prior with scores: what directions are learnt from, and what defines their unit."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn import functional as F

from zplus.direction import Direction
from zplus.errors import ZplusError
from zplus.generators import Generator
from zplus.images import to_pixels
from zplus.spaces import Space, make_space
from zplus.spaces.conversion import convert_code

Pixels = UInt8[np.ndarray, "h w 3"]
Score = Callable[[Pixels], Mapping[str, float]]  # attribute: score (nan: no face)
SCORED_SIZE = 256  # side in pixels at which generated pictures are scored: what the networks see is smaller still
CALIBRATION = 24  # fresh samples on which a unit is measured


@dataclass(frozen=True, eq=False)
class Scored:
    """Scored samples of the prior.

    Attributes:
        z: [M, z_dim] on the sphere.
        scores: By attribute an array [M]; nan where a sample has no score.
        score: The function that scored them; it also scores samples that are moved along a direction.
    """

    z: Float[Tensor, "m z"]
    scores: dict[str, np.ndarray]
    score: Score

    def known(self, attribute: str) -> tuple[Float[Tensor, "k z"], np.ndarray]:
        """The samples [K, z_dim] that have a score of the attribute, and their scores [K].

        Raises:
            ZplusError: No sample has one.
        """
        there = np.isfinite(self.scores.get(attribute, np.empty(0)))
        if not there.any():
            raise ZplusError(f"Only 0 samples have a score of {attribute}: the generator draws nothing that shows it.")
        return self.z[torch.from_numpy(there).to(self.z.device)], self.scores[attribute][there]


def score_prior(
    generator: Generator,
    score: Score,
    samples: int,
    seed: int = 1,
    report: Callable[[int], None] = lambda done: None,
) -> Scored:
    """Render samples of the prior without truncation, and score them.

    Args:
        generator: The generator.
        score: Pixels, uint8 [H, W, 3] RGB of at most 256 px a side, to a score by attribute; nan where there is none.
        samples: How many. The directions of ffhq-mobile used 2,647.
        seed: The same seed gives the same samples.
        report: Is given the number of samples done.
    """
    space = make_space("z", generator)
    z, rows = space.sample(samples, seed), []
    for i in range(samples):
        rows.append(score(scoring_pixels(space, z[i : i + 1])))
        report(i + 1)
    return Scored(z[:, 0], {name: np.array([row[name] for row in rows], float) for name in rows[0]}, score)


@torch.no_grad()
def codes_in(space: Space, z: Float[Tensor, "m z"]) -> Float[Tensor, "m d"]:
    """The samples z as codes of Z, W or S, one code for all layers."""
    return convert_code(make_space("z", space.generator), z[:, None], space)[:, 0]


def measured_slope(
    generator: Generator, kind: str, vector: Float[Tensor, "k d"], attribute: str, score: Score
) -> float:
    """The change of the score per unit of `vector`: half the mean difference between samples moved by +1 and by -1.

    Raises:
        ZplusError: No moved sample has a score.
    """
    space = make_space(kind, generator)
    codes, vector = space.broadcast_sample(CALIBRATION, seed=2), vector.to(generator.device)
    change = [
        score(scoring_pixels(space, space.move(code, vector[None])))[attribute]
        - score(scoring_pixels(space, space.move(code, -vector[None])))[attribute]
        for code in codes.split(1)
    ]
    if not np.isfinite(change).any():
        raise ZplusError(f"No sample that moved along the direction has a score of {attribute}: take more samples.")
    return float(np.nanmean(change)) / 2


@torch.inference_mode()
def scoring_pixels(space: Space, code: Float[Tensor, "1 k d"]) -> Pixels:
    """The image of a code as uint8 pixels, reduced to at most 256 px a side."""
    image = space.generator.synthesize(space.inputs(code))
    image = F.adaptive_avg_pool2d(image, min(SCORED_SIZE, space.generator.resolution))
    return to_pixels(image[0])


def calibrated(generator: Generator, direction: Direction, attribute: str, scored: Scored) -> Direction:
    """Scale a direction so that one unit raises the score by one standard deviation of the prior; its sign may change.

    Args:
        generator: The generator.
        direction: Any direction of it.
        attribute: A score in `scored`.
        scored: Scored samples of the prior.

    Raises:
        ZplusError: One unit moves the score by less than a hundredth of a standard deviation.
    """
    _, values = scored.known(attribute)
    deviation = float(values.std())
    slope = measured_slope(generator, direction.space, direction.vector, attribute, scored.score)
    if not abs(slope) > 0.01 * deviation:
        raise ZplusError(f"{direction.name} hardly moves the score of {attribute}: choose another attribute.")
    told = {key: value for key, value in direction.card.items() if key != "range"}  # which is of the old unit
    card = told | {"attribute": attribute, "samples": len(values), "score_std": round(deviation, 5)}
    return replace(direction, vector=direction.vector * (deviation / slope), card=card)


def visible_effect(generator: Generator, direction: Direction) -> float:
    """How much one unit changes fresh samples: mean absolute difference of images in [-1, 1]."""
    space = make_space(direction.space, generator)
    codes, vector = space.broadcast_sample(CALIBRATION // 4, seed=2), direction.vector[None].to(generator.device)
    pairs = [(scoring_pixels(space, x), scoring_pixels(space, space.move(x, vector))) for x in codes.split(1)]
    return float(np.mean([np.abs(a.astype(float) - b).mean() for a, b in pairs])) / 127.5
