"""How long the parts of editing a photo take on this machine: the bench "speed"."""

import time
from collections.abc import Callable, Iterator
from functools import cached_property, partial

import torch

from zplus.benchmark.rows import Row
from zplus.benchmark.run import Trial
from zplus.direction import Direction
from zplus.editing import Editor
from zplus.execution import best_execution
from zplus.generators import Generator
from zplus.inversion import invert
from zplus.latent import Latent
from zplus.spaces import make_space, render

STEPS = 10  # of an inversion whose pace is told


class SpeedBench:
    """Times on a sample of the generator in F/Z+; what compiles did so before. Repeats go round, part after part."""

    def __init__(self, generator: Generator, direction: Direction, repeats: int = 5):
        self.generator, self.direction, self.repeats = generator, direction, repeats
        self.execution = best_execution(generator)

    def trials(self) -> Iterator[Trial]:
        """One for each repeat."""
        for repeat in range(self.repeats):
            yield Trial(f"repeat {repeat}", partial(self._rows, repeat))

    def _rows(self, repeat: int) -> Iterator[Row]:
        editor = Editor(self.generator, self._latent, self.execution)
        parts: dict[str, Callable[[], object]] = {
            "picture, eager in fp32": lambda: render(self.generator, self._latent),
            "picture, as the editor renders it": lambda: editor.image(self._latent),
            "first edit of a direction, with its picture": lambda: editor.image(editor.edit({self.direction: 1.0})),
            "further strength, with its picture": lambda: editor.image(editor.edit({self.direction: 0.7})),
            f"{STEPS} steps of inversion": lambda: self._inverted(STEPS),
        }
        editor.image(self._latent)
        for what, work in parts.items():
            began = self._now()
            work()
            yield {"table": "speed", "what": what, "repeat": repeat, "seconds": self._now() - began}

    def _now(self) -> float:
        """Seconds, once all that was asked of the device is done."""
        if self.generator.device.type == "cuda":
            torch.cuda.synchronize(self.generator.device)
        return time.perf_counter()

    @cached_property
    def _latent(self) -> Latent:
        return self._inverted(STEPS)

    def _inverted(self, steps: int) -> Latent:
        space = make_space("z", self.generator)
        with torch.inference_mode():
            image = self.generator.synthesize(space.decode(space.sample(1))).clamp(-1, 1)
        return invert(self.generator, image.clone(), "f/z+", steps=steps, execution=self.execution)
