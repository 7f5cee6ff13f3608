"""The image that a notebook shows for a latent."""

import torch

from zplus.errors import ZplusError
from zplus.generators import load_generator
from zplus.images import image_bytes, to_pixels
from zplus.latent import Latent
from zplus.spaces.rendering import render

MAX_SHOWN = 8  # rows


def png_of(latent: Latent) -> bytes | None:
    """The first rows side by side as a PNG; None where the latent's generator is not on this machine."""
    try:
        generator = load_generator(latent.generator)
        images = [render(generator, latent[i])[0] for i in range(min(len(latent), MAX_SHOWN))]
    except ZplusError:
        return None
    return image_bytes(to_pixels(torch.cat(images, 2)), ".png", f"shown by {latent.generator}")
