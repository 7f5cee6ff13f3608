"""StyleGAN3 (Karras et al. 2021, "Alias-free generative adversarial networks", arXiv 2106.12423), T and R.

Parameters have the names of NVIDIA's checkpoints. Maps are canvases: they show a margin around the image, so that
nothing is known of its border. Styles scale the input features and demodulation scales the output, so that a batch is
one ordinary convolution; the norms that NVIDIA's program divides weights and styles by cancel in the demodulation.
"""

import copy
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zplus.errors import ZplusError
from zplus.generators.contract import Layer, State, SynthesisInputs, check_maps, check_sizes, in_fp32
from zplus.generators.filtered import FilteredLeakyReLU
from zplus.generators.filters import lowpass, radial_lowpass
from zplus.generators.mapping import FullyConnected, LabelledGenerator
from zplus.generators.noise import noise_maps
from zplus.generators.transform import checked_transform
from zplus.generators.winograd import convolution

SMALLEST, LARGEST = 16, 1024  # pixels a side
MAX_LAYERS = 40  # public models have 14
MAX_CHANNELS = 4096  # public models have up to 1024
MARGIN = 10  # pixels of a canvas around the image, on every side
CRITICAL = 2  # the last layers, which sample as coarsely as the image does
FIRST_CUTOFF, FIRST_STOPBAND, LAST_STOPBAND = 2.0, 2**2.1, 2**0.3  # the last one relative to the cutoff
FILTER_SIZE = 6  # taps of a filter per factor of resampling
CLAMP, OUTPUT_SCALE = 256.0, 0.25


@dataclass(frozen=True)
class StyleGAN3Config:
    """Every size of the network; the defaults are configuration T at 1024 px.

    `channels` are those of the layers, in order, RGB excluded. Cutoffs, rates, canvases and filters follow from the
    resolution and the number of layers.
    """

    resolution: int = 1024
    z_dim: int = 512
    w_dim: int = 512
    c_dim: int = 0  # numbers in a label; 0 is a generator without labels
    mapping_layers: int = 2
    mapping_lr: float = 0.01  # the mapping learns 100 times slower: its weights are stored 100 times larger
    w_mean: bool = True  # whether the checkpoint states the mean of w
    channels: Sequence[int] = (512,) * 7 + (323, 203, 128, 81, 51, 32, 32)
    kernel: int = 3  # 3 is configuration T, 1 is R
    radial: bool = False  # whether downsampling is alike in all directions: True is configuration R

    def __post_init__(self) -> None:
        check_sizes(self.resolution, self.z_dim, self.w_dim, self.mapping_layers)
        if not SMALLEST <= self.resolution <= LARGEST:
            raise ZplusError(f"A StyleGAN3 has {SMALLEST} to {LARGEST} px, got {self.resolution}.")
        if not isinstance(self.channels, tuple) or not CRITICAL < len(self.channels) <= MAX_LAYERS:
            raise ZplusError(f"A StyleGAN3 has {CRITICAL + 1} to {MAX_LAYERS} layers, in order.")
        if not all(isinstance(count, int) and 1 <= count <= MAX_CHANNELS for count in self.channels):
            raise ZplusError(f"A layer of a StyleGAN3 has 1 to {MAX_CHANNELS} channels.")
        sides = (x.side for x in samplings(self.resolution, len(self.channels)))
        check_maps((2 * count, side) for count, side in zip(self.channels, sides, strict=False))  # doubly sampled
        if self.kernel not in (1, 3) or not 0 < self.mapping_lr < math.inf or not 0 <= self.c_dim <= MAX_CHANNELS:
            raise ZplusError("The kernel, the learning rate of the mapping or the labels are those of no StyleGAN3.")

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> "StyleGAN3Config":
        """The configuration whose `asdict` was written as JSON. Raises ZplusError, or one of DAMAGE (records.py)."""
        if not isinstance(fields["channels"], list):
            raise ValueError("the channels of its layers are no list")
        return cls(**{**fields, "channels": tuple(fields["channels"])})


class Sampling(NamedTuple):
    """How a layer's output is sampled (section 3.2 and appendix C); frequencies in cycles per image."""

    cutoff: float
    half_width: float  # of the transition band
    rate: int  # samples per image
    side: int  # of the canvas

    def lowpass(self, taps: int, rate: int, radial: bool = False) -> np.ndarray:
        """The filter that confines a signal of so many samples per image to this one's band."""
        return (radial_lowpass if radial else lowpass)(taps, self.cutoff, self.half_width, rate)


def samplings(resolution: int, layers: int) -> list[Sampling]:
    """The sampling after each of `layers` layers, and of the image: cutoffs grow geometrically."""
    found = []
    for i in range(layers + 1):
        exponent, last = min(i / (layers - CRITICAL), 1.0), resolution / 2
        cutoff = FIRST_CUTOFF * (last / FIRST_CUTOFF) ** exponent
        stopband = FIRST_STOPBAND * (last * LAST_STOPBAND / FIRST_STOPBAND) ** exponent
        rate = 2 ** math.ceil(math.log2(min(2 * stopband, resolution)))
        side = resolution if i >= layers - 1 else rate + 2 * MARGIN
        found.append(Sampling(cutoff, max(stopband, rate / 2) - cutoff, rate, side))
    return found


class SynthesisInput(nn.Module):
    """Fourier features on the first canvas, turned and moved by the first style and by a transform (section 3.2)."""

    freqs: Tensor
    phases: Tensor
    transform: Tensor

    def __init__(self, channels: int, w_dim: int, sampling: Sampling):
        super().__init__()
        self.sampling = sampling
        self.affine = FullyConnected(w_dim, 4)
        self.weight = nn.Parameter(torch.randn(channels, channels))
        self.register_buffer("freqs", torch.randn(channels, 2))
        self.register_buffer("phases", torch.rand(channels) - 0.5)
        self.register_buffer("transform", torch.eye(3))

    def forward(self, style: Tensor, transform: Tensor | None = None) -> Tensor:
        """Features [N, C, side, side] from the affine's output [N, 4]; `transform` [3, 3] instead of the stored one."""
        style = style.to(self.freqs.dtype)
        moved = self.placed(style, self.transform if transform is None else transform.to(style))
        freqs, phases = self.freqs @ moved[:, :2, :2], self.phases + (self.freqs @ moved[:, :2, 2:])[..., 0]
        rate, cutoff = self.sampling.rate, self.sampling.cutoff
        amplitudes = (1 - (freqs.norm(dim=2) - cutoff) / (rate / 2 - cutoff)).clamp(0, 1)  # [N, C]
        side = self.sampling.side
        line = (torch.arange(side, device=style.device, dtype=style.dtype) + 0.5 - side / 2) / rate
        across, along = line * freqs[:, :, :1], line * freqs[:, :, 1:]  # [N, C, side]
        waves = (2 * math.pi * (across[:, :, None] + along[..., None] + phases[:, :, None, None])).sin()
        return torch.einsum(
            "oc,nchw->nohw", self.weight * len(self.weight) ** -0.5, waves * amplitudes[..., None, None]
        )

    def placed(self, style: Tensor, transform: Tensor) -> Tensor:
        """The matrices [N, 3, 3] from coordinates of the image to those of the features."""
        c, s, x, y = (style / style[:, :2].norm(dim=1, keepdim=True)).unbind(1)
        zero, one = torch.zeros_like(c), torch.ones_like(c)
        turn = torch.stack([c, -s, zero, s, c, zero, zero, zero, one], 1).view(-1, 3, 3)
        shift = torch.stack([one, zero, -x, zero, one, -y, zero, zero, one], 1).view(-1, 3, 3)
        return turn @ shift @ transform


class SynthesisLayer(nn.Module):
    """A modulated convolution with demodulation, a bias, and a leaky ReLU between filters."""

    magnitude_ema: Tensor

    def __init__(
        self, channels: tuple[int, int], samplings: tuple[Sampling, Sampling], config: StyleGAN3Config, radial: bool
    ):
        super().__init__()
        (c_in, c_out), (before, after), kernel = channels, samplings, config.kernel
        self.affine = FullyConnected(config.w_dim, c_in, bias=1.0)
        self.weight = nn.Parameter(torch.randn(c_out, c_in, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(c_out))
        self.register_buffer("magnitude_ema", torch.ones([]))
        between = 2 * max(before.rate, after.rate)
        up, down = between // before.rate, between // after.rate
        lines = before.lowpass(FILTER_SIZE * up, between), after.lowpass(FILTER_SIZE * down, between, radial)
        for name, line in zip(("up_filter", "down_filter"), lines, strict=True):
            self.register_buffer(name, torch.from_numpy(line).float())
        self.activation = FilteredLeakyReLU(*lines, before.side + kernel - 1, after.side, (up, down), CLAMP)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """Convolve a canvas [N, c_in, side, side] under a style [N, c_in] to the next canvas."""
        x = convolution(x * style[:, :, None, None], self.weight, padding=self.weight.shape[-1] - 1)
        power = F.linear(style.square(), self.weight.square().sum(dim=(2, 3)))  # of the outputs [N, c_out]
        scale = torch.rsqrt(power + 1e-8) * self.magnitude_ema.rsqrt()
        x = torch.addcmul(self.bias[:, None, None], x, scale[:, :, None, None])
        with in_fp32(x):  # filters of bfloat16 would let aliases through
            return self.activation(x.to(self.bias.dtype))


class ToRGB(nn.Module):
    """A modulated 1x1 convolution to RGB, not demodulated and without filters."""

    magnitude_ema: Tensor

    def __init__(self, c_in: int, config: StyleGAN3Config):
        super().__init__()
        self.affine = FullyConnected(config.w_dim, c_in, bias=1.0)
        self.weight = nn.Parameter(torch.randn(3, c_in, 1, 1))
        self.bias = nn.Parameter(torch.zeros(3))
        self.register_buffer("magnitude_ema", torch.ones([]))

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """Convolve [N, c_in, R, R] to [N, 3, R, R] under a style [N, c_in]."""
        with in_fp32(x):
            style = style * (x.shape[1] ** -0.5 * self.magnitude_ema.rsqrt())
            x = F.conv2d(x.to(self.weight.dtype) * style[:, :, None, None], self.weight, self.bias)
        return x.clamp(-CLAMP, CLAMP)


class StyleGAN3(LabelledGenerator):
    """The contract over a StyleGAN3.

    Style 0 and code 0 feed the input (four numbers), style and code k + 1 layer k, the last ones torgb. States hold
    features and no RGB; there is no noise, and every mode of it gives the same image. A layer's resolution is its
    sampling rate; its map is a canvas with a margin of 10 pixels around the image, but for the last two layers.
    """

    architecture = "stylegan3"

    def __init__(self, config: StyleGAN3Config, name: str = "StyleGAN3"):
        super().__init__(config, name)
        sampled, counts = samplings(config.resolution, len(config.channels)), config.channels
        parts: dict[str, Any] = {"input": SynthesisInput(counts[0], config.w_dim, sampled[0])}
        layers = []
        for i, count in enumerate(counts):
            before, after = max(i - 1, 0), sampled[i]
            radial = config.radial and i < len(counts) - CRITICAL
            sizes = (counts[before], count), (sampled[before], after)
            layers.append(Layer(f"L{i}_{after.side}_{count}", after.rate, count, i + 1, (after.side - after.rate) // 2))
            parts[layers[-1].name] = SynthesisLayer(*sizes, config, radial)
        self.rgb_name = f"L{len(counts)}_{config.resolution}_3"
        parts[self.rgb_name] = ToRGB(counts[-1], config)
        self.synthesis = nn.ModuleDict(parts)
        self.layers = tuple(layers)
        self.style_codes = tuple(range(len(parts)))
        self.style_sizes = tuple(len(part.affine.bias) for part in parts.values())

    def with_transform(self, transform: Any) -> "StyleGAN3":
        """See the contract."""
        moved = copy.copy(self)
        moved.transform = checked_transform(transform)
        return moved

    def check_finite(self) -> None:
        """See the contract; the mean magnitudes that layers divide by the root of must be positive too."""
        super().check_finite()
        if not all(tensor > 0 for name, tensor in self.state_dict().items() if name.endswith("magnitude_ema")):
            raise ZplusError(f"The weights of {self.name} hold a magnitude that is not positive: get it again.")

    def styles(self, w: Tensor) -> tuple[Tensor, ...]:
        """See the contract."""
        self.check_codes(w)
        parts: Any = self.synthesis.values()
        return tuple(part.affine(w[:, code]) for code, part in enumerate(parts))

    def noise(self, mode: str) -> tuple[Tensor, ...] | None:
        """See the contract; there are no maps."""
        return noise_maps(mode, [], list)

    def initial(self, inputs: SynthesisInputs) -> State:
        """See the contract."""
        with in_fp32(inputs.styles[0]):
            return State(self.synthesis["input"](inputs.styles[0], self.transform))

    def advance(self, state: State, k: int, inputs: SynthesisInputs) -> State:
        """See the contract."""
        return State(self.synthesis[self.layers[k].name](state.features, inputs.styles[k + 1]))

    def finish(self, state: State, inputs: SynthesisInputs) -> Tensor:
        """See the contract."""
        return self.synthesis[self.rgb_name](state.features, inputs.styles[-1]) * OUTPUT_SCALE
