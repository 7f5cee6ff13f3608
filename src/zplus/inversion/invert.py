"""From photos to a latent in one call."""

from functools import cache

import torch
from jaxtyping import Float
from torch import Tensor

from zplus.errors import LatentError, ZplusError
from zplus.execution import Execution, best_execution
from zplus.generators import Generator
from zplus.inversion.encoder import Encoder, encoder_of
from zplus.inversion.optimize import Callback, optimize
from zplus.inversion.pti import tune
from zplus.inversion.sam import adapt
from zplus.inversion.settings import Settings, preset
from zplus.latent import Latent, Point
from zplus.perception.lpips import LPIPS
from zplus.spaces import Space, convert, make_space, space_of

BRIGHTEST = 10.0  # what generators draw may lie beyond 1, but not so far


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
    cutoff: int | None = None,
    **changes: object,
) -> Latent:
    """The latent of N aligned photos, RGB in [-1, 1] at the generator's resolution.

    method is a preset of `zplus.inversion.PRESETS`; "default" is "hybrid" where the generator has an encoder and
    nothing else is given to begin with. `changes` are settings that differ from it (see Settings);
    `start` is a latent of this generator, of one row or N, to go on from, converted to this space; `encoder` is the one
    to use instead of that which comes for the generator; `cutoff` says how many of the first codes psi truncates, None
    is all. Raises ZplusError and DivergedError.
    """
    wanted = (generator.resolution, generator.resolution)
    if tuple(photos.shape[-2:]) != wanted:
        got = tuple(photos.shape[-2:])
        raise ZplusError(f"The photo is {got} pixels, but {generator.name} needs {wanted}: align it at that size.")
    if not photos.abs().amax() <= BRIGHTEST:
        raise ZplusError("The photo's values must lie in [-1, 1]: divide pixels by 127.5 and subtract 1.")
    where = make_space(space, generator, layer, psi, cutoff)
    point = None if start is None else _started(where, start, len(photos))
    encoder = encoder or encoder_of(generator)
    settings = preset(chosen_method(method, encoder, start or changes.get("origin")), **changes)
    _check(where, settings, len(photos))
    photos = photos.to(generator.device)
    lpips = shared_lpips(generator.device)
    execution = execution or best_execution(generator, len(photos) * settings.all_steps)
    latent = optimize(where, photos, lpips, settings, point, callback, execution, encoder)
    if settings.adapting:
        latent = adapt(where, latent, photos, lpips, settings, execution, callback)
    if settings.tuning:
        latent = tune(generator, latent, photos, lpips, settings, execution, callback)
    return latent


def _started(where: Space, start: Latent, photos: int) -> Point:
    """The point of a space that a latent shows, as often as there are photos."""
    if start.offsets or start.added:
        raise LatentError("A latent of PTI or SAM cannot be gone on from: its code alone shows another picture.")
    if len(start) not in (1, photos):
        raise LatentError(f"{photos} photos cannot begin at {len(start)} latents: give as many, or one.")
    point, _ = convert(space_of(where.generator, start), start.point.plain(where.generator.device), where)
    return point.each(lambda x: x.expand(photos, *x.shape[1:]))


def _check(where: Space, settings: Settings, photos: int) -> None:
    """Refuse before the work what cannot be done after it."""
    if settings.adapting and where.layer is not None:
        raise ZplusError(f"SAM adds feature maps to a space of codes, not to {where.name}: choose {where.kind}.")
    if settings.adapting and settings.tuning:
        raise ZplusError("Weights are tuned to what a code and F show, without the maps of SAM: choose one method.")
    if settings.tuning and photos != 1:
        raise ZplusError("The weights are tuned to one photo at a time: invert the photos one by one.")


def chosen_method(method: str, encoder: Encoder | None, start: object) -> str:
    """The preset that "default" means, for an encoder and a start (a latent or the name of an origin) or none."""
    codes = encoder is not None and encoder.has_codes
    return "hybrid" if method == "default" and codes and start in (None, "auto", "encoder") else method


@cache
def shared_lpips(device: torch.device) -> LPIPS:
    """The network of all inversions: loaded once, so that what was compiled for it serves every photo."""
    return LPIPS("vgg").to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
