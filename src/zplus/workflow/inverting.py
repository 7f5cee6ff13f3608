"""Invert and judge: a generator and the networks that inversion needs, loaded once for many photos."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from zplus.errors import UnknownNameError, is_out_of_memory
from zplus.execution import COMPILING, Execution, best_execution
from zplus.faces.align import Aligned
from zplus.generators import Generator, load_generator, statistics
from zplus.generators.transform import read_transform
from zplus.inversion import Progress, Settings, invert, preset
from zplus.inversion.encoder import encoder_of, load_encoder
from zplus.inversion.methods import chosen_method, shared_lpips
from zplus.latent import Decoding, Latent, load_latent
from zplus.perception.identity import Identity
from zplus.perception.quality import measure_quality
from zplus.spaces import make_space, render
from zplus.workflow.callbacks import SILENT, Callbacks, collecting, python_warnings
from zplus.workflow.judging import face_doubts, latent_doubts, load_identity
from zplus.workflow.options import InvertOptions

INITS = ("encoder", "common", "random", "mean")  # where a code begins when no latent is given


class Inverter:
    """Inverts photos with a generator that is loaded already; `load_inverter` loads one.

    Args:
        generator: The generator.
        options: How photos are inverted. The model, device, label and transform of the options are not used.
        execution: How the networks run; None chooses what suits that many photos.
        photos: The number of photos.

    Attributes:
        identity: The network that judges faces; None does not judge them.
        warnings: Warnings that concern all photos.

    Raises:
        ZplusError: The options are invalid for the generator.
    """

    def __init__(
        self, generator: Generator, options: InvertOptions, execution: Execution | None = None, photos: int = 1
    ):
        self.generator, self.options = generator, options
        self.start, self.init = _start(options.start)
        make_space(options.space, generator, options.layer, Decoding(options.psi))
        self.encoder = load_encoder(options.encoder, generator) if options.encoder else encoder_of(generator)
        self.execution = execution or best_execution(generator, photos * self.settings.all_steps)
        self.identity: Identity | None = None
        self.warnings: list[str] = []

    @property
    def settings(self) -> Settings:
        """Those of the method that is used."""
        method = chosen_method(self.options.method, self.encoder, self.start or self.init)
        return preset(method, steps=self.options.steps, init=self.init)

    def invert(self, aligned: Aligned, callbacks: Callbacks = SILENT, title: str = "Inverting") -> Latent:
        """Invert a crop. `callbacks.step` is called with every step and may stop the inversion."""
        return next(self.invert_all([aligned], 1, callbacks, title))

    def invert_all(
        self, crops: Sequence[Aligned], size: int, callbacks: Callbacks = SILENT, title: str = "Inverting"
    ) -> Iterator[Latent]:
        """Invert crops at once. `callbacks.step` is called with every step and may stop the inversion.

        Args:
            crops: 1 to `size` crops.
            size: The number of rows that are computed; the last crop is repeated. At one size the bytes of a latent do
                not depend on the other rows, whatever they are.
            callbacks: See `Callbacks`.
            title: The title of the stage.
        """
        options = self.options
        images = torch.cat([crops[min(i, len(crops) - 1)].image for i in range(size)])
        with callbacks.stage(title, self.settings.all_steps) as tick, python_warnings(callbacks):

            def step(progress: Progress) -> bool:
                tick(progress.step, f"loss {progress.loss.mean():.4f}")
                return callbacks.step(progress)

            latent = invert(
                self.generator,
                images,
                options.space,
                options.method,
                options.layer,
                options.psi,
                self.start,
                step,
                self.execution,
                self.encoder,
                steps=options.steps,
                seed=options.seed,
                init=self.init,
            )
        seconds = [latent.figures["seconds"][0] * size / len(crops)] * size
        latent = replace(latent, figures=latent.figures | {"seconds": seconds})
        return (latent[i] for i in range(len(crops)))

    def judge(self, latent: Latent, aligned: Aligned, callbacks: Callbacks = SILENT) -> tuple[Tensor, dict[str, Any]]:
        """Measure a reconstruction; doubts about it go to `callbacks.warn`.

        Returns:
            The reconstruction [1, 3, R, R] in [-1, 1], and its figures by the keys of `zplus invert --json`.
        """
        with callbacks.stage("Measuring", None):
            image = render(self.generator, latent).cpu()
            quality = measure_quality(image, aligned.image, self.identity)
            doubts = latent_doubts(latent)
            if self.identity is not None:
                doubts += face_doubts(self.generator, aligned, self.identity, quality["identity_distance"])
        for line in doubts:
            callbacks.warn(line)
        steps, seconds = latent.figures["steps"][0], latent.figures.get("seconds", [0.0])[0]  # none from a file
        facts = {"space": latent.space, "model": latent.generator, "method": self.options.method, "steps": steps}
        facts |= {"seconds": round(seconds, 3), "seconds_per_step": round(seconds / max(1, steps), 4)}
        return image, facts | quality


def load_inverter(options: InvertOptions, callbacks: Callbacks = SILENT, photos: int = 1) -> Inverter:
    """Load a generator and the networks that invert and judge photos.

    Args:
        options: How photos are inverted.
        callbacks: See `Callbacks`.
        photos: The number of photos that will be inverted.

    Raises:
        ZplusError: The options are invalid, or the model is not on this machine.
    """
    preset(options.method), _start(options.start)
    transform = options.transform and read_transform(options.transform)
    callbacks, warnings = collecting(callbacks)
    with callbacks.stage("Loading the networks", None):
        generator = load_generator(options.model, options.device, options.label)
        generator = generator if transform is None else generator.with_transform(transform)
        with python_warnings(callbacks):
            inverter = Inverter(generator, options, photos=photos)
        inverter.identity = load_identity(callbacks)
        statistics(generator)  # computed the first time
        shared_lpips(generator.device)  # converted the first time
    inverter.warnings = warnings
    if inverter.execution.compiled and not inverter.execution.is_ready(generator):
        callbacks.say(f"Compiling for this machine, once: {COMPILING}, in which the first photo seems to stand still.")
    return inverter


def halved(size: int, error: Exception, callbacks: Callbacks) -> int:
    """Half the size of a batch for which memory ran out. Raises the error if it is another, or the size is 1."""
    if not is_out_of_memory(error) or size == 1:
        raise error
    callbacks.say(f"The memory does not suffice for {size} photos at once: now {size // 2}.")
    return size // 2


def _start(start: str | None) -> tuple[Latent | None, str | None]:
    """A latent to go on from, or the name of a way to begin."""
    if start is None or start in INITS:
        return None, start
    if not start.endswith(".safetensors"):
        raise UnknownNameError("start", start, INITS)
    return load_latent(start), None
