"""What a visitor has painted in the crop: a mask of discs."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from zplus.errors import ZplusError

SIDE = 256  # pixels of a mask, or the crop's side where that is less
MAX_STROKES = 2000

Stroke = tuple[float, float, float]  # x, y and radius of a disc, in pixels of the crop


def painted(strokes: Sequence[Stroke], resolution: int) -> Float[Tensor, "1 1 s s"] | None:
    """The mask that is 1 where discs lie and 0 elsewhere; None where nothing was painted. Raises ZplusError."""
    if not strokes:
        return None
    if len(strokes) > MAX_STROKES:
        raise ZplusError(f"More than {MAX_STROKES} dabs were painted: use a larger brush.")
    side = min(SIDE, resolution)
    centres = (torch.arange(side) + 0.5) * (resolution / side)
    mask = torch.zeros(side, side)
    for x, y, radius in strokes:
        mask[(centres - x).square() + (centres[:, None] - y).square() <= radius**2] = 1
    return mask[None, None]
