"""From a latent to its picture, on the generator that it belongs to and on no other."""

import torch
from jaxtyping import Float
from torch import Tensor

from zplus.errors import LatentError
from zplus.generators import Generator, State
from zplus.latent import Latent, Point
from zplus.spaces.registry import make_space
from zplus.spaces.space import Space


def space_of(generator: Generator, latent: Latent) -> Space:
    """The space that a latent is a point of. Raises LatentError when it belongs to another generator."""
    if latent.fingerprint != generator.fingerprint:
        raise LatentError(
            f"This latent belongs to {latent.generator} ({latent.fingerprint}), not to {generator.name} "
            f"({generator.fingerprint}): load that generator, or invert the photo again with this one."
        )
    return make_space(latent.space, generator, latent.layer, latent.psi, latent.cutoff, latent.noise)


def state_of(point: Point) -> State | None:
    """The state F of a point of an F/X space."""
    return None if point.features is None else State(point.features, point.rgb)


def latent_of(space: Space, point: Point, **facts: object) -> Latent:
    """A fresh latent of a point; `facts` are its mode, settings and figures."""
    generator = space.generator
    return Latent(
        space=space.name,
        inverted=Point(*(None if x is None else x.detach() for x in point)),
        generator=generator.name,
        fingerprint=generator.fingerprint,
        mapping_fingerprint=generator.mapping_fingerprint,
        layer=None if space.layer is None else generator.layers[space.layer].name,
        psi=space.psi,
        cutoff=space.cutoff,
        noise=space.noise_mode,
        **facts,  # type: ignore[arg-type]
    )


@torch.inference_mode()
def render(generator: Generator, latent: Latent) -> Float[Tensor, "n 3 r r"]:
    """The picture of a latent, edits included: RGB in [-1, 1]. Raises LatentError for another generator's latent."""
    space, point = space_of(generator, latent), latent.point
    point = Point(*(None if x is None else x.to(generator.device) for x in point))
    return generator.synthesize(space.decode(point.code, state_of(point))).clamp(-1, 1)
