"""Reader of dlib's file of its face recognition network (King 2017). Nothing in the file is executed.

The file holds the versions of its nested layers, the input's mean, and from input to output each layer: name, settings,
numbers, and three flags and three empty tensors that only training uses.
"""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from zplus.errors import CheckpointError
from zplus.files import regular
from zplus.perception.residual import IDENTITY, MEANS, convolutions

LARGEST = 32 << 20  # bytes of a file; the network takes 22 MB
LONGEST = 64  # characters of a layer's name
SIDE, OUTPUTS = 150, 128
# the settings of a layer: n numbers of the network (a tensor), s a shape (of a part of them), i integer, r real
SETTINGS = {
    "con_4": "niiiiiiissrrrr",  # filters, kernel, strides, paddings; filters' and biases' shapes; factors for training
    "affine_": "nssi",  # shapes of scale and offset; 0: one of each for a channel
    "relu_": "",
    "max_pool_2": "iiiiii",  # kernel, strides, paddings
    "avg_pool_2": "iiiiii",
    "add_prev_": "",
    "fc_2": "iinssirrrr",  # outputs, inputs; 1: without bias
}


class Layer(NamedTuple):
    """A layer's name, the integers among its settings in file order, and its numbers."""

    name: str
    settings: tuple[int, ...]
    numbers: np.ndarray


def read_identity(path: str | Path) -> dict[str, Tensor]:
    """The convolutions of `residual.IDENTITY` and `last.weight` [128,256].

    Raises CheckpointError for a file that is missing, damaged, too large, or of any other network.
    """
    try:
        path = regular(path)
        if path.stat().st_size > LARGEST:
            raise ValueError("it is too large")
        return _tensors(_layers(_Reader(path.read_bytes())))
    except (OSError, ValueError, ArithmeticError) as error:
        raise CheckpointError(f"{path} is not dlib's network of identity ({error}): pull again.") from None


def _tensors(layers: Iterator[Layer]) -> dict[str, Tensor]:
    """The tensors of the expected layers, in order; any other layer is an error."""
    found: dict[str, np.ndarray] = {}

    def convolution(name: str, stride: int = 1, padding: int = 0) -> None:
        out, _, side, _ = shape = shapes[name]
        settings = (out, side, side, stride, stride, padding, padding, *shape, 1, out, 1, 1)
        numbers = _expected(layers, "con_4", settings, math.prod(shape) + out)
        weight, bias = numbers[:-out].reshape(shape), numbers[-out:]
        scale, offset = _expected(layers, "affine_", (1, out, 1, 1) * 2 + (0,), 2 * out).reshape(2, out)
        found[f"{name}.weight"] = weight * scale[:, None, None, None]
        found[f"{name}.bias"] = bias * scale + offset

    shapes = convolutions(IDENTITY)
    convolution("stem", stride=2)
    _expected(layers, "relu_")
    _expected(layers, "max_pool_2", (3, 3, 2, 2, 0, 0))
    for k, block in enumerate(IDENTITY):
        convolution(f"block.{k}.0", block.stride, 2 - block.stride)
        _expected(layers, "relu_")
        convolution(f"block.{k}.1", padding=1)
        if block.stride == 2:
            _expected(layers, "avg_pool_2", (2, 2, 2, 2, 0, 0))
        _expected(layers, "add_prev_")
        _expected(layers, "relu_")
    _expected(layers, "avg_pool_2", (0, 0, 1, 1, 0, 0))  # a kernel of 0 is all of the picture
    width = IDENTITY[-1].width
    shape = (width, OUTPUTS, 1, 1)
    last = _expected(layers, "fc_2", (OUTPUTS, width, *shape, 0, 0, 0, 0, 1), width * OUTPUTS)
    found["last.weight"] = last.reshape(width, OUTPUTS).T
    if next(layers, None) is not None:
        raise ValueError("it has more layers")
    return {name: torch.from_numpy(array.astype(np.float32, order="C")) for name, array in found.items()}


def _expected(layers: Iterator[Layer], name: str, settings: tuple[int, ...] = (), count: int = 0) -> np.ndarray:
    """The numbers of the next layer, which must be the given one."""
    layer = next(layers, None)
    if layer is None or layer.name != name:
        raise ValueError(f"{name} is missing")
    if layer.settings != settings or len(layer.numbers) != count:
        raise ValueError(f"its layer {name} has other sizes")
    if not np.isfinite(layer.numbers).all():
        raise ValueError(f"its layer {name} holds values that are not numbers")
    return layer.numbers


def _layers(reader: "_Reader") -> Iterator[Layer]:
    reader.expect(1, reader.integer())
    reader.expect("loss_metric_2", reader.text())
    reader.real(), reader.real()  # of the loss: a margin and a threshold
    version = reader.integer()
    while version in (1, 2):  # of the layers in which the first lies, and of marks between them
        version = reader.integer()
    reader.expect(3, version)
    reader.expect("input_rgb_image_sized", reader.text())
    for mean in MEANS:
        reader.expect(mean, round(reader.real(), 3))
    reader.expect((SIDE, SIDE), (reader.integer(), reader.integer()))
    yield reader.layer()
    reader.expect(1, reader.integer())  # pictures a picture: the first layer's alone
    while not reader.done:
        yield reader.layer()


class _Reader:
    """The bytes of a file, read in order; ValueError where they are not what dlib writes."""

    def __init__(self, content: bytes):
        self.content, self.at = content, 0

    @property
    def done(self) -> bool:
        return self.at == len(self.content)

    def expect(self, expected: object, got: object) -> None:
        if got != expected:
            raise ValueError(f"{expected} is missing")

    def take(self, count: int) -> bytes:
        if not 0 <= count <= len(self.content) - self.at:
            raise ValueError("it ends too early")
        self.at += count
        return self.content[self.at - count : self.at]

    def integer(self) -> int:
        """An integer: its number of bytes (plus 128 if negative), then the bytes, lowest first."""
        (first,) = self.take(1)
        if not 1 <= first & 127 <= 8:
            raise ValueError("a number has a wrong length")
        value = int.from_bytes(self.take(first & 127), "little")
        return -value if first & 128 else value

    def real(self) -> float:
        """A float: a mantissa and its power of two."""
        return math.ldexp(self.integer(), self.integer())

    def text(self) -> str:
        length = self.integer()
        if length > LONGEST:
            raise ValueError("a name is too long")
        return self.take(length).decode("ascii")

    def shape(self, version: int) -> tuple[int, ...]:
        self.expect(version, self.integer())
        return tuple(self.integer() for _ in range(4))

    def tensor(self) -> np.ndarray:
        shape = self.shape(version=2)
        if min(shape) < 0:
            raise ValueError("a size is negative")
        return np.frombuffer(self.take(4 * math.prod(shape)), "<f4")

    def layer(self) -> Layer:
        name = self.text()
        if name not in SETTINGS:
            raise ValueError("it has a layer of another kind")
        settings: list[int] = []
        numbers = np.empty(0, np.float32)
        for kind in SETTINGS[name]:
            if kind == "n":
                numbers = self.tensor()
            elif kind == "r":
                self.real()
            else:
                settings.extend(self.shape(version=1) if kind == "s" else [self.integer()])
        self.take(3)
        if any(self.tensor().size for _ in range(3)):
            raise ValueError(f"its layer {name} was kept in the middle of training")
        return Layer(name, tuple(settings), numbers)
