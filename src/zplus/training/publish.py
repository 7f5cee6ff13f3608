"""What a generator's training shows at each snapshot: its networks and a sheet of samples."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from zplus.generators import Generator, SynthesisInputs, save_generator
from zplus.images import to_pixels, write_image
from zplus.training.discriminator import Discriminator, save_discriminator
from zplus.training.log import to_tensorboard

ACROSS = 8  # samples in a row and in a column


def publish(
    folder: Path, average: Generator, discriminator: Discriminator, z: Tensor, lines: Sequence[Mapping[str, Any]]
) -> None:
    """Write the averaged generator, the discriminator and samples of codes z [N,1,z_dim] into a folder that exists."""
    save_generator(average, folder / "generator.safetensors")
    save_discriminator(discriminator, folder / "discriminator.safetensors")
    sheet = sample_sheet(average, z)
    kimg = lines[-1]["kimg"]
    for name in ("samples.png", f"samples-{math.floor(kimg):06d}.png"):
        write_image(folder / name, sheet, f"sampled from {average.name} after {kimg:g} kimg")
    to_tensorboard(folder, lines[-1], sheet)


@torch.inference_mode()
def sample_sheet(generator: Generator, z: Tensor) -> UInt8[np.ndarray, "h w 3"]:
    """The pictures of codes [N,1,z_dim] without truncation, side by side, in rows of 8."""
    images = []
    for row in z.split(ACROSS):
        w = generator.map(row).expand(-1, generator.num_codes, -1)
        images.append(torch.cat(list(generator.synthesize(SynthesisInputs(generator.styles(w)))), dim=2))  # [3, R, 8 R]
    return to_pixels(torch.cat(images, dim=1))
