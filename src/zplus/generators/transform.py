"""Transforms of a StyleGAN3: the generator turns and moves what it draws, so that no photo has to be aligned."""

import math
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from zplus.errors import ZplusError

SHAPES = ((3, 3), (9,))
SMALLEST = 1e-3  # determinant: what is drawn 30 times as large shows nothing


def transform_of(degrees: float | int, x: float | int = 0, y: float | int = 0) -> Float[Tensor, "3 3"]:
    """The transform that turns the image counter-clockwise about its middle, and then moves it.

    Args:
        degrees: The angle.
        x: To the right, in sides of the image.
        y: Downwards, in sides of the image.

    Raises:
        ZplusError: A number is not finite.
    """
    if not all(map(math.isfinite, (degrees, x, y))):
        raise ZplusError("The angle and the shift of a transform must be finite numbers.")
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    picture = torch.tensor([[c, s, x], [-s, c, y], [0.0, 0.0, 1.0]], dtype=torch.float64)
    return picture.inverse().float()


def read_transform(text: str) -> Float[Tensor, "3 3"]:
    """The transform of a text: an angle, or angle and shift, as in `transform_of`; or the nine numbers of a matrix.

    Raises:
        ZplusError: It says something else.

    Examples:
        >>> read_transform("0,0.25,0").tolist()
        [[1.0, 0.0, -0.25], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    """
    try:
        numbers = [float(x) for x in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) not in (1, 3, 9):
        raise ZplusError(f"{text[:60]!r} is no transform: write ANGLE, or ANGLE,X,Y, or the nine numbers of a matrix.")
    return checked_transform(numbers) if len(numbers) == 9 else transform_of(*numbers)


def checked_transform(values: Any) -> Float[Tensor, "3 3"]:
    """A transform as float32 [3, 3], from nine numbers row by row or from rows.

    Raises:
        ZplusError: It is no matrix of nine finite numbers that can be inverted, with the last row 0 0 1.
    """
    try:
        matrix = torch.as_tensor(values, dtype=torch.float32).detach()
    except (TypeError, ValueError, RuntimeError):
        raise ZplusError("A transform is a matrix of 3 x 3 numbers, got something else.") from None
    if tuple(matrix.shape) not in SHAPES:
        raise ZplusError(f"A transform is a matrix of 3 x 3 numbers, got shape {tuple(matrix.shape)}.")
    matrix = matrix.reshape(3, 3).clone()
    plane = bool(matrix.isfinite().all()) and matrix[2].tolist() == [0.0, 0.0, 1.0]
    if not plane or not SMALLEST <= float(matrix[:2, :2].det().abs()) <= 1 / SMALLEST:
        raise ZplusError("A transform must be invertible, of finite numbers, with the last row 0 0 1.")
    return matrix
