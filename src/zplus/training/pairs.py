"""Samples of a generator whose codes are known: what an encoder learns from, made once and kept in a folder."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from zplus.errors import ZplusError
from zplus.files import atomic
from zplus.generators import Generator
from zplus.images import to_pixels
from zplus.inversion.execution import best_execution, make_synthesis
from zplus.perception.lpips import at
from zplus.spaces import make_space
from zplus.training.data import chosen_rows
from zplus.training.losses import mix_styles

CHUNK = 200  # pictures in a file; a killed run makes at most one anew
ROWS = 4  # rendered at once
MIXED = 0.5  # the part that has two codes, so that layers are learnt apart


@dataclass(frozen=True)
class Pairs:
    """Pictures and the codes that made them: `count` samples of the prior of a generator."""

    generator: Generator
    folder: Path
    count: int
    side: int
    seed: int

    def path(self, chunk: int) -> Path:
        """Where a chunk of pictures is kept, named by all that decides what it holds."""
        name = f"{self.generator.fingerprint[:12]}-{self.side}px-{self.seed}-{chunk:04}.npy"
        return self.folder / name

    @torch.no_grad()
    def codes(self, chunk: int) -> Float[Tensor, "n l w"]:
        """The codes of a chunk in W+, drawn on the CPU so that a seed means the same everywhere."""
        random = torch.Generator().manual_seed(int(np.random.SeedSequence([self.seed, chunk]).generate_state(1)[0]))
        z = torch.randn(CHUNK, 2, self.generator.z_dim, generator=random)
        w = self.generator.map(z.to(self.generator.device))
        return mix_styles(w.cpu(), self.generator.num_codes, MIXED, random).to(w)

    def make(self, tick: Callable[[int], None] = lambda done: None) -> None:
        """Render what is not yet in the folder."""
        self.folder.mkdir(parents=True, exist_ok=True)
        execution, space = best_execution(self.generator.device), make_space("w+", self.generator)
        synthesis = make_synthesis(self.generator, 0, space.noise, execution, gradients=False)
        for chunk in range(self.chunks):
            if not self.path(chunk).exists():
                parts = []
                for code in self.codes(chunk).split(ROWS):
                    with torch.inference_mode(), execution.autocast(code.device):
                        signals = space.signals(code)
                        image = synthesis(signals.styles, *self.generator.head(signals, 0)).float()
                    parts += [to_pixels(x) for x in at(image, self.side)]
                    tick(chunk * CHUNK + len(parts))
                with atomic(self.path(chunk)) as temporary:
                    np.save(temporary, np.stack(parts))
            tick((chunk + 1) * CHUNK)

    @property
    def chunks(self) -> int:
        """How many files there are."""
        if self.count < 2 * CHUNK or self.count % CHUNK:
            raise ZplusError(f"{self.count} pairs were asked for: take a multiple of {CHUNK}, twice that at least.")
        return self.count // CHUNK

    @cached_property
    def _known(self) -> tuple[list[np.ndarray], Tensor]:
        pictures = [np.load(self.path(chunk), mmap_mode="r") for chunk in range(self.chunks)]
        return pictures, torch.cat([self.codes(chunk) for chunk in range(self.chunks)])

    def batch(self, step: int, size: int, held_out: int) -> tuple[UInt8[np.ndarray, "n s s 3"], Float[Tensor, "n l w"]]:
        """The pictures and codes of a step: every epoch shows each pair but the last ones once, in its own order."""
        return self.rows(chosen_rows(self.seed, step, size, self.count - held_out))

    def rows(self, rows: list[int]) -> tuple[UInt8[np.ndarray, "n s s 3"], Float[Tensor, "n l w"]]:
        """Some of the pairs."""
        pictures, codes = self._known
        return np.stack([pictures[i // CHUNK][i % CHUNK] for i in rows]), codes[rows]
