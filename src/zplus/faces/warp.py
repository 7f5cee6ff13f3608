"""Affine warps and blurs of images, without aliasing and without shifts.

Coordinates are continuous, x then y: the upper left corner is (0, 0), the centre of the first pixel (0.5, 0.5).
"""

import math
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Shaped
from torch import Tensor

MARGIN = 4  # pixels around what is looked up: a cubic's reach and one to spare

Affine = Float[np.ndarray, "2 3"]


def warp(
    image: Shaped[Tensor, "c h w"],
    matrix: Affine,
    size: tuple[int, int],
    beyond: Literal["border", "reflection"] = "border",
) -> Float[Tensor, "c h2 w2"]:
    """Warp an image: the result at p shows `image` at matrix (p, 1); bicubic.

    Where it shrinks, the source is first reduced to twice the density of the result, and each pixel is the mean of 2 x
    2.

    Args:
        image: [C, H, W].
        matrix: [2, 3].
        size: Height and width of the result.
        beyond: What lies outside the image: its border pixels, or its mirror image.
    """
    linear, offset = matrix[:, :2], matrix[:, 2]
    density = math.sqrt(abs(np.linalg.det(linear)))  # source pixels per result pixel
    fine = 2 if density > 1 else 1
    reduction = max(1.0, density / fine)
    piece, corner = _looked_up(image, matrix, size, math.ceil(MARGIN * reduction))
    piece, ratio = _reduced(piece.float()[None], reduction)
    points = _grid(size, fine) @ (linear.T * ratio) + (offset - corner) * ratio  # [h, w, 2] in pixels of the piece
    grid = torch.from_numpy(2 * points / (piece.shape[-1], piece.shape[-2]) - 1).float()
    seen = F.grid_sample(piece, grid[None], mode="bicubic", padding_mode=beyond, align_corners=False)
    return F.avg_pool2d(seen, fine)[0] if fine > 1 else seen[0]


def blur(image: Float[Tensor, "c h w"], sigma: float) -> Float[Tensor, "c h w"]:
    """A Gaussian blur with replicated borders. Wide ones are computed on a reduced image."""
    height, width = image.shape[-2:]
    coarse, ratio = _reduced(image[None], max(1.0, sigma / 4))
    for axis, narrow in enumerate(sigma * ratio):
        coarse = _blur_rows(coarse, float(narrow)) if axis == 0 else _blur_rows(coarse.mT, float(narrow)).mT
    return F.interpolate(coarse, (height, width), mode="bilinear", align_corners=False)[0]


def invert(matrix: Affine) -> Affine:
    """The inverse of an affine map."""
    back = np.linalg.inv(matrix[:, :2])
    return np.hstack([back, -back @ matrix[:, 2:]])


def shifted(matrix: Affine, corner: tuple[int, int]) -> Affine:
    """The affine map for points counted from `corner` instead of the origin."""
    return np.hstack([matrix[:, :2], matrix[:, 2:] + matrix[:, :2] @ np.array(corner, dtype=float)[:, None]])


def _looked_up(image: Tensor, matrix: Affine, size: tuple[int, int], margin: int) -> tuple[Tensor, np.ndarray]:
    """The part of the image that a warp reads, and its upper left corner (x, y)."""
    height, width = size
    corners = np.array([(0, 0, 1), (width, 0, 1), (0, height, 1), (width, height, 1)]) @ matrix.T
    limit = np.array([image.shape[-1], image.shape[-2]])
    first = np.clip(np.floor(corners.min(0)).astype(int) - margin, 0, limit - 1)
    last = np.clip(np.ceil(corners.max(0)).astype(int) + margin, first + 1, limit)
    return image[:, first[1] : last[1], first[0] : last[0]], first


def _reduced(image: Float[Tensor, "1 c h w"], reduction: float) -> tuple[Tensor, np.ndarray]:
    """The image at 1 / reduction of its size, and the ratio (x, y) of the sizes."""
    old = np.array([image.shape[-1], image.shape[-2]])
    new = np.maximum(1, np.ceil(old / reduction)).astype(int)
    if (new == old).all():
        return image, np.ones(2)
    small = F.interpolate(image, (int(new[1]), int(new[0])), mode="bilinear", antialias=True, align_corners=False)
    return small, new / old


def _grid(size: tuple[int, int], fine: int) -> Float[np.ndarray, "h w 2"]:
    """The centres of the pixels of an image, or of `fine` x `fine` parts of each."""
    y, x = ((np.arange(n * fine) + 0.5) / fine for n in size)
    return np.stack(np.meshgrid(x, y), axis=-1)


def _blur_rows(image: Float[Tensor, "1 c h w"], sigma: float) -> Tensor:
    reach = max(1, math.ceil(3 * sigma))
    kernel = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / max(sigma, 1e-6)) ** 2)
    rows = F.pad(image, (reach, reach, 0, 0), mode="replicate").transpose(0, 1)  # [c, 1, h, w]
    return F.conv2d(rows, (kernel / kernel.sum())[None, None, None]).transpose(0, 1)
