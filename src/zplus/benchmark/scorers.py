"""The position of an image along each attribute, in standard deviations over the prior, by two scorers.

Edits are matched by one; the other is held out: it takes no part in making or matching edits, and measures them.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from sklearn.linear_model import RidgeCV
from torch import Tensor
from torch.nn import functional as F

from zplus.direction import Direction
from zplus.editing.scored import SCORED_SIZE
from zplus.generators import Generator
from zplus.images import to_pixels
from zplus.perception.attributes import ATTRIBUTES, Scorers
from zplus.perception.lpips import LPIPS, at
from zplus.spaces import make_space

Images = Float[Tensor, "n 3 r r"]
Readings = Mapping[str, Float[np.ndarray, " n"]]  # by direction, in deviations of the prior
HELD_OUT = {
    "smile_network": "smile_geometry",
    "age": "age_identity",
    "yaw": "yaw_five",
}  # scorers of other networks
GRID = 2  # cells a side, over which features are averaged
RIDGES = tuple(10.0**k for k in range(1, 8))
BATCH = 50 * 128**2  # pixels of the pictures that are made or read at once
TESTED = 0.2  # of the samples: not learnt from


class Scorer(NamedTuple):
    """Reads images; quality: the correlation on fresh samples, by direction, where it was learnt for this purpose."""

    read: Callable[[Images], Readings]
    quality: Mapping[str, float]
    meaning: str


def face_scorers(
    generator: Generator, directions: Sequence[Direction], scorers: Scorers, samples: int
) -> tuple[Scorer, Scorer]:
    """The scorers that trained the directions, and independent ones; only for directions that have them."""
    trained = {d.name: d.card.get("attribute") for d in directions}
    tables = [
        {name: score for name, score in trained.items() if score in ATTRIBUTES},
        {name: HELD_OUT[score] for name, score in trained.items() if score in HELD_OUT},
    ]
    space = make_space("z", generator)
    pictures = [
        to_pixels(_small(generator.synthesize(space.decode(z)))[0]) for z in space.sample(samples, seed=3).split(1)
    ]

    def scorer(table: Mapping[str, str]) -> Scorer:
        prior = scorers.measure_many(pictures, table.values())
        spread = {score: float(np.nanstd(values)) for score, values in prior.items()}

        def read(images: Images) -> Readings:
            found = scorers.measure_many([to_pixels(x) for x in _small(images)], table.values())
            return {name: found[score] / spread[score] for name, score in table.items()}

        return Scorer(read, {}, f"scorers: {', '.join(table.values())}")

    matching, held_out = (scorer(table) for table in tables)
    return matching, held_out


def learnt_scorer(generator: Generator, directions: Sequence[Direction], net: str, samples: int, seed: int) -> Scorer:
    """Learnt on the spot, for any generator: ridge regression from what a network sees in samples to where w lies.

    The position along a direction d is (w - mean) d / |d|^2 over the codes that d moves. net: "vgg" or "alex".
    """
    trunk, space = LPIPS(net).to(generator.device), make_space("z", generator)
    z, batch = space.sample(samples, seed), max(1, BATCH // generator.resolution**2)
    with torch.inference_mode():
        x = np.concatenate([_seen(trunk, generator.synthesize(space.decode(part))) for part in z.split(batch)])
        w = generator.map(z)[:, 0] - space.statistics.w_mean
    vectors = torch.stack([d.vector[d.vector.abs().amax(1).argmax()] for d in directions]).to(w)
    y = (w @ vectors.T / vectors.square().sum(1)).cpu().numpy()
    y = y / y.std(0)
    fresh = int(TESTED * samples)
    centre, scale = x.mean(0), x.std(0) + 1e-6
    model = RidgeCV(RIDGES).fit((x[fresh:] - centre) / scale, y[fresh:])
    names = [d.name for d in directions]

    def predicted(seen: np.ndarray) -> dict[str, np.ndarray]:
        values = model.predict((seen - centre) / scale).reshape(len(seen), len(names))
        return dict(zip(names, values.T, strict=True))

    def read(images: Images) -> Readings:
        with torch.inference_mode():
            return predicted(np.concatenate([_seen(trunk, part) for part in images.split(batch)]))

    guess = predicted(x[:fresh])
    quality = {name: float(np.corrcoef(guess[name], y[:fresh, i])[0, 1]) for i, name in enumerate(names)}
    return Scorer(read, quality, f"ridge regression on {net} features of {samples} samples, seed {seed}")


def _seen(trunk: LPIPS, images: Images) -> np.ndarray:
    """What a trunk sees beyond its first stage, averaged over a grid of cells, [N, features]."""
    stages = trunk.features(_small(images).float().clamp(-1, 1))[1:]
    return torch.cat([F.adaptive_avg_pool2d(x, GRID).flatten(1) for x in stages], 1).cpu().numpy()


def _small(images: Images) -> Images:
    return at(images, min(SCORED_SIZE, images.shape[-1]))
