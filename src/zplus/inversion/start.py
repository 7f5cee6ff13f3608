"""Where an inversion starts when no encoder gives a code."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from zplus.inversion.settings import Settings
from zplus.spaces import Space

COARSE = 32  # side in pixels at which candidates are compared: pose, skin and background, nothing finer


@torch.no_grad()
def starting_code(space: Space, target: Float[Tensor, "n 3 r r"], settings: Settings) -> Float[Tensor, "n k d"]:
    """ "random": a sample of the prior (per layer in z+). "mean": the mean face. "common": one code for all layers,
    the best for each photo among a few samples and the mean, by MSE at 32x32."""
    n = len(target)
    if settings.origin == "random":
        return space.sample(1, settings.seed).repeat(n, 1, 1)  # the same for each, as if it were alone
    if settings.origin == "mean":
        return space.mean(n)
    few = type(space)(space.generator, None, space.psi, space.cutoff, space.noise_mode)
    codes = few.mean(1)
    if settings.candidates:
        codes = torch.cat([codes, few.common_sample(settings.candidates, settings.seed)])
    images = [F.adaptive_avg_pool2d(few.generator.synthesize(few.decode(code[None])), COARSE) for code in codes]
    wanted = F.adaptive_avg_pool2d(target, COARSE)
    return codes[torch.cdist(wanted.flatten(1), torch.cat(images).flatten(1)).argmin(1)].clone()
