"""Differentiable augmentation for small sets (DiffAugment; Zhao et al. 2020, arXiv 2006.10738, section 3).

Real and generated pictures are changed alike before the discriminator sees them, so that it cannot learn the few real
ones by heart. Every picture has its own random change. `strength` 0 changes nothing, 1 is the paper's.
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

Images = Float[Tensor, "n 3 r r"]


def augment(x: Images, random: torch.Generator, strength: float = 1.0) -> Images:
    """Change colour, place and a patch of each picture [N,3,R,R] in [-1,1]; `random` is of the pictures' device."""
    for change in (brightness, saturation, contrast, translation, cutout):
        x = change(x, random, strength)
    return x


def brightness(x: Images, random: torch.Generator, strength: float = 1.0) -> Images:
    """Add a number in [-0.5, 0.5]."""
    return x + strength * (_uniform(x, random) - 0.5)


def saturation(x: Images, random: torch.Generator, strength: float = 1.0) -> Images:
    """Move colours away from grey by a factor in [0, 2]."""
    return _scaled(x, x.mean(1, keepdim=True), random, strength, 1.0)


def contrast(x: Images, random: torch.Generator, strength: float = 1.0) -> Images:
    """Move all away from the picture's mean by a factor in [0.5, 1.5]."""
    return _scaled(x, x.mean((1, 2, 3), keepdim=True), random, strength, 0.5)


def translation(x: Images, random: torch.Generator, strength: float = 1.0) -> Images:
    """Shift by whole pixels, an eighth of the side at most; zeros come in."""
    side = x.shape[-1]
    most = round(strength * side / 8)
    shifts = _integers(2 * most + 1, x, random).tolist()
    padded = F.pad(x, [most] * 4).unbind()
    return torch.stack([image[:, i : i + side, j : j + side] for image, (i, j) in zip(padded, shifts, strict=True)])


def cutout(x: Images, random: torch.Generator, strength: float = 1.0) -> Images:
    """Set a square of half the side to zero; its centre is anywhere in the picture."""
    side = x.shape[-1]
    half = strength * side / 4
    centres = _integers(side, x, random)  # [N, 2]
    far = torch.arange(side, device=x.device) + 0.5 - centres[:, :, None]  # [N, 2, R]
    inside = (far >= -half) & (far < half)
    return x * ~(inside[:, None, 0, :, None] & inside[:, None, 1, None, :])


def _scaled(x: Images, centre: Tensor, random: torch.Generator, strength: float, most: float) -> Images:
    return x + (x - centre) * (strength * most * (2 * _uniform(x, random) - 1))


def _uniform(x: Images, random: torch.Generator) -> Tensor:
    return torch.rand(len(x), 1, 1, 1, device=x.device, generator=random)


def _integers(end: int, x: Images, random: torch.Generator) -> Tensor:
    """Two whole numbers in [0, end) for each picture [N, 2]."""
    return torch.randint(end, (len(x), 2), device=x.device, generator=random)
