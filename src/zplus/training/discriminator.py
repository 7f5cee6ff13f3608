"""The residual discriminator of StyleGAN2 (Karras et al. 2020, arXiv 1912.04958, section 4.1) and its file.

Parameters are named as in the checkpoints of stylegan2-ada-pytorch. Gains join the weights: leaky ReLU lets them pass.
"""

from collections.abc import Mapping
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from zplus.errors import CheckpointError, reason
from zplus.generators.resample import downsample, fir_kernel
from zplus.generators.stylegan2 import FullyConnected
from zplus.tensor_files import DAMAGE, read_tensors, write_tensors

GROUP = 4  # pictures whose spread is measured together, as in the paper
ROOT2 = 2**0.5


class Conv(nn.Module):
    """A convolution with equalised learning rate (Karras et al. 2018, arXiv 1710.10196, section 4.1)."""

    def __init__(self, c_in: int, c_out: int, size: int, bias: bool = True):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(c_out, c_in, size, size))
        self.bias = nn.Parameter(torch.zeros(c_out)) if bias else None
        self.scale = (c_in * size**2) ** -0.5

    def forward(self, x: Tensor, gain: float, stride: int = 1, padding: int = 0) -> Tensor:
        """Map [N,c_in,H,W] to [N,c_out,H',W'], times the gain."""
        bias = None if self.bias is None else self.bias * gain
        return F.conv2d(x, self.weight * (self.scale * gain), bias, stride, padding)


class Block(nn.Module):
    """One resolution: [N,c_in,r,r] to [N,c_out,r/2,r/2]; the first block also takes the picture [N,3,r,r]."""

    kernel: Tensor

    def __init__(self, c_in: int, c_out: int, first: bool):
        super().__init__()
        if first:
            self.fromrgb = Conv(3, c_in, 1)
        self.conv0 = Conv(c_in, c_in, 3)
        self.conv1 = Conv(c_in, c_out, 3)
        self.skip = Conv(c_in, c_out, 1, bias=False)
        self.register_buffer("kernel", fir_kernel([1, 3, 3, 1]), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """The sum of the skip and of two convolutions, each with gain sqrt 0.5; both ways are blurred, then halved."""
        if hasattr(self, "fromrgb"):
            x = F.leaky_relu(self.fromrgb(x, ROOT2), 0.2)
        short = self.skip(downsample(x, self.kernel), 0.5**0.5)
        x = F.leaky_relu(self.conv0(x, ROOT2, padding=1), 0.2)
        x = F.leaky_relu(self.conv1(blur(x, self.kernel), 1.0, stride=2), 0.2)  # gain sqrt 2 * sqrt 0.5
        return short + x


class Epilogue(nn.Module):
    """The end at 4x4: minibatch standard deviation, a convolution, two fully connected layers."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv = Conv(channels + 1, channels, 3)
        self.fc = FullyConnected(channels * 16, channels)
        self.out = FullyConnected(channels, 1)

    def forward(self, x: Float[Tensor, "n c 4 4"]) -> Float[Tensor, " n"]:
        """One score a picture."""
        x = F.leaky_relu(self.conv(with_spread(x), ROOT2, padding=1), 0.2)
        x = F.leaky_relu(self.fc(x.flatten(1)), 0.2) * ROOT2
        return self.out(x)[:, 0]


class Discriminator(nn.Module):
    """A picture float32 [N,3,R,R] in [-1,1] to a score [N], high for real; `channels` by resolution, from 4 up to R."""

    def __init__(self, channels: Mapping[int, int]):
        super().__init__()
        self.channels = dict(sorted(channels.items(), reverse=True))
        sides = list(self.channels)
        for side in sides[:-1]:
            block = Block(channels[side], channels[side // 2], first=side == sides[0])
            self.add_module(f"b{side}", block)
        self.b4 = Epilogue(channels[4])

    def forward(self, image: Float[Tensor, "n 3 r r"]) -> Float[Tensor, " n"]:
        """The score of every picture; it depends on the others of its group through their spread."""
        for block in self.children():
            image = block(image)
        return image


def blur(x: Tensor, kernel: Tensor) -> Tensor:
    """The FIR filter [4,4] over [N,C,H,W], to [N,C,H+1,W+1]: what a convolution of size 3 and stride 2 then halves."""
    return F.conv2d(x, kernel.expand(x.shape[1], 1, 4, 4), padding=2, groups=x.shape[1])


def with_spread(x: Float[Tensor, "n c h w"]) -> Tensor:
    """Append the minibatch standard deviation [N,c+1,h,w] (Karras et al. 2018, section 3).

    Rows i, i + N/G, ... form a group of G = 4, or all rows where N is not a multiple of 4.
    """
    n, _, height, width = x.shape
    groups = n // GROUP if n % GROUP == 0 else 1
    wide = x.to(torch.promote_types(x.dtype, torch.float32))
    grouped = wide.reshape(-1, groups, *x.shape[1:])  # [G, groups, c, h, w]
    spread = (grouped.var(0, correction=0) + 1e-8).sqrt().mean((1, 2, 3))  # [groups]
    plane = spread.repeat(n // groups).view(n, 1, 1, 1).expand(n, 1, height, width)
    return torch.cat([x, plane.to(x)], dim=1)


def save_discriminator(discriminator: Discriminator, path: str | Path) -> None:
    """Write a discriminator; names and shapes of its tensors tell its sizes."""
    write_tensors(path, discriminator.state_dict(), {"zplus": "discriminator"})


def read_discriminator(path: str | Path) -> Discriminator:
    """Read a discriminator of ours, or the tensors of stylegan2-ada-pytorch as safetensors; else CheckpointError."""
    try:
        found = read_tensors(path)
        tensors = {name: x.float() for name, x in found.items() if not name.endswith("resample_filter")}
        sides = [4 << i for i in range(9) if i == 0 or f"b{4 << i}.conv0.weight" in tensors]
        channels = {side: len(tensors[f"b{side}.conv{0 if side > 4 else ''}.weight"]) for side in sides}
        with torch.device("meta"):  # sizes only: a hostile file must not take memory
            discriminator = Discriminator(channels)
        _on_cpu(discriminator).load_state_dict(tensors, assign=True)
    except FileNotFoundError:
        raise CheckpointError(f"There is no file {path}.") from None
    except DAMAGE as error:
        raise CheckpointError(
            f"{path} is not a readable discriminator ({reason(error)}): train or convert it again."
        ) from None
    return discriminator


def _on_cpu(discriminator: Discriminator) -> Discriminator:
    for block in discriminator.modules():
        if isinstance(block, Block):
            block.kernel = fir_kernel([1, 3, 3, 1])  # not in the file, so still on the meta device
    return discriminator
