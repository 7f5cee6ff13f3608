"""Two latents into one: style mixing and interpolation."""

import torch
from torch import Tensor

from zplus.editing.warping import with_code
from zplus.errors import LatentError
from zplus.generators import Generator
from zplus.latent import Latent, Point
from zplus.spaces import Space, convert, latent_of, shown
from zplus.spaces.registry import straight


@torch.no_grad()
def mix(generator: Generator, a: Latent, b: Latent, layers: tuple[int, int]) -> Latent:
    """Latent `a` with the codes first..last-1 of `b` (style mixing: Karras et al. 2019, arXiv 1812.04948, section 3.1).

    The edits of both are part of what is mixed. F follows as with an edit.

    Args:
        generator: The generator of both.
        a: N rows, or 1.
        b: N rows, or 1.
        layers: (first, last) of the codes that come from `b`.

    Returns:
        A latent in the space of `a` (its edited space, where it has edits), or in W or W+ where an edit of `b` left the
        sphere.

    Raises:
        LatentError: A latent belongs to another generator, has a mask, tuned weights or added maps, or its space has
            one code for all layers.
    """
    space, first, second = _side_by_side(generator, a, b)
    point = with_code(space, first, torch.where(space.layer_mask(layers), second.code, first.code), a.feature)
    return latent_of(space, point, settings={"mixed": list(layers)})


@torch.no_grad()
def interpolate(generator: Generator, a: Latent, b: Latent, t: float) -> Latent:
    """Interpolate between two latents: spherically in Z and Z+, layer by layer; linearly elsewhere and for F.

    Args:
        generator: The generator of both.
        a: N rows, or 1.
        b: N rows, or 1.
        t: 0 gives `a` and 1 gives `b`, edits included, as far as the space can hold them.

    Returns:
        A latent in the space of `a` (its edited space, where it has edits), or in W or W+ where an edit of `b` left the
        sphere.

    Raises:
        LatentError: A latent belongs to another generator, or has a mask, tuned weights or added maps.
    """
    space, first, second = _side_by_side(generator, a, b)
    state = first.state and second.state and first.state.map(lambda x, y: torch.lerp(x, y, t), second.state)
    point = Point(space.interpolate(first.code, second.code, t), state)
    return latent_of(space, point, settings={"interpolated": t})


def _side_by_side(generator: Generator, a: Latent, b: Latent) -> tuple[Space, Point, Point]:
    """The space of what `a` shows, or W or W+ where an edit of `b` left the sphere, and the points of both in it."""
    if len(a) != len(b) and 1 not in (len(a), len(b)):
        raise LatentError(f"{len(a)} latents cannot be paired with {len(b)}: give as many, or one.")
    if any(x.offsets or x.added or x.mask is not None for x in (a, b)):
        raise LatentError(
            "What a latent has beside its code and F (tuned weights of PTI, added maps of SAM, a mask) cannot be "
            "mixed: invert by another method, or edit without a mask."
        )
    (own, point), (other, end) = shown(generator, a), shown(generator, b)
    space = own if other.name == b.space else straight(own)
    (first, _), (second, _) = convert(own, point, space), convert(other, end, space)
    rows = max(len(a), len(b))
    return space, first.map(lambda x: _repeated(x, rows)), second.map(lambda x: _repeated(x, rows))


def _repeated(x: Tensor, rows: int) -> Tensor:
    return x.expand(rows, *x.shape[1:])
