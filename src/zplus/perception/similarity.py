"""Structural similarity: SSIM (Wang et al. 2004, equation 13) and MS-SSIM (Wang et al. 2003, equation 7).

The usual settings: a Gaussian window of 11 x 11 with sigma 1.5, no padding, K1 = 0.01, K2 = 0.03, mean over channels.
Images in [-1, 1] are mapped to [0, 1] first.
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

SIDE, SIGMA = 11, 1.5
C1, C2 = 0.01**2, 0.03**2
SCALES = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # the exponents, from the finest to the coarsest
SMALLEST = SIDE * 2 ** (len(SCALES) - 1)  # pixels: below, the coarsest scale of MS-SSIM has no whole window

Images = Float[Tensor, "n c h w"]


def ssim(a: Images, b: Images) -> Float[Tensor, " n"]:
    """SSIM [N], 1 for equal images; nan below 11 pixels a side.

    Examples:
        >>> ssim(torch.zeros(1, 3, 16, 16), torch.zeros(1, 3, 16, 16)).tolist()
        [1.0]
    """
    if min(a.shape[-2:]) < SIDE:
        return a.new_full((len(a),), torch.nan)
    return _compare((a + 1) / 2, (b + 1) / 2)[0]


def ms_ssim(a: Images, b: Images) -> Float[Tensor, " n"]:
    """MS-SSIM [N] over five scales; nan below 176 pixels a side."""
    if min(a.shape[-2:]) < SMALLEST:
        return a.new_full((len(a),), torch.nan)
    a, b, result = (a + 1) / 2, (b + 1) / 2, torch.ones(len(a), device=a.device)
    for k, exponent in enumerate(SCALES):
        whole, contrast = _compare(a, b)
        last = k == len(SCALES) - 1
        result = result * (whole if last else contrast).clamp(min=0) ** exponent
        if not last:
            a, b = F.avg_pool2d(a, 2), F.avg_pool2d(b, 2)
    return result


def _compare(a: Images, b: Images) -> tuple[Float[Tensor, " n"], Float[Tensor, " n"]]:
    """The means over all windows of luminance x contrast x structure, and of contrast x structure."""
    mean_a, mean_b = _windowed(a), _windowed(b)
    variance = _windowed(a * a) - mean_a**2 + _windowed(b * b) - mean_b**2
    covariance = _windowed(a * b) - mean_a * mean_b
    contrast = (2 * covariance + C2) / (variance + C2)
    luminance = (2 * mean_a * mean_b + C1) / (mean_a**2 + mean_b**2 + C1)
    return (luminance * contrast).mean((1, 2, 3)), contrast.mean((1, 2, 3))


def _windowed(x: Images) -> Float[Tensor, "n c h2 w2"]:
    """The weighted mean of every whole window; the window is separable."""
    distance = torch.arange(SIDE, device=x.device, dtype=x.dtype) - SIDE // 2
    weights = torch.exp(-distance.square() / (2 * SIGMA**2))
    weights = (weights / weights.sum()).expand(x.shape[1], 1, SIDE)
    x = F.conv2d(x, weights[:, :, :, None], groups=x.shape[1])
    return F.conv2d(x, weights[:, :, None, :], groups=x.shape[1])
