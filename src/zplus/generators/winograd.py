"""3x3 convolutions by Winograd's minimal filtering F(4x4, 3x3) (Lavin and Gray 2016, arXiv 1509.09308).

Squares of 4 x 4 outputs take 36 products per pair of channels instead of 144. In fp32 the result differs from that of a
direct convolution by about 1e-5 of its size.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.grad import conv2d_weight

TILE, WINDOW = 4, 6  # outputs and inputs of a square, a side
MIN_CHANNELS, MIN_SIDE = 96, 48
INPUT = (  # B^T, G and A^T of the paper's section 4.2
    (4, 0, -5, 0, 1, 0), (0, -4, -4, 1, 1, 0), (0, 4, -4, -1, 1, 0),
    (0, -2, -1, 2, 1, 0), (0, 2, -1, -2, 1, 0), (0, 4, 0, -5, 0, 1),
)  # fmt: skip
KERNEL = (
    (1 / 4, 0, 0), (-1 / 6, -1 / 6, -1 / 6), (-1 / 6, 1 / 6, -1 / 6),
    (1 / 24, 1 / 12, 1 / 6), (1 / 24, -1 / 12, 1 / 6), (0, 0, 1),
)  # fmt: skip
OUTPUT = ((1, 1, 1, 1, 1, 0), (0, 1, -1, 2, -2, 0), (0, 1, 1, 4, 4, 0), (0, 1, -1, 8, -8, 1))


class _Convolution(torch.autograd.Function):
    """The gradient of a convolution is one with the flipped weights."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, padding: int) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.padding = padding
        return _convolved(x, weight, padding)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        by_x = _convolved(gradient, weight.flip(2, 3).transpose(0, 1), 2 - ctx.padding)
        by_weight = None
        if ctx.needs_input_grad[1]:
            by_weight = conv2d_weight(x, weight.shape, gradient, padding=ctx.padding)
        return by_x, by_weight, None


def convolution(x: Tensor, weight: Tensor, padding: int) -> Tensor:
    """F.conv2d of x [N, C, H, W] with weight [O, C, k, k] and 0 to k - 1 zeros around x, by the way that is faster."""
    if pays(x, weight):
        return _Convolution.apply(x, weight, padding)
    return F.conv2d(x, weight, padding=padding)


def pays(x: Tensor, weight: Tensor) -> bool:
    """Whether squares are faster: on a processor, in fp32, for many channels and large maps, as measured."""
    wide = weight.shape[-1] == 3 and min(weight.shape[:2]) >= MIN_CHANNELS and x.shape[-1] >= MIN_SIDE
    return wide and x.device.type == "cpu" and not torch.is_autocast_enabled("cpu")


def _convolved(x: Tensor, weight: Tensor, padding: int) -> Tensor:
    n, c, h, w = x.shape
    sides = [side + 2 * padding - 2 for side in (h, w)]
    rows, columns = (-(-side // TILE) for side in sides)
    x = x.permute(0, 2, 3, 1)
    x = F.pad(x, (0, 0, padding, columns * TILE + 2 - w - padding, padding, rows * TILE + 2 - h - padding))
    squares = x.unfold(1, WINDOW, TILE).unfold(2, WINDOW, TILE)  # [N, rows, columns, C, 6, 6]
    enter, kernel, leave = (x.new_tensor(matrix) for matrix in (INPUT, KERNEL, OUTPUT))
    entered = torch.einsum("ai,bj,nyxcij->abnyxc", enter, enter, squares).reshape(WINDOW**2, -1, c)
    filters = torch.einsum("ai,bj,ocij->abco", kernel, kernel, weight).reshape(WINDOW**2, c, -1)
    found = torch.bmm(entered, filters).view(WINDOW, WINDOW, n, rows, columns, -1)
    squares = torch.einsum("ai,bj,ijnyxo->nyaxbo", leave, leave, found)
    return squares.reshape(n, rows * TILE, columns * TILE, -1)[:, : sides[0], : sides[1]].permute(0, 3, 1, 2)
