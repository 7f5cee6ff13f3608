"""A range of layers as a mask over codes."""

import torch
from torch import Tensor

from zplus.errors import LatentError, ZplusError
from zplus.spaces import Space


def inside(space: Space, layers: tuple[int, int], kind: str | None = None) -> Tensor:
    """Whether an element of a code [1, K, D] of `kind` (the space's own if None) belongs to codes first..last-1.

    [1, L, 1], or [sum of C_k] for styles. Raises ZplusError for a range that does not exist, and LatentError in a space
    with one code for all layers.
    """
    generator, (first, last) = space.generator, layers
    if not 0 <= first < last <= generator.num_codes:
        raise ZplusError(f"Layers {first}..{last - 1} do not exist: {generator.name} has 0..{generator.num_codes - 1}.")
    if space.kind in ("z", "w"):
        raise LatentError(f"Some layers alone cannot be changed in {space.name}, which has one code for all of them.")
    index = torch.arange(generator.num_codes)
    chosen = (index >= first) & (index < last)
    if (kind or space.kind) == "s":
        return chosen[list(generator.style_codes)].repeat_interleave(torch.tensor(generator.style_sizes))
    return chosen[None, :, None]
