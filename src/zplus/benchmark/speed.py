"""How long the parts of editing a photo take on this machine: the bench "speed"."""

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial

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
    """Times of a latent in F/Z+, by default of a sample of the generator. Repeats go round, part after part.

    What compiles has done so before. Edits follow the first direction, and the first two together.
    """

    def __init__(
        self, generator: Generator, directions: Sequence[Direction], repeats: int = 5, latent: Latent | None = None
    ):
        self.generator, self.directions, self.repeats = generator, directions, repeats
        self.execution = best_execution(generator)
        self.latent = latent or self._inverted(STEPS)

    def trials(self) -> Iterator[Trial]:
        """One for each repeat."""
        for repeat in range(self.repeats):
            yield Trial(f"repeat {repeat}", partial(self._rows, repeat))

    def _rows(self, repeat: int) -> Iterator[Row]:
        editor = Editor(self.generator, self.latent, self.execution)
        first, both = self.directions[0], self.directions[:2]

        def shown(*directions: Direction, strength: float = 1.0) -> object:
            return editor.image(editor.edit(dict.fromkeys(directions, strength)))

        def timed(what: str, work: Callable[[], object]) -> Row:
            began = self._now()
            work()
            return {"table": "speed", "what": what, "repeat": repeat, "seconds": self._now() - began}

        editor.image(self.latent)
        yield timed("picture, eager in fp32", lambda: render(self.generator, self.latent))
        yield timed("first edit of a direction, with its picture", lambda: shown(first))
        yield timed("further strength, with its picture", lambda: shown(first, strength=0.7))
        yield timed("two directions at once, with their picture", lambda: shown(*both, strength=0.6))
        edited = editor.edit({first: 0.5})
        yield timed("picture, as the editor renders it", lambda: editor.image(edited))
        yield timed(f"{STEPS} steps of inversion", lambda: self._inverted(STEPS))

    def _now(self) -> float:
        """Seconds, once all that was asked of the device is done."""
        if self.generator.device.type == "cuda":
            torch.cuda.synchronize(self.generator.device)
        return time.perf_counter()

    def _inverted(self, steps: int) -> Latent:
        space = make_space("z", self.generator)
        with torch.inference_mode():
            image = self.generator.synthesize(space.decode(space.sample(1))).clamp(-1, 1)
        return invert(self.generator, image.clone(), "f/z+", steps=steps, execution=self.execution)
