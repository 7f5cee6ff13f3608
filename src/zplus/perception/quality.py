"""How near a reconstruction is to its photo: the figures that every report of this package shows."""

import math
from functools import cache

import torch
from jaxtyping import Float
from torch import Tensor

from zplus.images import to_pixels
from zplus.perception.identity import Identity, distance
from zplus.perception.lpips import LPIPS, at
from zplus.perception.similarity import ms_ssim, ssim

PEAK = 2.0  # of images in [-1, 1]
LPIPS_SIDE = 256  # pixels: LPIPS is measured at this size, reduced by the area rule
FIGURES = ("mse", "psnr", "ssim", "ms_ssim", "lpips_vgg", "lpips_alex", "identity_distance")


@torch.inference_mode()
def measure_quality(
    image: Float[Tensor, "1 3 r r"], target: Float[Tensor, "1 3 r r"], identity: Identity | None = None
) -> dict[str, float]:
    """The `FIGURES` of a reconstruction of a photo, both RGB in [-1,1]; nan for what cannot be measured.

    mse (of images in [-1,1]), psnr, ssim and ms_ssim are those of the full resolution, lpips that at 256 px;
    identity_distance is that of the face descriptors (below 0.6: the same person), nan without `identity` or without a
    face. MS-SSIM needs 176 pixels a side.
    """
    image, target = image.cpu().float().clamp(-1, 1), target.cpu().float().clamp(-1, 1)
    mse = float((image - target).square().mean())
    found = {
        "mse": mse,
        "psnr": 10 * math.log10(PEAK**2 / mse) if mse else math.inf,
        "ssim": float(ssim(image, target)),
        "ms_ssim": float(ms_ssim(image, target)),
    }
    for net in ("vgg", "alex"):
        found[f"lpips_{net}"] = float(_lpips(net)(at(image, LPIPS_SIDE), at(target, LPIPS_SIDE)))
    found["identity_distance"] = math.nan
    if identity is not None:
        found["identity_distance"] = distance(*(identity.embed(to_pixels(x[0])) for x in (image, target)))
    return found


@cache
def _lpips(net: str) -> LPIPS:
    return LPIPS(net)
