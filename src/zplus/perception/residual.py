"""dlib's residual networks of faces (King 2017, after He et al. 2015, arXiv 1512.03385), differentiable.

They see a face upright, RGB, less the means of their training pictures. The normalisations of their files are folded
into the convolutions.
"""

from collections.abc import Mapping
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

MEANS = (122.782, 117.001, 104.298)  # of R, G, B over the networks' training faces
SCALE = 256.0


class Block(NamedTuple):
    """Two convolutions 3x3 beside a shortcut; a stride of 2 halves the sides."""

    width: int
    stride: int = 1


IDENTITY = (
    *[Block(32)] * 3, Block(64, 2), *[Block(64)] * 3, Block(128, 2), *[Block(128)] * 2, Block(256, 2),
    *[Block(256)] * 2, Block(256, 2),
)  # fmt: skip
AGE = (Block(64), Block(128, 2), Block(128), Block(256, 2), Block(256))


def convolutions(blocks: tuple[Block, ...]) -> dict[str, tuple[int, int, int, int]]:
    """The shapes [out,in,k,k] of a network's convolutions by name, from input to output."""
    width = blocks[0].width
    found = {"stem": (width, 3, 7, 7)}
    for k, block in enumerate(blocks):
        found[f"block.{k}.0"] = (block.width, width, 3, 3)
        found[f"block.{k}.1"] = (block.width, block.width, 3, 3)
        width = block.width
    return found


def residual(
    weights: Mapping[str, Tensor], image: Float[Tensor, "n 3 h w"], blocks: tuple[Block, ...]
) -> Float[Tensor, "n k"]:
    """The network's outputs [N,K] for faces in [-1,1]; `weights` as `convolutions` names them, and those of "last"."""
    x = F.relu(convolve(weights, "stem", as_dlib_sees(image), stride=2))
    x = F.max_pool2d(x, 3, 2)  # identity: [N, 32, 35, 35], age: [N, 64, 14, 14]
    for k, block in enumerate(blocks):
        y = F.relu(convolve(weights, f"block.{k}.0", x, block.stride, padding=2 - block.stride))
        y = convolve(weights, f"block.{k}.1", y, padding=1)
        x = F.relu(_sum(y, x if block.stride == 1 else F.avg_pool2d(x, 2)))
    return F.linear(x.mean((2, 3)), weights["last.weight"], weights.get("last.bias"))


def as_dlib_sees(image: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n 3 h w"]:
    """An image in [-1, 1] as the input of dlib's face networks."""
    return ((image + 1) * 127.5 - torch.tensor(MEANS).to(image)[:, None, None]) / SCALE


def convolve(weights: Mapping[str, Tensor], name: str, x: Tensor, stride: int = 1, padding: int = 0) -> Tensor:
    """The convolution of this name, with normalisation folded in."""
    return F.conv2d(x, weights[f"{name}.weight"], weights[f"{name}.bias"], stride, padding)


def _sum(a: Tensor, b: Tensor) -> Tensor:
    """The sum of two [N, C, H, W] of unequal sizes; the smaller is padded with zeros at the end of each axis."""
    size = [max(pair) for pair in zip(a.shape[1:], b.shape[1:], strict=True)]
    padded = (F.pad(x, [n for k in (2, 1, 0) for n in (0, size[k] - x.shape[1 + k])]) for x in (a, b))
    return next(padded) + next(padded)
