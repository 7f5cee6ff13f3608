"""One small generator for all tests: the same weights everywhere, from numpy's frozen random streams."""

import zlib

import numpy as np
import torch

from zplus.generators.stylegan2 import StyleGAN2, StyleGAN2Config

GAINS = {"torgb.weight": 0.4, "bias": 0.1, "noise_strength": 0.1}  # images of the skip kind have a spread of 0.5


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
            values = np.random.RandomState(zlib.crc32(name.encode()) ^ seed).standard_normal(tuple(tensor.shape))
            gain = next((gain for end, gain in GAINS.items() if name.endswith(end)), 1.0)
            if name.startswith("mapping.fc"):
                gain /= generator.config.mapping_lr
            tensor.copy_(torch.as_tensor(values * gain) + name.endswith("affine.bias"))
