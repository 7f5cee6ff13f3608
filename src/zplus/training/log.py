"""The log of a training run: a line of means at each snapshot, as JSON and for TensorBoard."""

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from zplus.files import atomic, make_folder


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

    def write(self, folder: Path) -> None:
        """Write log.jsonl."""
        with atomic(folder / "log.jsonl") as temporary:
            temporary.write_text("".join(json.dumps(line) + "\n" for line in self.lines), encoding="utf-8")


def to_tensorboard(folder: Path, line: Mapping[str, Any], sheet: np.ndarray) -> None:
    """Show a line and the samples in TensorBoard, where that is installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter  # noqa: PLC0415  (an extra)
    except ImportError:
        return
    step = round(line["kimg"] * 1000)
    make_folder(folder / "tensorboard")
    with SummaryWriter(folder / "tensorboard") as writer:
        for name, value in line.items():
            writer.add_scalar(name, value, step)
        writer.add_image("samples", sheet, step, dataformats="HWC")
