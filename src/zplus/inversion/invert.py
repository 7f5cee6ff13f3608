"""From photos to a latent in one call."""

from functools import cache

import torch
from jaxtyping import Float
from torch import Tensor

from zplus.errors import ZplusError
from zplus.generators import Generator
from zplus.inversion.encoder import Encoder, encoder_of
from zplus.inversion.execution import Execution, best_execution
from zplus.inversion.optimize import Callback, optimize
from zplus.inversion.pti import tune
from zplus.inversion.sam import adapt
from zplus.inversion.settings import preset
from zplus.latent import Latent
from zplus.perception.lpips import LPIPS
from zplus.spaces import convert, make_space, space_of


def invert(
    generator: Generator,
    photos: Float[Tensor, "n 3 r r"],
    space: str = "f/z+",
    method: str = "default",
    layer: str | None = None,
    psi: float = 1.0,
    start: Latent | None = None,
    callback: Callback | None = None,
    execution: Execution | None = None,
    encoder: Encoder | None = None,
    **changes: object,
) -> Latent:
    """The latent of N aligned photos, RGB in [-1, 1] at the generator's resolution.

    method is a preset of `zplus.inversion.PRESETS`, `changes` are settings that differ from it (see Settings);
    `start` is a latent of this generator to go on from, converted to this space; `encoder` is the one to use instead of
    that which comes for the generator. Raises ZplusError and DivergedError.
    """
    wanted = (generator.resolution, generator.resolution)
    if tuple(photos.shape[-2:]) != wanted:
        got = tuple(photos.shape[-2:])
        raise ZplusError(f"The photo is {got} pixels, but {generator.name} needs {wanted}: align it.")
    where = make_space(space, generator, layer, psi)
    point = None if start is None else convert(space_of(generator, start), start.point, where)[0]
    settings = preset(method, **changes)
    photos = photos.to(generator.device)
    lpips, execution = _lpips(generator.device), execution or best_execution(generator.device)
    encoder = encoder or encoder_of(generator)
    latent = optimize(where, photos, lpips, settings, point, callback, execution, encoder)
    if settings.adapting:
        latent = adapt(where, latent, photos, lpips, settings, execution, callback)
    if settings.tuning:
        latent = tune(generator, latent, photos, lpips, settings, execution, callback)
    return latent


@cache
def _lpips(device: torch.device) -> LPIPS:
    """Loaded once, so that what was compiled for it serves every photo."""
    return LPIPS("vgg").to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
