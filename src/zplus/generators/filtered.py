"""Leaky ReLU between an up- and a downsampling filter (Karras et al. 2021, arXiv 2106.12423, section 3.2), in PyTorch.

A filter along one axis is a banded matrix. It is applied block by block as batched matrix products, which run at the
processor's full speed: nothing is multiplied with inserted zeros, and nothing is computed that downsampling drops.
Maps are [N, H, W, C] in here, so that channels lie together in memory.
"""

from collections.abc import Sequence
from math import ceil, floor
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

WHOLE = 40  # values: up to here one matrix product along an axis is the fastest
BLOCK = 16  # values of the finer side of a block of longer axes, a multiple of every factor
SLOPE, GAIN = 0.2, 2**0.5


class Band(NamedTuple):
    """Where the blocks of a banded matrix [n_out, n_in] lie: block t starts at column first + t * step."""

    n_in: int
    n_out: int
    first: int
    step: int

    def multiply(self, block: Tensor, x: Tensor, axis: int) -> Tensor:
        """The matrix with this block [rows, window], along axis 1 or 2 of x [N, H, W, C]."""
        rows, window = block.shape
        count = -(-self.n_out // rows)
        left, right = -self.first, self.first + (count - 1) * self.step + window - self.n_in
        x = F.pad(x, (0, 0) * (3 - axis) + (left, right)) if left or right else x
        n, h, w, c = x.shape
        lines = x.reshape(n, h, w * c) if axis == 1 else x.reshape(n * h, w, c)
        parts = lines.unfold(1, window, self.step).mT.reshape(-1, window, lines.shape[2])
        found = torch.bmm(block.to(x).expand(len(parts), rows, window), parts)
        shape = (n, count * rows, w, c) if axis == 1 else (n, h, count * rows, c)
        return found.view(shape).narrow(axis, 0, self.n_out)


def banded(taps: np.ndarray, n_in: int, n_out: int, up: int, down: int, low: int) -> tuple[Band, np.ndarray]:
    """The matrix A[j, i] = taps[i * up + low - j * down], one of up and down being 1: its blocks' places, and a block.

    It puts up - 1 zeros after each of n_in values and `low` before them all (negative: drops as many), correlates with
    the taps, and keeps every down-th value, n_out in all.
    """
    whole = n_in <= WHOLE
    rows = n_out if whole else BLOCK // down
    first = 0 if whole else ceil(-low / up)
    last = n_in - 1 if whole else floor((len(taps) - 1 - low + (rows - 1) * down) / up)
    index = np.arange(first, last + 1) * up + low - np.arange(rows)[:, None] * down
    inside = (index >= 0) & (index < len(taps))
    return Band(n_in, n_out, first, rows * down // up), np.where(inside, taps[index.clip(0, len(taps) - 1)], 0.0)


class _Multiply(torch.autograd.Function):
    """A matrix along each axis of x [N, H, W, C]; the gradient goes back through the transposed matrices."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, blocks: Tensor, transposed: Tensor, band: Band, back: Band, axes: tuple[int, int]
    ) -> Tensor:
        ctx.save_for_backward(transposed)
        ctx.back, ctx.axes = back, axes
        return _multiplied(x, blocks, band, axes)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        (transposed,) = ctx.saved_tensors
        return (_multiplied(gradient, transposed, ctx.back, ctx.axes[::-1]), *[None] * 5)


def _multiplied(x: Tensor, blocks: Tensor, band: Band, axes: tuple[int, int]) -> Tensor:
    return band.multiply(blocks[1], band.multiply(blocks[0], x, axes[0]), axes[1])


class _Activate(torch.autograd.Function):
    """Leaky ReLU and clamp, keeping one map for the gradient: the result has the signs of the input."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, clamp: float) -> Tensor:
        x = F.leaky_relu(x, SLOPE).clamp_(-clamp, clamp)
        ctx.save_for_backward(x)
        ctx.clamp = clamp
        return x

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        (x,) = ctx.saved_tensors
        gradient = torch.ops.aten.hardtanh_backward(gradient, x, -ctx.clamp, ctx.clamp)
        return torch.ops.aten.leaky_relu_backward(gradient, x, SLOPE, True), None


class Resampling(nn.Module):
    """Up- or downsampling of square maps by a separable filter.

    Args:
        lines: The filter [2, taps], for the first and the second of `axes`.
        n_in: Side before.
        n_out: Side after.
        up: Factor of upsampling, or 1.
        down: Factor of downsampling, or 1.
        low: Zeros before the first value; negative drops values.
        axes: 1 is along columns, 2 along rows. The order that keeps the map between the two small is the fastest.
    """

    blocks: Tensor
    transposed: Tensor

    def __init__(self, lines: np.ndarray, n_in: int, n_out: int, up: int, down: int, low: int, axes: tuple[int, int]):
        super().__init__()
        low_back = lines.shape[-1] - 1 - low
        there = [banded(line, n_in, n_out, up, down, low) for line in lines]
        back = [banded(line[::-1], n_out, n_in, down, up, low_back) for line in lines[::-1]]
        self.band, self.back, self.axes = there[0][0], back[0][0], axes
        for name, pairs in (("blocks", there), ("transposed", back)):  # from numpy: they are known on "meta" too
            self.register_buffer(name, _stacked([block for _, block in pairs]), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """[N, n_in, n_in, C] to [N, n_out, n_out, C]."""
        return _Multiply.apply(x, self.blocks, self.transposed, self.band, self.back, self.axes)


def _stacked(blocks: Sequence[np.ndarray]) -> Tensor:
    return torch.from_numpy(np.stack(blocks).astype(np.float32))


class Downsampling(nn.Module):
    """Downsampling of maps [N, H, W, C] by a filter [taps, taps] of both axes at once, as a strided convolution."""

    plane: Tensor

    def __init__(self, plane: np.ndarray, factor: int):
        super().__init__()
        self.factor = factor
        self.register_buffer("plane", torch.from_numpy(plane.astype(np.float32)), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """[N, n, n, C] to [N, (n - taps) / factor + 1, the same, C]."""
        x = x.permute(0, 3, 1, 2)
        channels = x.shape[1]
        kernel = self.plane.to(x).expand(channels, 1, *self.plane.shape)
        return F.conv2d(x, kernel, stride=self.factor, groups=channels).permute(0, 2, 3, 1)


class FilteredLeakyReLU(nn.Module):
    """Upsampling, leaky ReLU 0.2 with gain sqrt 2, clamp, downsampling, of maps [N, C, r, r] to [N, C, n_out, n_out].

    Args:
        up: The filter that enlarges [taps], of both axes and of gain 1.
        down: The one that reduces: [taps] of both axes, or [taps, taps].
        n_in: Side before.
        n_out: Side after.
        factors: Of upsampling and of downsampling.
        clamp: Largest absolute value between the filters.
    """

    def __init__(self, up: np.ndarray, down: np.ndarray, n_in: int, n_out: int, factors: tuple[int, int], clamp: float):
        super().__init__()
        (enlarge, reduce), (up_taps, down_taps) = factors, (up.shape[-1], down.shape[-1])
        between = (n_out - 1) * reduce + down_taps
        padding = between - n_in * enlarge + up_taps - 1
        low = (padding + enlarge) // 2
        separable = down.ndim == 1
        if separable and between > WHOLE:  # with all that whole blocks read, so that the large map is not padded
            between += -n_out % (BLOCK // reduce) * reduce
        self.clamp = clamp
        gain = (enlarge**2 * GAIN) ** 0.5  # of each axis; leaky ReLU lets a positive gain through
        self.up = Resampling(np.stack([gain * up] * 2), n_in, between, enlarge, 1, low, (2, 1))
        self.down: nn.Module = (
            Resampling(np.stack([down] * 2), between, n_out, 1, reduce, 0, (1, 2))
            if separable
            else Downsampling(down, reduce)
        )

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        x = self.up(x.permute(0, 2, 3, 1))
        x = self.down(_Activate.apply(x, self.clamp))
        return x.permute(0, 3, 1, 2)
