"""What a training run shows at each snapshot: its networks, a sheet of samples, and a log."""

import json
import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from zplus.files import atomic
from zplus.generators import Signals, save_generator
from zplus.generators.stylegan2 import StyleGAN2
from zplus.images import to_pixels, write_image
from zplus.training.discriminator import save_discriminator
from zplus.training.trainer import Trainer

ACROSS = 8  # samples in a row and in a column


class Log:
    """The lines of log.jsonl, and the means of what was measured since the last of them."""

    def __init__(self, lines: Sequence[Mapping[str, Any]] = ()):
        self.lines = [dict(line) for line in lines]
        self._begin()

    def _begin(self) -> None:
        self.images, self.began = 0, time.monotonic()
        self.measured: dict[str, list[Tensor]] = {}

    def add(self, figures: Mapping[str, Tensor], images: int) -> None:
        """Note the figures of a step, which may be on any device: they are read when the line is closed."""
        self.images += images
        for name, figure in figures.items():
            self.measured.setdefault(name, []).append(figure)

    @property
    def minutes(self) -> float:
        """Since the last line."""
        return (time.monotonic() - self.began) / 60

    @property
    def speed(self) -> str:
        """For a person."""
        return f"{self.images / (60 * self.minutes + 1e-9):.1f} images/s"

    def close(self, kimg: float) -> None:
        """Add a line: thousands of pictures seen, seconds in all, and means."""
        seconds = 60 * self.minutes
        before = self.lines[-1]["seconds"] if self.lines else 0.0
        line = {"kimg": kimg, "seconds": round(before + seconds, 1), "images_per_second": self.images / seconds}
        means = {name: float(torch.stack(found).mean()) for name, found in self.measured.items()}
        self.lines.append(line | means)
        self._begin()


def publish(folder: Path, trainer: Trainer, lines: Sequence[Mapping[str, Any]]) -> None:
    """Write the averaged generator, the discriminator, samples and the log into a folder that exists."""
    save_generator(trainer.average, folder / "generator.safetensors")
    save_discriminator(trainer.discriminator, folder / "discriminator.safetensors")
    z = torch.randn(ACROSS**2, 1, trainer.average.z_dim, device=trainer.average.device, generator=trainer.stream(0))
    sheet = sample_sheet(trainer.average, z)
    kimg = lines[-1]["kimg"]
    for name in ("samples.png", f"samples-{math.floor(kimg):06d}.png"):
        write_image(folder / name, sheet, f"sampled from {trainer.average.name} after {kimg:g} kimg")
    with atomic(folder / "log.jsonl") as temporary:
        temporary.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    _to_tensorboard(folder, lines[-1], sheet)


@torch.inference_mode()
def sample_sheet(generator: StyleGAN2, z: Tensor) -> UInt8[np.ndarray, "h w 3"]:
    """The pictures of codes [N,1,z_dim] without truncation, side by side, in rows of 8."""
    images = []
    for row in z.split(ACROSS):
        w = generator.map(row).expand(-1, generator.num_codes, -1)
        images.append(torch.cat(list(generator.synthesize(Signals(generator.styles(w)))), dim=2))  # [3, R, 8 R]
    return to_pixels(torch.cat(images, dim=1))


def _to_tensorboard(folder: Path, line: Mapping[str, Any], sheet: np.ndarray) -> None:
    try:
        from torch.utils.tensorboard import SummaryWriter  # noqa: PLC0415  (an extra)
    except ImportError:
        return
    step = round(line["kimg"] * 1000)
    with SummaryWriter(folder / "tensorboard") as writer:
        for name, value in line.items():
            writer.add_scalar(name, value, step)
        writer.add_image("samples", sheet, step, dataformats="HWC")
