"""Noise maps of a synthesis network: stored, none, or drawn from a seed."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from zplus.errors import ZplusError


def noise_maps(
    mode: str, stored: Sequence[Tensor], strengths: Callable[[], Sequence[Tensor]]
) -> tuple[Tensor, ...] | None:
    """Noise maps [1, 1, r, r], scaled by their strength, one per convolution; None for the stored ones.

    Args:
        mode: "const" for the stored maps, "none" for zeros, or a seed as a decimal number.
        stored: The stored maps.
        strengths: Gives the strength of each map.
    """
    if mode == "const":
        return None
    if mode == "none":
        return tuple(torch.zeros_like(x).view(1, 1, *x.shape[-2:]) for x in stored)
    if not mode.isdecimal() or len(mode) > 18:  # a seed has 64 bits
        raise ZplusError(f"Unknown noise mode {mode!r}: use const, none, or a seed as a decimal number.")
    random = torch.Generator().manual_seed(int(mode))
    return tuple(
        torch.randn(1, 1, *x.shape[-2:], generator=random).to(x) * strength
        for x, strength in zip(stored, strengths(), strict=True)
    )
