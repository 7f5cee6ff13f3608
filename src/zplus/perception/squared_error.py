"""Mean squared error, and the peak signal-to-noise ratio."""

import torch
from jaxtyping import Float
from torch import Tensor

PEAK = 2.0  # of images in [-1, 1]

Images = Float[Tensor, "n c h w"]


def mse(image: Images, target: Images) -> Float[Tensor, " n"]:
    """The mean squared error [N] of images in [-1, 1]."""
    return (image - target).square().mean((1, 2, 3))


def psnr(image: Images, target: Images) -> Float[Tensor, " n"]:
    """The peak signal-to-noise ratio [N] in dB, in double precision; infinite for equal images.

    Examples:
        >>> psnr(torch.zeros(1, 3, 4, 4), torch.full((1, 3, 4, 4), 0.2)).round(decimals=2).tolist()
        [20.0]
    """
    return 10 * torch.log10(PEAK**2 / mse(image, target).double())
