"""Samples of a generator whose codes are known: what an encoder learns from, made once and kept in a folder.

What the encoder sees of a picture is kept with it, because its trunk does not learn and would be most of every step.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from zplus.errors import ZplusError
from zplus.execution import Renderer, best_execution
from zplus.files import atomic, make_folder
from zplus.generators import Generator
from zplus.images import to_pixels
from zplus.inversion.encoder import vgg_features
from zplus.perception.lpips import LPIPS, at
from zplus.spaces import make_space
from zplus.training.data import chosen_rows, to_batch
from zplus.training.losses import mix_styles

CHUNK = 200  # pictures in a file; a killed run makes at most one anew
ROWS = 4  # rendered at once
MIXED = 0.5  # the part that has two codes, so that layers are learnt apart


class Sample(NamedTuple):
    """Pictures in [-1, 1], what an encoder sees of them, and their codes in W+."""

    pictures: Float[Tensor, "n 3 s s"]
    seen: Float[Tensor, "n c g g"]
    codes: Float[Tensor, "n l w"]


@dataclass(frozen=True)
class Pairs:
    """Pictures and the codes that made them: `count` samples of the prior of a generator, half of them of two codes."""

    generator: Generator
    folder: Path
    count: int
    side: int
    seed: int

    def path(self, kind: str, chunk: int) -> Path:
        """Where the "pictures" of a chunk, or what is "seen" of them, are kept, named by all that decides on them."""
        return self.folder / f"{self.generator.fingerprint[:12]}-{self.side}px-{self.seed}-{chunk:04}-{kind}.npy"

    @property
    def chunks(self) -> int:
        """How many files of a kind there are."""
        if self.count < 2 * CHUNK or self.count % CHUNK:
            raise ZplusError(f"{self.count} pairs were asked for: take a multiple of {CHUNK}, twice that at least.")
        return self.count // CHUNK

    @torch.no_grad()
    def codes(self, chunk: int) -> Float[Tensor, "n l w"]:
        """The codes of a chunk in W+, drawn on the CPU so that a seed means the same everywhere."""
        random = torch.Generator().manual_seed(int(np.random.SeedSequence([self.seed, chunk]).generate_state(1)[0]))
        z = torch.randn(CHUNK, 2, self.generator.z_dim, generator=random)
        w = self.generator.map(z.to(self.generator.device))
        return mix_styles(w.cpu(), self.generator.num_codes, MIXED, random).to(w)

    def make(
        self, lpips: LPIPS, tick: Callable[[int], None] = lambda done: None, rank: int = 0, processes: int = 1
    ) -> None:
        """Render, and look at, what is not yet in the folder; each of several processes makes its share."""
        make_folder(self.folder)
        execution = best_execution(self.generator)
        space = make_space("f/w+", self.generator, self.generator.layers[0].name)
        render = Renderer(space, execution)
        look = execution.compile(partial(vgg_features, lpips))

        def picture(rows: Tensor) -> np.ndarray:
            return np.stack([to_pixels(x) for x in at(render(space.inputs(rows), None), self.side)])

        for chunk in range(rank, self.chunks, processes):

            def count(rows: int, part: float, chunk: int = chunk) -> None:
                tick(chunk * CHUNK + int(part * rows))

            with torch.inference_mode(), execution.autocast(self.generator.device):
                pixels = self._kept("pictures", chunk, picture, self.codes(chunk), lambda rows: count(rows, 0.5))
                images = to_batch(np.array(pixels)).to(self.generator.device)
                self._kept("seen", chunk, lambda x: look(x).half().cpu().numpy(), images, lambda rows: count(rows, 1.0))
            tick((chunk + 1) * CHUNK)

    def _kept(
        self,
        kind: str,
        chunk: int,
        make: Callable[[Tensor], np.ndarray],
        inputs: Tensor,
        tick: Callable[[int], None],
    ) -> np.ndarray:
        """A chunk from its file, or made from its inputs, a few rows at a time, and written."""
        path = self.path(kind, chunk)
        if not path.exists():
            parts = []
            for rows in inputs.split(ROWS):
                parts.append(make(rows))
                tick(ROWS * len(parts))
            with atomic(path) as temporary:
                np.save(temporary, np.concatenate(parts))
        return np.load(path, mmap_mode="r")

    @cached_property
    def _files(self) -> tuple[list[np.ndarray], list[np.ndarray], Tensor]:
        pictures, seen = (
            [np.load(self.path(kind, chunk), mmap_mode="r") for chunk in range(self.chunks)]
            for kind in ("pictures", "seen")
        )
        return pictures, seen, torch.cat([self.codes(chunk) for chunk in range(self.chunks)])

    def batch(self, step: int, size: int, held_out: int) -> Sample:
        """The pairs of a step: every epoch shows each but the last `held_out` once, in an order of its own."""
        return self.rows(chosen_rows(self.seed, step, size, self.count - held_out))

    def rows(self, rows: list[int]) -> Sample:
        """Some of the pairs."""
        pictures, seen, codes = self._files
        pixels, features = (np.stack([x[i // CHUNK][i % CHUNK] for i in rows]) for x in (pictures, seen))
        device = self.generator.device
        return Sample(to_batch(pixels).to(device), torch.from_numpy(features).to(device).float(), codes[rows])
