"""Points, latents and directions of the tiny generators; a feature map that differs from head(code), as after a fit."""

from functools import cache

import torch
from torch import Tensor

from tiny import TINY
from zplus.direction import Direction
from zplus.generators.contract import Generator, State
from zplus.latent import Latent, Point
from zplus.spaces import Space, latent_of, make_space


@cache
def generator_of(architecture: str, seed: int = 0) -> Generator:
    return TINY[architecture](seed)


def normal(*shape: int, seed: int = 5) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def point_of(space: Space, n: int = 2, seed: int = 1) -> Point:
    code = space.sample(n, seed)
    if space.layer is None:
        return Point(code)
    features, rgb = space.head(code)
    free = features + 0.2 * features.std() * normal(*features.shape)
    return Point(code, State(free, None if rgb is None else rgb + 0.1 * normal(*rgb.shape)))


def latent_at(space: Space, n: int = 2, seed: int = 1) -> Latent:
    return latent_of(space, point_of(space, n, seed))


def image_of(space: Space, point: Point) -> Tensor:
    return space.generator.synthesize(space.decode(*point))


def photos_of(generator: Generator, n: int = 2) -> Tensor:
    """Pictures [n,3,32,32] off the manifold: samples with a bright square."""
    space = make_space("w+", generator)
    picture = image_of(space, point_of(space, n)).clamp(-1, 1).clone()
    picture[:, :, 4:12, 4:12] = 0.8
    return picture


def direction_of(generator: Generator, kind: str = "w", seed: int = 7, name: str | None = None) -> Direction:
    """A direction about half as long as the spread of its space, the same for all codes."""
    space = make_space(kind, generator)
    vector = normal(1, space.dim, seed=seed)
    vector = 0.5 * space.std.mean() * vector / vector.square().mean().sqrt()
    return Direction(name or f"{kind}-{seed}", kind, vector, space.required_fingerprint)
