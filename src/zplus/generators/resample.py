"""Resampling by 2 with a small FIR filter, as StyleGAN2 scales images and features (Karras et al. 2020, 1912.04958).

All functions are ordinary depthwise convolutions; filters have 2 taps or more.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F


def fir_kernel(taps: Sequence[float | int]) -> Tensor:
    """The separable kernel [T, T] of a 1-D filter, normalised to sum 1.

    Examples:
        >>> fir_kernel([1, 3, 3, 1])[0] * 64
        tensor([1., 3., 3., 1.])
    """
    line = torch.tensor(taps, dtype=torch.float32)
    kernel = torch.outer(line, line)
    return kernel / kernel.sum()


def upsample(x: Tensor, kernel: Tensor) -> Tensor:
    """[N, C, H, W] to [N, C, 2H, 2W]: zeros between the pixels, then the filter with gain 4."""
    height, width = x.shape[-2:]
    first = (len(kernel) - 2) // 2
    x = F.conv_transpose2d(x, _per_channel(4 * kernel, x), stride=2, groups=x.shape[1])
    return x[..., first : first + 2 * height, first : first + 2 * width]


def downsample(x: Tensor, kernel: Tensor) -> Tensor:
    """[N, C, 2H, 2W] to [N, C, H, W]: the filter, then every second pixel."""
    return F.conv2d(x, _per_channel(kernel.flip(0, 1), x), None, 2, (len(kernel) - 1) // 2, groups=x.shape[1])


def upsample_conv(x: Tensor, weight: Tensor, kernel: Tensor) -> Tensor:
    """Upsample [N, C, H, W] and convolve with weight [O, C, 3, 3] to [N, O, 2H, 2W]: transposed convolution, filter.

    The weight is that of a true convolution, flipped relative to torch's conv2d.
    """
    height, width = x.shape[-2:]
    x = F.conv_transpose2d(x, weight.transpose(0, 1), stride=2)  # [N, O, 2H+1, 2W+1]
    padding = (len(kernel) - 1) // 2
    x = F.conv2d(x, _per_channel(4 * kernel.flip(0, 1), x), padding=padding, groups=x.shape[1])
    return x[..., : 2 * height, : 2 * width]


def _per_channel(kernel: Tensor, x: Tensor) -> Tensor:
    return kernel.expand(x.shape[1], 1, *kernel.shape)
