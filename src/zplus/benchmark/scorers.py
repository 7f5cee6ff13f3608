"""The position of an image along each attribute, in standard deviations over the prior, by two scorers.

Edits are matched by one; the other is held out: it takes no part in making or matching edits, and measures them.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
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
from zplus.perception.face_input import largest_face
from zplus.perception.lpips import LPIPS, at
from zplus.spaces import make_space

Images = Float[Tensor, "n 3 r r"]
Readings = Mapping[str, Float[np.ndarray, " n"]]  # by direction, in deviations of the prior
HELD_OUT = {"smile_network": "smile_geometry", "age": "age_identity", "yaw": "yaw_five"}  # scorers of other networks
JUDGES = {  # those whose source is not that of the identity distance, which edits must keep
    score: other for score, other in HELD_OUT.items() if ATTRIBUTES[other].source != "identity network"
}
MAX_RESIDUAL = 6.0  # mm that the rigid fit of a whole face leaves: broken faces have no reading
GRID = 2  # cells a side, over which features are averaged
PIXELS, GREY = 16, 32  # pixels a side of the colours and of the slopes of grey that the scorer without a network reads
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
    """The scorers that trained the directions, and independent ones; only for directions that have them.

    Readings are deviations from the mean of the prior; nan where there is no whole face.
    """
    trained = {d.name: d.card.get("attribute") for d in directions}
    tables = [
        {name: score for name, score in trained.items() if score in ATTRIBUTES},
        {name: JUDGES[score] for name, score in trained.items() if score in JUDGES},
    ]
    space = make_space("z", generator)
    pictures = [
        to_pixels(_small(generator.synthesize(space.decode(z)))[0]) for z in space.sample(samples, seed=3).split(1)
    ]

    def scorer(table: Mapping[str, str]) -> Scorer:
        def scores(pictures: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
            faces = [largest_face(pixels, scorers.detector) for pixels in pictures]
            whole = [face is not None and face.pose.residual <= MAX_RESIDUAL for face in faces]
            rows = [scorers.score(face if ok else None, table.values()) for face, ok in zip(faces, whole, strict=True)]
            return {score: np.array([row[score] for row in rows]) for score in table.values()}

        prior = {score: (np.nanmean(x), np.nanstd(x)) for score, x in scores(pictures).items()}

        def read(images: Images) -> Readings:
            found = scores([to_pixels(x) for x in _small(images)])
            return {name: (found[score] - prior[score][0]) / prior[score][1] for name, score in table.items()}

        return Scorer(read, {}, f"scorers: {', '.join(table.values())}")

    matching, held_out = (scorer(table) for table in tables)
    return matching, held_out


def learnt_scorer(generator: Generator, directions: Sequence[Direction], net: str, samples: int, seed: int) -> Scorer:
    """Learnt on the spot, for any generator: ridge regression from what a network sees in samples to where w lies.

    The position along a direction d is (w - mean) d / |d|^2 over the codes that d moves. net: "vgg", "alex", or
    "pixels", which is none.
    """
    space = make_space("z", generator)
    seen = _seen_pixels if net == "pixels" else partial(_seen, LPIPS(net).to(generator.device))
    z, batch = space.sample(samples, seed), max(1, BATCH // generator.resolution**2)
    with torch.inference_mode():
        x = np.concatenate([seen(generator.synthesize(space.decode(part))) for part in z.split(batch)])
        w = generator.map(z)[:, 0] - space.statistics.w_mean
    vectors = torch.stack([d.vector[d.vector.abs().amax(1).argmax()] for d in directions]).to(w)
    y = (w @ vectors.T / vectors.square().sum(1)).cpu().numpy()
    y = y / y.std(0)
    fresh = int(TESTED * samples)
    centre, scale = x.mean(0), x.std(0) + 1e-6
    model = RidgeCV(RIDGES).fit((x[fresh:] - centre) / scale, y[fresh:])
    names = [d.name for d in directions]

    def predicted(features: np.ndarray) -> dict[str, np.ndarray]:
        values = model.predict((features - centre) / scale).reshape(len(features), len(names))
        return dict(zip(names, values.T, strict=True))

    def read(images: Images) -> Readings:
        with torch.inference_mode():
            return predicted(np.concatenate([seen(part) for part in images.split(batch)]))

    guess = predicted(x[:fresh])
    quality = {name: float(np.corrcoef(guess[name], y[:fresh, i])[0, 1]) for i, name in enumerate(names)}
    return Scorer(
        read,
        quality,
        f"ridge regression on {net} {'alone' if net == 'pixels' else 'features'} of {samples} samples, seed {seed}",
    )


def _seen(trunk: LPIPS, images: Images) -> np.ndarray:
    """What a trunk sees beyond its first stage, averaged over a grid of cells, [N, features]."""
    stages = trunk.features(_small(images).float().clamp(-1, 1))[1:]
    return torch.cat([F.adaptive_avg_pool2d(x, GRID).flatten(1) for x in stages], 1).cpu().numpy()


def _seen_pixels(images: Images) -> np.ndarray:
    """Coarse colours and finer slopes of the grey picture, of either sign, [N, features]."""
    small = images.float().clamp(-1, 1)
    grey = F.adaptive_avg_pool2d(small.mean(1, keepdim=True), GREY)
    slopes = torch.cat([grey.diff(dim=2)[..., :-1], grey.diff(dim=3)[:, :, :-1]], 1)
    slopes = F.adaptive_avg_pool2d(torch.cat([slopes.relu(), (-slopes).relu()], 1), PIXELS)
    return torch.cat([F.adaptive_avg_pool2d(small, PIXELS).flatten(1), slopes.flatten(1)], 1).cpu().numpy()


def _small(images: Images) -> Images:
    return at(images, min(SCORED_SIZE, images.shape[-1]))
