"""StyleGAN2 (Karras et al. 2020, "Analyzing and improving the image quality of StyleGAN", arXiv 1912.04958).

Parameters have the names of stylegan2-ada-pytorch's checkpoints, so that such a state dict loads directly. Styles scale
the input features and demodulation scales the output, so that a batch is one ordinary convolution.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zplus.errors import UnknownNameError, ZplusError
from zplus.generators.contract import Layer, State, SynthesisInputs, by_side, check_maps, check_sizes, in_fp32
from zplus.generators.mapping import FullyConnected, LabelledGenerator
from zplus.generators.noise import noise_maps
from zplus.generators.resample import fir_kernel, upsample, upsample_conv

MAX_TAPS = 16  # of a filter; known models have 2 to 12


@dataclass(frozen=True)
class StyleGAN2Config:
    """Every size of the network; the defaults are configuration F at 1024 px. `channels` by resolution, from 4 up."""

    resolution: int = 1024
    z_dim: int = 512
    w_dim: int = 512
    c_dim: int = 0  # numbers in a label; 0 is a generator without labels
    mapping_layers: int = 8
    mapping_lr: float = 0.01  # the mapping learns 100 times slower: its weights are stored 100 times larger
    w_mean: bool = True  # whether the checkpoint states the mean of w; without it, sample one
    architecture: str = "skip"  # "skip" adds RGB at every resolution, "resnet" adds features
    channels: Mapping[int, int] = field(default_factory=lambda: {2**i: min(2 ** (15 - i), 512) for i in range(2, 11)})
    taps: Sequence[float | int] = (0.125, 0.375, 0.375, 0.125)  # the binomial filter [1, 3, 3, 1] / 8
    conv_clamp: float | None = None  # NVIDIA clips at 256 where it trained in fp16; fp32 values seldom come near

    def __post_init__(self):
        check_sizes(self.resolution, self.z_dim, self.w_dim, self.mapping_layers)
        object.__setattr__(self, "channels", dict(sorted(self.channels.items())))
        object.__setattr__(self, "taps", tuple(map(float, self.taps)))  # JSON makes lists of tuples
        if list(self.channels) != sides(self.resolution):
            raise ZplusError(f"Channels are given for {list(self.channels)}, expected {sides(self.resolution)}.")
        if self.architecture not in ("skip", "resnet"):
            raise UnknownNameError("StyleGAN2 architecture", self.architecture, ("skip", "resnet"))
        check_maps((channels, side) for side, channels in self.channels.items())
        if not 2 <= len(self.taps) <= MAX_TAPS:
            raise ZplusError(f"A filter has 2 to {MAX_TAPS} taps, got {len(self.taps)}.")
        if not all(0 < x < math.inf for x in (self.mapping_lr, self.conv_clamp or 1)):
            raise ZplusError("The learning rate of the mapping and the clamp must be positive numbers.")

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> "StyleGAN2Config":
        """The configuration whose `asdict` was written as JSON. Raises ZplusError, or one of DAMAGE (records.py)."""
        return cls(**{**fields, "channels": by_side(fields["channels"])})


class ModulatedConv(nn.Module):
    """A 3x3 convolution with modulation and demodulation (section 2.2), then noise, bias, leaky ReLU; `up` enlarges."""

    noise_const: Tensor
    resample_filter: Tensor

    def __init__(self, c_in: int, c_out: int, side: int, config: StyleGAN2Config, up: bool = False):
        super().__init__()
        self.up, self.clamp = up, config.conv_clamp
        self.affine = FullyConnected(config.w_dim, c_in, bias=1.0)
        self.weight = nn.Parameter(torch.randn(c_out, c_in, 3, 3))
        self.bias = nn.Parameter(torch.zeros(c_out))
        self.noise_strength = nn.Parameter(torch.zeros([]))
        self.register_buffer("noise_const", torch.randn(side, side))
        self.register_buffer("resample_filter", fir_kernel(config.taps))

    def forward(self, x: Tensor, style: Tensor, noise: Tensor | None = None, gain: float = 1.0) -> Tensor:
        """Convolve [N,c_in,r,r] to [N,c_out,r,r], or [N,c_out,2r,2r], under a style [N,c_in]."""
        x = x * style[:, :, None, None]
        x = upsample_conv(x, self.weight, self.resample_filter) if self.up else F.conv2d(x, self.weight, padding=1)
        x = x * self.demodulation(style)[:, :, None, None]
        x = x + (self.noise_const * self.noise_strength if noise is None else noise) + self.bias[:, None, None]
        x = F.leaky_relu(x, 0.2) * (gain * 2**0.5)
        return x if self.clamp is None else x.clamp(-self.clamp * gain, self.clamp * gain)

    def demodulation(self, style: Tensor) -> Tensor:
        """The factor [N, c_out] that restores unit variance of every output channel (equation 3)."""
        power = self.weight.square().sum(dim=(2, 3))  # [c_out, c_in]
        return torch.rsqrt(F.linear(style.square(), power) + 1e-8)


class ToRGB(nn.Module):
    """A modulated 1x1 convolution to RGB, not demodulated; its style is scaled by 1/sqrt(c_in) in here."""

    def __init__(self, c_in: int, config: StyleGAN2Config):
        super().__init__()
        self.clamp, self.scale = config.conv_clamp, c_in**-0.5
        self.affine = FullyConnected(config.w_dim, c_in, bias=1.0)
        self.weight = nn.Parameter(torch.randn(3, c_in, 1, 1))
        self.bias = nn.Parameter(torch.zeros(3))

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """Convolve [N,c_in,r,r] to [N,3,r,r] under a style [N,c_in]."""
        with in_fp32(x):
            x = F.conv2d(x.float() * (style * self.scale)[:, :, None, None], self.weight, self.bias)
        return x if self.clamp is None else x.clamp(-self.clamp, self.clamp)


class Skip(nn.Module):
    """The shortcut of a residual block: a 1x1 convolution, upsampled, with gain sqrt 0.5."""

    resample_filter: Tensor

    def __init__(self, c_in: int, c_out: int, config: StyleGAN2Config):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(c_out, c_in, 1, 1))
        self.register_buffer("resample_filter", fir_kernel(config.taps))
        self.scale = (0.5 / c_in) ** 0.5

    def forward(self, x: Tensor) -> Tensor:
        """Map [N,c_in,r,r] to [N,c_out,2r,2r]."""
        return upsample(F.conv2d(x, self.weight * self.scale), self.resample_filter)


class Block(nn.Module):
    """The layers at one resolution: const or conv0 (which enlarges), conv1, and torgb and skip where they exist."""

    def __init__(self, side: int, config: StyleGAN2Config):
        super().__init__()
        count, resnet = config.channels[side], config.architecture == "resnet"
        if side == 4:
            self.const = nn.Parameter(torch.randn(count, 4, 4))
        else:
            before = config.channels[side // 2]
            self.conv0 = ModulatedConv(before, count, side, config, up=True)
            if resnet:
                self.skip = Skip(before, count, config)
        self.conv1 = ModulatedConv(count, count, side, config)
        if not resnet or side == config.resolution:
            self.torgb = ToRGB(count, config)
        self.register_buffer("resample_filter", fir_kernel(config.taps))


class StyleGAN2(LabelledGenerator):
    """The contract over a StyleGAN2.

    `style_names` and `conv_names` ("b8.conv0", ...) name the modulated operations and the convolutions, in the order of
    styles and noise maps. In the "skip" architecture every convolution is a layer; RGB has the size of the features,
    holds this block's torgb after conv1, and None stands for zeros. In the "resnet" architecture every block is one
    layer, named after its conv1, since the middle of a block is no whole state.
    """

    architecture = "stylegan2"

    def __init__(self, config: StyleGAN2Config, name: str = "StyleGAN2"):
        super().__init__(config, name)
        self.synthesis = nn.ModuleDict({f"b{side}": Block(side, config) for side in config.channels})
        self._name_operations()

    def _name_operations(self) -> None:
        convs: list[Layer] = []
        operations: list[tuple[str, int]] = []
        for side, count in self.config.channels.items():
            for conv in ("conv0", "conv1")[side == 4 :]:
                operations.append((f"b{side}.{conv}", len(convs)))
                convs.append(Layer(f"b{side}.{conv}", side, count, code=len(convs)))
            if hasattr(self._part(f"b{side}"), "torgb"):
                operations.append((f"b{side}.torgb", len(convs)))  # shares the code of the next conv0
        self.layers = tuple(x for x in convs if self.config.architecture == "skip" or x.name.endswith("conv1"))
        self.conv_names = tuple(x.name for x in convs)
        self.style_names, self.style_codes = zip(*operations, strict=True)
        self.style_sizes = tuple(len(self._part(name).affine.bias) for name in self.style_names)

    def _part(self, name: str) -> Any:
        return self.synthesis.get_submodule(name)

    def styles(self, w: Tensor) -> tuple[Tensor, ...]:
        """See the contract."""
        self.check_codes(w)
        pairs = zip(self.style_names, self.style_codes, strict=True)
        return tuple(self._part(name).affine(w[:, code]) for name, code in pairs)

    def noise(self, mode: str) -> tuple[Tensor, ...] | None:
        """See the contract."""
        parts = [self._part(name) for name in self.conv_names]
        return noise_maps(mode, [x.noise_const for x in parts], lambda: [x.noise_strength for x in parts])

    def initial(self, inputs: SynthesisInputs) -> State:
        """See the contract."""
        const = self._part("b4").const
        return State(const.expand(inputs.batch, *const.shape))

    def advance(self, state: State, k: int, inputs: SynthesisInputs) -> State:
        """See the contract."""
        x, rgb = state
        block, _, conv = self.layers[k].name.partition(".")
        if self.config.architecture == "resnet":
            return State(self._residual(x, block, inputs))
        x = self._convolve(x, self.layers[k].name, inputs)
        if conv == "conv0":
            return State(x, rgb if rgb is None else self._enlarged(rgb, block))
        new = self._to_rgb(x, block, inputs)
        return State(x, new if rgb is None else rgb + new)

    def finish(self, state: State, inputs: SynthesisInputs) -> Tensor:
        """See the contract; in the skip architecture the RGB is the image."""
        if self.config.architecture == "resnet":
            return self._to_rgb(state.features, f"b{self.resolution}", inputs)
        return state.features.new_zeros(inputs.batch, 3, *state.features.shape[2:]) if state.rgb is None else state.rgb

    def _residual(self, x: Tensor, block: str, inputs: SynthesisInputs) -> Tensor:
        if block == "b4":
            return self._convolve(x, "b4.conv1", inputs)
        short = self._part(f"{block}.skip")(x)
        x = self._convolve(x, f"{block}.conv0", inputs)
        return short + self._convolve(x, f"{block}.conv1", inputs, gain=0.5**0.5)

    def _convolve(self, x: Tensor, name: str, inputs: SynthesisInputs, gain: float = 1.0) -> Tensor:
        noise = None if inputs.noise is None else inputs.noise[self.conv_names.index(name)]
        return self._part(name)(x, inputs.styles[self.style_names.index(name)], noise, gain)

    def _enlarged(self, rgb: Tensor, block: str) -> Tensor:
        with in_fp32(rgb):
            return upsample(rgb, self._part(block).resample_filter)

    def _to_rgb(self, x: Tensor, block: str, inputs: SynthesisInputs) -> Tensor:
        return self._part(f"{block}.torgb")(x, inputs.styles[self.style_names.index(f"{block}.torgb")])


def sides(resolution: int) -> list[int]:
    """The sides of the feature maps: 4, 8, ... up to the resolution."""
    return [2**i for i in range(2, resolution.bit_length())]
