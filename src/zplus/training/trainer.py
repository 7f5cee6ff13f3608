"""One step of a StyleGAN2's training (Karras et al. 2020, arXiv 1912.04958): the networks and how they learn.

All that is random is a function of the seed, the step and the process.
"""

import copy
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.optim import Adam

from zplus.errors import ZplusError
from zplus.generators.contract import Generator, SynthesisInputs
from zplus.generators.stylegan2 import StyleGAN2, StyleGAN2Config
from zplus.training.augment import augment
from zplus.training.data import to_batch
from zplus.training.discriminator import Discriminator
from zplus.training.loop import descend
from zplus.training.losses import PathLength, discriminator_loss, generator_loss, mix_styles, r1_penalty
from zplus.training.publish import ACROSS, publish
from zplus.training.settings import TrainSettings

R1_EVERY, PATH_EVERY = 16, 8  # steps between lazy regularisations, as in the paper (appendix B)


class Trainer:
    """The networks, their optimisers, and one step of learning."""

    def __init__(self, settings: TrainSettings, accelerator: Accelerator, name: str = "StyleGAN2"):
        self.settings, self.accelerator = settings, accelerator
        self.rows = settings.batch // accelerator.num_processes  # of this process
        channels, z_dim = settings.channels, settings.z_dim
        config = StyleGAN2Config(settings.resolution, z_dim, z_dim, 0, settings.mapping_layers, channels=channels)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(settings.seed)
            generator, discriminator = StyleGAN2(config, name), Discriminator(channels)
        self.generator, self.discriminator = self._placed(generator), self._placed(discriminator)
        self.average = copy.deepcopy(self.generator).eval().requires_grad_(False)
        self.path_length = PathLength().to(accelerator.device)
        self.networks: dict[str, nn.Module] = {
            "generator": self.generator,
            "discriminator": self.discriminator,
            "average": self.average,
            "path_length": self.path_length,
        }
        self.optimizers = {
            "generator": self._optimizer(self.generator, PATH_EVERY if settings.path_length else None),
            "discriminator": self._optimizer(self.discriminator, R1_EVERY),
        }

    def begin_with(self, generator: Generator, discriminator: Discriminator) -> None:
        """Take over the networks of another run, of the same sizes; the optimisers begin anew. Raises ZplusError."""
        same = generator.config == self.generator.config and discriminator.channels == self.discriminator.channels
        if not same:
            raise ZplusError(
                f"{generator.name} has other sizes than this run: set its resolution, channels, z and mapping."
            )
        for network in (self.generator, self.average):
            network.load_state_dict(generator.state_dict())
        self.discriminator.load_state_dict(discriminator.state_dict())

    def step(self, pixels: np.ndarray, step: int) -> dict[str, Tensor]:
        """Learn from the rows of this process, uint8 [N,R,R,3]; what was measured, by name."""
        settings, random = self.settings, self.stream(1, step, self.accelerator.process_index)
        real = to_batch(pixels).to(self.accelerator.device)
        if settings.flip:
            flipped = torch.rand(len(real), 1, 1, 1, device=real.device, generator=random) < 0.5
            real = torch.where(flipped, real.flip(3), real)
        images, w = self._draw(random)
        figures = self._improve_generator(images, random)
        figures |= self._improve_discriminator(images.detach(), real, random)  # the same pictures: a twelfth is saved
        self.generator.mapping.w_avg.lerp_(self._mean(w[:, 0].detach().mean(0)), 0.005)
        if settings.path_length and step % PATH_EVERY == 0:
            figures |= self._regularise_generator(random)
        if step % R1_EVERY == 0:
            figures |= self._regularise_discriminator(real, random)
        self._follow((step + 1) * settings.batch)
        return figures

    def publish(self, folder: Path, lines: list[dict[str, Any]]) -> None:
        """Write the networks and samples."""
        z = torch.randn(ACROSS**2, 1, self.settings.z_dim, device=self.accelerator.device, generator=self.stream(0))
        publish(folder, self.average, self.discriminator, z, lines)

    def stream(self, *key: int) -> torch.Generator:
        """Random numbers that depend on the seed and the key alone, on the networks' device."""
        state = np.random.SeedSequence([self.settings.seed, *key]).generate_state(1, np.uint64)
        return torch.Generator(self.accelerator.device).manual_seed(int(state[0] >> 1))

    def _placed(self, network: Any) -> Any:
        return network.to(self.accelerator.device).to(memory_format=torch.channels_last)

    def _optimizer(self, network: nn.Module, every: int | None) -> Adam:
        """Adam, slowed by what lazy regularisation adds to its steps (appendix B of the paper)."""
        share = every / (every + 1) if every else 1.0
        return Adam(network.parameters(), self.settings.learning_rate * share, (0.0, 0.99**share), eps=1e-8)

    def _improve_generator(self, images: Tensor, random: torch.Generator) -> dict[str, Tensor]:
        self.discriminator.requires_grad_(False)
        loss = generator_loss(self._score(images, random))
        self._descend("generator", loss)
        return {"generator_loss": loss.detach()}

    def _improve_discriminator(self, fake: Tensor, real: Tensor, random: torch.Generator) -> dict[str, Tensor]:
        self.discriminator.requires_grad_(True)
        low, high = self._score(fake, random), self._score(real, random)
        loss = discriminator_loss(high, low)
        self._descend("discriminator", loss)
        found = {"discriminator_loss": loss, "real_score": high.mean(), "fake_score": low.mean()}
        return {name: x.detach() for name, x in found.items()}

    def _regularise_discriminator(self, real: Tensor, random: torch.Generator) -> dict[str, Tensor]:
        """R1 at what the discriminator sees of the data, which is augmented."""
        penalty = r1_penalty(self._judge, self._changed(real, random))
        self._descend("discriminator", penalty * (self.settings.gamma / 2 * R1_EVERY))
        return {"r1": penalty.detach()}

    def _regularise_generator(self, random: torch.Generator) -> dict[str, Tensor]:
        images, w = self._draw(random)
        penalty = self.path_length(images, w, random, self._mean)
        self._descend("generator", penalty * (self.settings.path_length * PATH_EVERY))
        return {"path_length": penalty.detach()}

    def _draw(self, random: torch.Generator) -> tuple[Tensor, Tensor]:
        """Pictures [N,3,R,R] under mixed styles and fresh noise, and their w [N,L,w]."""
        generator, device = self.generator, self.accelerator.device
        z = torch.randn(self.rows, 2, self.settings.z_dim, device=device, generator=random)
        w = mix_styles(generator.map(z), generator.num_codes, self.settings.mixing, random)
        with self.accelerator.autocast():
            images = generator.synthesize(
                SynthesisInputs(generator.styles(w), fresh_noise(generator, self.rows, random))
            )
        return images.float(), w

    def _score(self, images: Tensor, random: torch.Generator) -> Tensor:
        return self._judge(self._changed(images, random))

    def _changed(self, images: Tensor, random: torch.Generator) -> Tensor:
        return augment(images, random) if self.settings.augment else images

    def _judge(self, images: Tensor) -> Tensor:
        with self.accelerator.autocast():
            return self.discriminator(images).float()

    def _mean(self, x: Tensor) -> Tensor:
        """The mean over all processes: what they keep must not differ, since one of them writes the snapshot."""
        return self.accelerator.reduce(x, "mean")

    def _descend(self, name: str, loss: Tensor) -> None:
        descend(self.accelerator, self.optimizers[name], loss)

    @torch.no_grad()
    def _follow(self, seen: int) -> None:
        """Move the averaged generator, which is the one that is kept, after `seen` pictures."""
        half_life = min(self.settings.ema_kimg * 1000, seen * self.settings.ema_rampup)
        change = 1 - 0.5 ** (self.settings.batch / half_life)
        for mean, new in zip(self.average.parameters(), self.generator.parameters(), strict=True):
            mean.lerp_(new, change)
        for mean, new in zip(self.average.buffers(), self.generator.buffers(), strict=True):
            mean.copy_(new)


def fresh_noise(generator: StyleGAN2, n: int, random: torch.Generator) -> tuple[Tensor, ...]:
    """Noise [N,1,r,r] of each convolution, other for every row, times the strength that is learnt."""
    convolutions: list[Any] = [generator.synthesis.get_submodule(name) for name in generator.conv_names]
    return tuple(
        torch.randn(n, 1, *x.noise_const.shape, device=random.device, generator=random) * x.noise_strength
        for x in convolutions
    )
