"""Small generators for all tests: the same weights everywhere, from numpy's frozen random streams."""

import zlib

import numpy as np
import torch

from zplus.generators.mobile_stylegan import MobileStyleGAN, MobileStyleGANConfig
from zplus.generators.stylegan2 import StyleGAN2, StyleGAN2Config
from zplus.generators.stylegan3 import StyleGAN3, StyleGAN3Config

GAINS = {"torgb.weight": 0.4, "bias": 0.1, "noise_strength": 0.1}  # images of the skip kind have a spread of 0.5
MOBILE_GAINS = {"image_weight": 0.2}
STYLEGAN3_GAINS = {"bias": 0.1, "freqs": 2.0}


def tiny_stylegan2(
    seed: int = 0,
    resolution: int = 32,
    *,
    architecture: str = "skip",
    z_dim: int = 16,
    w_dim: int = 16,
    c_dim: int = 0,
    channels: int = 8,
    **config,
) -> StyleGAN2:
    """A StyleGAN2 of some thousand weights, in evaluation mode, without gradients; w_mean is that of 256 samples."""
    sides = [2**i for i in range(2, resolution.bit_length())]
    sizes = {"resolution": resolution, "z_dim": z_dim, "w_dim": w_dim, "c_dim": c_dim, "mapping_layers": 2}
    counts = {side: channels if side < resolution else max(channels // 2, 1) for side in sides}
    full = StyleGAN2Config(**{**sizes, "architecture": architecture, "channels": counts, **config})
    generator = StyleGAN2(full, f"tiny-{architecture}-{seed}").eval().requires_grad_(False)
    fill(generator, seed)
    if full.w_mean:
        z = torch.from_numpy(np.random.RandomState(seed).standard_normal((256, 1, z_dim))).float()
        bound = generator.with_label(0) if c_dim else generator
        generator.mapping.w_avg.copy_(bound.map(z).mean((0, 1)))
    return generator


def fill(generator: StyleGAN2, seed: int) -> None:
    """Overwrite every tensor but the filters with normal numbers that depend on its name and the seed alone."""
    for name, tensor in generator.state_dict().items():
        if not name.endswith("resample_filter"):
            gain = next((gain for end, gain in GAINS.items() if name.endswith(end)), 1.0)
            if name.startswith("mapping.fc"):
                gain /= generator.config.mapping_lr
            tensor.copy_(gain * normal(name, tensor, seed) + name.endswith("affine.bias"))


def tiny_mobile(seed: int = 0) -> MobileStyleGAN:
    """A MobileStyleGAN of 32 px, in evaluation mode, without gradients; images have a spread of about 0.5."""
    config = MobileStyleGANConfig(32, z_dim=16, w_dim=16, mapping_layers=2, channels={4: 16, 8: 16, 16: 8})
    generator = MobileStyleGAN(config, f"tiny-mobile-{seed}").eval().requires_grad_(False)
    for name, tensor in generator.state_dict().items():
        style = "affine" in name or name.startswith("enlargements")
        if name.endswith(("bias", "noise")):
            gain = 0.1
        elif style or name.startswith("mapping"):
            gain = 16**-0.5
        else:
            gain = MOBILE_GAINS.get(name, 1.0)
        tensor.copy_(gain * normal(name, tensor, seed) + (style and name.endswith("bias")))
    return generator


def tiny_stylegan3(seed: int = 0, resolution: int = 32, *, r: bool = False, c_dim: int = 0, **config) -> StyleGAN3:
    """A StyleGAN3 of configuration T or R, in evaluation mode, without gradients; w_mean is that of 256 samples."""
    kind = {"kernel": 1, "radial": True, "channels": (16, 16, 16, 16, 12, 8)} if r else {}
    sizes = {"z_dim": 16, "w_dim": 16, "c_dim": c_dim, "channels": (8, 8, 8, 8, 6, 4), **kind, **config}
    full = StyleGAN3Config(resolution, **sizes)
    generator = StyleGAN3(full, f"tiny-{'r' if r else 't'}-{seed}").eval().requires_grad_(False)
    for name, tensor in generator.state_dict().items():
        last = name.rpartition(".")[2]
        if last in ("transform", "up_filter", "down_filter"):
            continue
        gain = STYLEGAN3_GAINS.get(last, 1.0) / (full.mapping_lr if name.startswith("mapping.fc") else 1.0)
        if name.startswith("synthesis.input.affine"):
            gain *= 0.3  # a turn and a shift of a part of the image
        if name.startswith(generator.rgb_name, 10) and last == "weight" and "affine" not in name:
            gain = 6.0  # images have a spread of 0.2 to 0.5
        numbers = gain * normal(name, tensor, seed)
        if last == "magnitude_ema":
            numbers = 0.5 + numbers.abs()
        elif name == "synthesis.input.affine.bias":
            numbers[0] += 1
        elif name.endswith("affine.bias"):
            numbers += 1
        tensor.copy_(numbers)
    if full.w_mean:
        bound = generator.with_label(0) if c_dim else generator
        z = torch.from_numpy(np.random.RandomState(seed).standard_normal((256, 1, full.z_dim))).float()
        generator.mapping.w_avg.copy_(bound.map(z).mean((0, 1)))
    return generator


def normal(name: str, like: torch.Tensor, seed: int) -> torch.Tensor:
    """Normal numbers of the same shape that depend on a name and the seed alone."""
    numbers = np.random.RandomState(zlib.crc32(name.encode()) ^ seed).standard_normal(tuple(like.shape))
    return torch.as_tensor(numbers)


TINY = {
    "skip": tiny_stylegan2,
    "resnet": lambda seed=0: tiny_stylegan2(seed, architecture="resnet"),
    "mobile": tiny_mobile,
    "stylegan3-t": tiny_stylegan3,
    "stylegan3-r": lambda seed=0: tiny_stylegan3(seed, r=True),
}
