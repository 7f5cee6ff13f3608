"""MobileStyleGAN (Belousov 2021, arXiv 2104.04767): a light synthesis network distilled from a StyleGAN2.

Each block upsamples by an inverse Haar wavelet transform and uses depthwise-separable convolutions. Demodulation is
folded into the pointwise weights, noise is stored scaled by its strength, and the image head predicts wavelets.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zplus.errors import ZplusError
from zplus.generators.contract import (
    Generator,
    Layer,
    State,
    SynthesisInputs,
    by_side,
    check_maps,
    check_sizes,
    in_fp32,
    pixel_norm,
)
from zplus.generators.noise import noise_maps


@dataclass(frozen=True)
class MobileStyleGANConfig:
    """Every size of the network; `channels` by resolution, from 4 to half of the image's resolution."""

    resolution: int = 1024
    z_dim: int = 512
    w_dim: int = 512
    mapping_layers: int = 8
    channels: dict[int, int] = field(
        default_factory=lambda: {4: 512, 8: 512, 16: 512, 32: 512, 64: 512, 128: 256, 256: 128, 512: 64}
    )

    def __post_init__(self) -> None:
        check_sizes(self.resolution, self.z_dim, self.w_dim, self.mapping_layers)
        sides = [2**i for i in range(2, self.resolution.bit_length() - 1)]
        if list(self.channels) != sides:
            raise ZplusError(f"Channels are given for {list(self.channels)}, expected {sides}.")
        check_maps((channels, side) for side, channels in self.channels.items())
        if any(count % 4 for count in self.channels.values()):
            raise ZplusError("Channels must be multiples of 4, which a wavelet makes to pixels.")

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> "MobileStyleGANConfig":
        """The configuration whose `asdict` was written as JSON. Raises ZplusError, or one of DAMAGE (records.py)."""
        return cls(**{**fields, "channels": by_side(fields["channels"])})


class MappingNetwork(nn.Module):
    """z -> w: pixel norm, then fully connected layers with leaky ReLU 0.2 and gain sqrt 2."""

    def __init__(self, config: MobileStyleGANConfig):
        super().__init__()
        sizes = [config.z_dim] + [config.w_dim] * config.mapping_layers
        self.fc = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes))

    def forward(self, z: Tensor) -> Tensor:
        """Map codes [..., z_dim] to [..., w_dim]."""
        x = pixel_norm(z)
        for layer in self.fc:
            x = F.leaky_relu(layer(x), 0.2) * 2**0.5
        return x


class Convolution(nn.Module):
    """A modulated 3x3 convolution, dense or depthwise-separable, with noise, bias and leaky ReLU 0.2."""

    noise: Tensor

    def __init__(self, c_in: int, c_out: int, resolution: int, w_dim: int, separable: bool = True):
        super().__init__()
        self.affine = nn.Linear(w_dim, c_in)
        self.scale = (9 * c_in) ** -0.5
        self.depthwise = nn.Parameter(torch.randn(c_in, 1, 3, 3)) if separable else None
        self.weight = nn.Parameter(torch.randn(c_out, c_in, 1, 1) if separable else torch.randn(c_out, c_in, 3, 3))
        self.bias = nn.Parameter(torch.zeros(c_out))
        self.register_buffer("noise", torch.zeros(1, 1, resolution, resolution))

    def forward(self, x: Tensor, style: Tensor, noise: Tensor | None) -> Tensor:
        """Convolve [N,c_in,r,r] to [N,c_out,r,r] under a style [N,c_in]."""
        x = x * (style * self.scale)[:, :, None, None]
        if self.depthwise is None:
            x = F.conv2d(x, self.weight, self.bias, padding=1)
        else:
            x = F.conv2d(F.conv2d(x, self.depthwise, padding=1, groups=x.shape[1]), self.weight, self.bias)
        x = x.float().add_(self.noise if noise is None else noise)  # in place: memory is what takes time here
        return F.leaky_relu(x, 0.2, inplace=True)


class MobileStyleGAN(Generator):
    """The contract over a MobileStyleGAN; style k is: the 4x4 convolution; per block the enlargement and its two
    convolutions; the image head. A block's enlargement and first convolution share one code."""

    architecture = "mobile_stylegan"
    w_mean = None

    def __init__(self, config: MobileStyleGANConfig, name: str = "MobileStyleGAN"):
        super().__init__()
        self.config, self.name = config, name
        self.resolution, self.z_dim, self.w_dim = config.resolution, config.z_dim, config.w_dim
        sides = sorted(config.channels)
        self.mapping = MappingNetwork(config)
        self.const = nn.Parameter(torch.randn(1, config.channels[4], 4, 4))
        convolutions, enlargements = [Convolution(config.channels[4], config.channels[4], 4, config.w_dim, False)], []
        for small, side in pairwise(sides):
            c_in, c_out = config.channels[small], config.channels[side]
            enlargements.append(nn.Linear(config.w_dim, c_in))
            convolutions.append(Convolution(c_in // 4, c_out, side, config.w_dim))
            convolutions.append(Convolution(c_out, c_out, side, config.w_dim))
        self.convolutions, self.enlargements = nn.ModuleList(convolutions), nn.ModuleList(enlargements)
        last = config.channels[sides[-1]]
        self.image_affine = nn.Linear(config.w_dim, last)
        self.image_weight = nn.Parameter(torch.randn(12, last, 1, 1))
        self.image_bias = nn.Parameter(torch.zeros(12))
        self.layers = tuple(
            Layer(f"b{side}.conv{i}", side, config.channels[side], code)
            for code, (side, i) in enumerate([(4, 1)] + [(side, i) for side in sides[1:] for i in (0, 1)])
        )
        self.style_codes = (0, *(2 * b + c for b in range(len(sides) - 1) for c in (1, 1, 2)), 2 * len(sides) - 1)
        self.style_sizes = tuple(affine.out_features for affine in self._affines())

    def _affines(self) -> list[Any]:
        first, *others = self.convolutions
        affines = [first.affine]
        for enlargement, one, two in zip(self.enlargements, others[::2], others[1::2], strict=True):
            affines += [enlargement, one.affine, two.affine]
        return [*affines, self.image_affine]

    def map(self, z: Tensor) -> Tensor:
        """See the contract."""
        return self.mapping(z)

    def styles(self, w: Tensor) -> tuple[Tensor, ...]:
        """See the contract."""
        self.check_codes(w)
        return tuple(affine(w[:, code]) for affine, code in zip(self._affines(), self.style_codes, strict=True))

    def noise(self, mode: str) -> tuple[Tensor, ...] | None:
        """See the contract; the strength of seeded noise is the standard deviation of the stored map."""
        stored: list[Any] = [convolution.noise for convolution in self.convolutions]
        return noise_maps(mode, stored, lambda: [x.std() for x in stored])

    def initial(self, inputs: SynthesisInputs) -> State:
        """See the contract."""
        return State(self.const.expand(inputs.batch, -1, -1, -1))

    def advance(self, state: State, k: int, inputs: SynthesisInputs) -> State:
        """See the contract."""
        x, block = state.features, (k + 1) // 2
        if k % 2:  # the first convolution of a block enlarges first
            x = inverse_haar(x.float() * inputs.styles[3 * block - 2][:, :, None, None])
        style = inputs.styles[k + block]
        return State(self.convolutions[k](x, style, None if inputs.noise is None else inputs.noise[k]))

    def finish(self, state: State, inputs: SynthesisInputs) -> Tensor:
        """See the contract."""
        with in_fp32(state.features):
            x = state.features.float() * (inputs.styles[-1] * state.features.shape[1] ** -0.5)[:, :, None, None]
            return inverse_haar(F.conv2d(x, self.image_weight, self.image_bias))


def inverse_haar(x: Tensor) -> Tensor:
    """Inverse Haar wavelet transform [N,4C,r,r] -> [N,C,2r,2r]; channels are C low ones, then C x (lh, hl, hh)."""
    c = x.shape[1] // 4
    low = x[:, :c]
    lh, hl, hh = x[:, c:].unflatten(1, (c, 3)).unbind(2)
    top, bottom, same, other = low + lh, low - lh, hl + hh, hl - hh
    corners = (top + same, top - same, bottom + other, bottom - other)
    return F.pixel_shuffle(torch.stack(corners, 2).flatten(1, 2) * 0.5, 2)
