"""Where an edit shows: a region of the face by its name, everything, or a picture that is white there."""

from dataclasses import replace
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from zplus.errors import UnknownNameError, ZplusError
from zplus.faces.regions import REGIONS, SIDE, region_mask
from zplus.generators import Generator
from zplus.images import WRITTEN, read_image, to_pixels, to_tensor
from zplus.latent import Latent
from zplus.perception.lpips import at
from zplus.spaces import render

EVERYTHING = "everything"  # also beyond the region of a direction


def check_mask(mask: str) -> None:
    """Refuse what is neither a region nor a picture. Raises UnknownNameError, ImageError."""
    if _is_picture(mask):
        read_image(mask)
    elif mask not in (*REGIONS, EVERYTHING):
        raise UnknownNameError("region or picture", mask, (*REGIONS, EVERYTHING))


def check_painted(mask: str, generator: Generator) -> None:
    """Refuse a picture that is not of the crop's size. Raises ZplusError."""
    if _is_picture(mask):
        _painted(mask, generator.resolution)


def mask_of(mask: str, generator: Generator, latent: Latent) -> Float[Tensor, "1 1 s s"]:
    """The mask in [0, 1], 1 where edits show; a region is looked for in what the latent shows, without its mask."""
    if mask == EVERYTHING:
        return torch.ones(1, 1, 1, 1)
    if _is_picture(mask):
        return at(_painted(mask, generator.resolution), min(SIDE, generator.resolution))
    return region_mask(to_pixels(render(generator, replace(latent, mask=None))[0]), mask)


def _is_picture(mask: str) -> bool:
    return Path(mask).suffix.lower() in WRITTEN


def _painted(picture: str, side: int) -> Float[Tensor, "1 1 r r"]:
    """How white a picture is, in [0, 1]; transparent is black. Raises ZplusError where it is not of the crop's size."""
    grey = to_tensor(read_image(picture, behind="black")).mean(1, keepdim=True) / 2 + 0.5
    high, wide = grey.shape[-2:]
    if (high, wide) != (side, side):
        raise ZplusError(
            f"The mask is {wide}x{high} pixels, but the crop has {side}x{side}: "
            "paint it on what 'zplus align' or 'zplus invert' wrote."
        )
    return grey
