"""Directions by the boundary method (InterFaceGAN: Shen et al. 2020, arXiv 1907.10786): score samples of the prior,
separate the extremes by a hyperplane in W, move along its normal."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from sklearn.svm import LinearSVC
from torch import Tensor
from torch.nn import functional as F

from zplus.direction import Direction
from zplus.errors import ZplusError
from zplus.generators import Generator, Signals
from zplus.generators.statistics import sample_w

Score = Callable[[np.ndarray], Mapping[str, float]]  # uint8 RGB [H,W,3] -> attribute: score (nan: no face)
SCORED_SIZE = 256  # side in pixels at which generated pictures are scored: what the networks see is smaller still
HELD_OUT = 0.2  # of the samples: they judge the boundary and take no part in finding it
CALIBRATION = 24  # fresh samples on which the unit is measured


@dataclass(frozen=True)
class Scored:
    """Samples of the prior and their scores: w [M, w_dim], and by attribute an array [M] with nan where unknown."""

    w: Float[Tensor, "m w"]
    scores: dict[str, np.ndarray]


def score_prior(
    generator: Generator,
    score: Score,
    samples: int,
    seed: int = 1,
    report: Callable[[int], None] = lambda done: None,
) -> Scored:
    """Render and score samples of the prior, without truncation."""
    w = sample_w(generator, samples, seed)
    rows = []
    for i in range(samples):
        rows.append(score(_picture(generator, w[i : i + 1, None])))
        report(i + 1)
    return Scored(w, {name: np.array([row[name] for row in rows], float) for name in rows[0]})


def learn_boundary(
    generator: Generator,
    name: str,
    attribute: str,
    scored: Scored,
    score: Score,
    fraction: float = 0.2,
    layers: tuple[int, int] | None = None,
) -> Direction:
    """The direction of an attribute in W, scaled so that it moves the score by one standard deviation on average.

    fraction: the share of samples at either end that the hyperplane must separate. layers: the codes first..last-1 that
    move, as a direction of W+; pose and shape are decided by the first ones, and the others would only tint. The card
    holds the accuracy on the ends of held-out samples, the mean and standard deviation of the score over the prior, and
    the length of the unit. Raises ZplusError when too few samples have a score.
    """
    values = scored.scores[attribute]
    known = np.isfinite(values)
    w, values = scored.w.cpu().numpy()[known], values[known]
    held = int(HELD_OUT * len(values))
    ends = int(fraction * (len(values) - held))
    if ends < 10:
        raise ZplusError(f"Only {len(values)} samples have a score of {attribute}: raise the number of samples.")
    x, y = _extremes(w[held:], values[held:], ends)
    centre, spread = w.mean(0), w.std()
    machine = LinearSVC(C=1e-3, dual=True, max_iter=20_000, random_state=0).fit((x - centre) / spread, y)
    fresh, truth = _extremes(w[:held], values[:held], max(5, int(fraction * held)))
    accuracy = float((machine.predict((fresh - centre) / spread) == truth).mean())

    normal = torch.from_numpy(machine.coef_[0] / np.linalg.norm(machine.coef_)).float()
    along = float((w @ normal.numpy()).std())
    first, last = layers or (0, generator.num_codes)
    rows = torch.zeros(generator.num_codes, len(normal))
    rows[first:last] = normal
    slope = _slope(generator, rows, along, attribute, score)
    deviation = float(values.std())
    if not slope > 0:
        raise ZplusError(f"Moving along the boundary of {attribute} does not raise its score: take more samples.")
    card = {
        "method": "boundary", "attribute": attribute, "samples": len(values), "fraction": fraction,
        "accuracy": round(accuracy, 4), "score_mean": round(float(values.mean()), 5),
        "score_std": round(deviation, 5), "correlation": round(float(np.corrcoef(w @ normal.numpy(), values)[0, 1]), 4),
        "unit_in_prior_deviations": round(deviation / slope / along, 4), "model": generator.name,
        "layers": [first, last],
    }  # fmt: skip
    space, vector = ("w", normal[None]) if layers is None else ("w+", rows)
    return Direction(name, space, vector * (deviation / slope), generator.mapping_fingerprint, card)


def _extremes(w: np.ndarray, values: np.ndarray, ends: int) -> tuple[np.ndarray, np.ndarray]:
    order = values.argsort()
    return np.concatenate([w[order[-ends:]], w[order[:ends]]]), np.repeat([1, -1], ends)


def _slope(generator: Generator, vector: Tensor, along: float, attribute: str, score: Score) -> float:
    """The mean change of the score per length along a vector [L, w_dim], from one deviation below to one above."""
    w = sample_w(generator, CALIBRATION, seed=2)[:, None]
    step = along * vector.to(w)
    above, below = (
        np.array([score(_picture(generator, row + sign * step))[attribute] for row in w[:, None]]) for sign in (1, -1)
    )
    return float(np.nanmean(above - below)) / (2 * along)


@torch.inference_mode()
def _picture(generator: Generator, w: Float[Tensor, "1 l w"]) -> np.ndarray:
    image = generator.synthesize(Signals(generator.styles(w.expand(-1, generator.num_codes, -1))))
    image = F.adaptive_avg_pool2d(image, min(SCORED_SIZE, generator.resolution))
    return ((image[0].permute(1, 2, 0).clamp(-1, 1) + 1) * 127.5).round().byte().cpu().numpy()
