"""From a latent to its image. A latent renders on its own generator only."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from zplus.direction import Ellipse
from zplus.errors import LatentError, ZplusError
from zplus.generators import Feature, Generator, State
from zplus.latent import Decoding, Latent, Point
from zplus.spaces.registry import make_space, straight
from zplus.spaces.space import Space

FADE = 1.5  # radii of a region at which nothing of an edit is left
MASK_SIDE = 256  # pixels of a region's mask


def space_of(generator: Generator, latent: Latent) -> Space:
    """The space that a latent belongs to.

    Raises:
        LatentError: The latent is damaged or belongs to another generator.
        ZplusError: The generator is tuned to one photo. Offsets of PTI are in the latent.
    """
    generator.check_untuned()
    if latent.fingerprint != generator.fingerprint:
        raise LatentError(
            f"This latent belongs to {latent.generator} ({latent.fingerprint}), not to {generator.name} "
            f"({generator.fingerprint}): load that generator, or invert the photo again with this one."
        )
    try:
        generator = generator.tuned(latent.offsets) if latent.offsets else generator
        space = make_space(latent.space, generator, latent.layer, latent.decoding)
    except ZplusError as error:
        raise LatentError(f"This latent is damaged ({error}): invert the photo again.") from None
    points = [
        (space, latent.inverted),
        *([] if latent.edited is None else [(edited_space(space, latent), latent.edited)]),
    ]
    if not (all(_fits(*pair) for pair in points) and _fit(space, latent.added, len(latent))):
        raise LatentError(f"This latent is damaged (its sizes are not those of {space.name}): invert the photo again.")
    return space


def edited_space(space: Space, latent: Latent) -> Space:
    """The space of `latent.edited`; `space` is that of `latent.inverted`."""
    return straight(space) if latent.move == "straight" else space


def shown(generator: Generator, latent: Latent) -> tuple[Space, Point]:
    """The point that a latent shows, on the generator's device, and its space. Raises LatentError as `space_of`."""
    space = space_of(generator, latent)
    where = space if latent.edited is None else edited_space(space, latent)
    return where, latent.point.contiguous_copy(generator.device)


def _fits(space: Space, point: Point) -> bool:
    n = len(point.code)
    sizes = [tuple(x.shape) for x in point.tensors.values()]
    if space.layer is None:
        return sizes == [(n, *space.shape)]
    layer = space.generator.layers[space.layer]
    wanted = [(n, *space.shape), *((n, count, layer.side, layer.side) for count in (layer.channels, 3))]
    return point.state is not None and sizes == wanted[: len(sizes)]


def _fit(space: Space, added: Mapping[str, Tensor], n: int) -> bool:
    """Whether each added map fits a layer, and none sits where F is."""
    places = {layer.name: (n, layer.channels, layer.side, layer.side) for layer in space.generator.layers}
    own = None if space.layer is None else space.generator.layers[space.layer].name
    return all(name != own and places.get(name) == tuple(x.shape) for name, x in added.items())


def latent_of(space: Space, point: Point, **facts: object) -> Latent:
    """A latent of a point, without edits; `facts` are further fields (mode, settings, figures)."""
    generator = space.generator
    return Latent(
        space=space.name,
        inverted=point.map(Tensor.detach),
        generator=generator.name,
        fingerprint=generator.fingerprint,
        mapping_fingerprint=generator.mapping_fingerprint,
        layer=None if space.layer is None else generator.layers[space.layer].name,
        decoding=space.decoding,
        **facts,  # type: ignore[arg-type]
    )


def sample(generator: Generator, count: int = 1, seed: int = 0, psi: float = 1.0) -> Latent:
    """Draw random latents of Z, the generator's prior.

    Args:
        generator: The generator.
        count: The number of rows N.
        seed: The same seed gives the same rows, on every device.
        psi: Truncation in [0, 1]: 1 is none, 0 the mean image.

    Returns:
        A latent of N rows in "z".

    Raises:
        ZplusError: `psi` lies outside [0, 1].
    """
    space = make_space("z", generator, decoding=Decoding(psi))
    return latent_of(space, Point(space.sample(count, seed)))


def render(generator: Generator, latent: Latent) -> Float[Tensor, "n 3 r r"]:
    """Render a latent, edits included.

    Args:
        generator: The generator that the latent belongs to.
        latent: N rows.

    Returns:
        Images [N, 3, R, R] in [-1, 1], RGB, float32. Where edits do not show (`edit_mask`) they equal the
        reconstruction exactly.

    Raises:
        LatentError: The latent is damaged or belongs to another generator.
    """
    return rendered(space_of(generator, latent), latent)


@torch.inference_mode()
def rendered(space: Space, latent: Latent) -> Float[Tensor, "n 3 r r"]:
    """`render` for a latent whose space is known; `space` comes from `space_of`, whose generator has PTI's offsets."""
    if latent.edited is None:
        return _image(space, latent, latent.inverted)
    image = _image(edited_space(space, latent), latent, latent.edited)
    return masked(latent, image, lambda: _image(space, latent, latent.inverted))


def masked(latent: Latent, edited: Tensor, reconstruction: Callable[[], Tensor]) -> Tensor:
    """The edited image where a latent's edits show (`edit_mask`), the reconstruction elsewhere."""
    mask = edit_mask(latent)
    if mask is None:
        return edited
    wide = F.interpolate(mask.to(edited), edited.shape[-2:], mode="bilinear")
    return torch.lerp(reconstruction(), edited, wide)


def edit_mask(latent: Latent) -> Float[Tensor, "n 1 s s"] | None:
    """Where a latent's edits show, in [0, 1]; None is everywhere.

    It is the latent's mask, or else the union of the regions of its edits' directions. An edit without a region shows
    everywhere, and so do all edits beside it; a correction of edits (`keep_identity`) shows where they do.

    Raises:
        LatentError: The card of a direction tells a region that makes no sense.
    """
    if latent.mask is not None:
        return latent.mask
    regions = [one.direction.region for one in latent.edits if not one.direction.corrects]
    known = [_ellipse(region) for region in regions if region is not None]
    return torch.stack(known).amax(0)[None, None] if known and len(known) == len(regions) else None


@cache
def _ellipse(region: Ellipse) -> Float[Tensor, "s s"]:
    """1 inside an ellipse, falling smoothly to 0 at `FADE` times its radii."""
    x, y, wide, high = region
    ticks = (torch.arange(MASK_SIDE) + 0.5) / MASK_SIDE
    radius = torch.hypot((ticks - x)[None] / wide, (ticks - y)[:, None] / high)
    inside = ((FADE - radius) / (FADE - 1)).clamp(0, 1)
    return inside.square() * (3 - 2 * inside)


def _image(space: Space, latent: Latent, point: Point) -> Tensor:
    device = space.generator.device
    point = point.contiguous_copy(device)
    inputs = space.decode(*point)
    layers = {space.generator.layer(name): x.to(device) for name, x in latent.added.items()}
    features = {k: Feature(State(x), "add") for k, x in layers.items()}
    return space.generator.synthesize(replace(inputs, features={**inputs.features, **features})).clamp(-1, 1)
