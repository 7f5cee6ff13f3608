"""Training of an encoder: pairs of pictures and known codes, and real photos where there are some.

What is learnt at each step (weights in EncoderSettings): the styles of the known codes, in standard deviations; the
known F; pictures like what was shown, each of the forms in turn; codes that a critic cannot tell from the prior's, and
small offsets (Tov et al. 2021, arXiv 2102.02766, sections 4.1 and 4.2; those of the z+ form act in z).
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.optim import Adam

from zplus.archives import require
from zplus.errors import ZplusError
from zplus.execution import Renderer, best_execution
from zplus.faces.detector import FaceDetector
from zplus.faces.weights import FACE_MODELS, dlib
from zplus.generators import Generator, State
from zplus.generators.memory import keep_freed_memory
from zplus.images import to_pixels, write_image
from zplus.inversion.encoder import Encoder, EncoderConfig, save_encoder, vgg_features
from zplus.inversion.minimizer import schedule
from zplus.perception.differentiable import Unlikeness
from zplus.perception.lpips import LPIPS, at
from zplus.spaces import make_space
from zplus.training.data import Pictures, to_batch
from zplus.training.log import to_tensorboard
from zplus.training.loop import Report, check_shared, descend, run
from zplus.training.losses import discriminator_loss, generator_loss, r1_penalty
from zplus.training.pairs import CHUNK, Pairs, Sample
from zplus.training.stream import StreamedPictures, batches

SHOWN = 8  # held-out pairs on the sheet; their LPIPS is in the log
R1_EVERY, R1_WEIGHT = 16, 10.0  # of the critics, as in e4e

Stage = Callable[[str, int], AbstractContextManager[Report]]


@dataclass(frozen=True)
class EncoderSettings:
    """How an encoder learns; the last chunk of the pairs is held out."""

    pairs: int = 4000
    steps: int = 3000
    batch: int = 8
    learning_rate: float = 5e-4
    styles: float = 1.0  # weight of the known codes, in variances of the styles
    feature: float = 1.0  # weight of the known F, in its variances
    mse: float = 1.0
    lpips: float = 2.0  # VGG16 at 256 px
    identity: float = 0.0  # weight of the squared distance of face descriptors, where a face is shown
    critic: float = 0.02
    offsets: float = 2e-4  # weight of |offset| summed over the layers, in standard deviations (in w itself in e4e)
    progressive: float = 0.3  # the part of the steps in which the layers get their offsets one after another
    images_from: float = 0.3  # the part of the steps after which pictures are compared
    images: int = 1  # rows of a batch that are rendered and compared: by far the dearest part
    seed: int = 0
    snapshot_minutes: float = 10.0

    def __post_init__(self) -> None:
        if not (self.steps >= 1 and 1 <= self.images <= self.batch and self.learning_rate > 0):
            raise ZplusError("Training an encoder needs a step, a rate, and from 1 row to all of a batch to compare.")


class Batch(NamedTuple):
    """Pairs, and photos [images,3,s,s] whose codes nobody knows."""

    pairs: Sample
    photos: Tensor | None


class EncoderTrainer:
    """The encoder, a critic for each of its forms, and how they learn."""

    def __init__(
        self,
        settings: EncoderSettings,
        generator: Generator,
        config: EncoderConfig,
        lpips: LPIPS,
        accelerator: Accelerator,
        held_out: Sample,
    ):
        self.settings, self.accelerator, self.config = settings, accelerator, config
        self.generator, self.lpips, self.held_out = generator, lpips, held_out
        self.detector = None
        if settings.identity:  # what is missing is noticed now, not when pictures are compared
            dlib()
            self.detector = FaceDetector(require(FACE_MODELS))
        self.images = -(-settings.images // accelerator.num_processes)  # rendered and compared by this process
        self.execution = best_execution(generator)
        self.space = make_space("f/w+", generator, config.layer)
        self.renderer = Renderer(self.space, self.execution)
        self.spaces = {form: make_space(form, generator) for form in config.forms}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(settings.seed)
            self.encoder = Encoder(config, generator.fingerprint).to(generator.device)
            critics = {form: critic(space.dim) for form, space in self.spaces.items()}
        self.critics = {form: network.to(generator.device) for form, network in critics.items()}
        self.origin: dict[str, Any] = {"model": generator.name}  # for the card
        self.networks: dict[str, nn.Module] = {"encoder": self.encoder}
        self.networks |= {f"critic of {form}": network for form, network in self.critics.items()}
        self.optimizers = {name: Adam(x.parameters(), settings.learning_rate) for name, x in self.networks.items()}

    @property
    def outputs(self) -> list[str]:
        """The spaces whose pictures are compared, in turn."""
        forms = list(self.config.forms)
        return [*forms, *(f"f/{form}" for form in forms)] or ["f"]

    @torch.no_grad()
    def measure(self, samples: Iterable[Sample]) -> None:
        """Take over what is known of the prior, and of pictures from some samples."""
        encoder, known = self.encoder, self.space.statistics
        encoder.w_mean.copy_(known.w_mean)
        encoder.w_spread.copy_(make_space("w+", self.generator).std.squeeze())
        rows = [(sample.seen, self.space.head(sample.codes).features) for sample in samples]
        seen, features = (torch.cat(parts) for parts in zip(*rows, strict=True))
        encoder.feature_mean.copy_(features.mean((0, 2, 3), keepdim=True))
        encoder.feature_std.copy_(features.std((0, 2, 3), keepdim=True) + 1e-6)
        pooled = seen.mean((2, 3))
        encoder.seen_mean.copy_(pooled.mean(0))
        encoder.seen_std.copy_(pooled.std(0) + 1e-3)

    def step(self, batch: Batch, step: int) -> dict[str, Tensor]:
        """Learn from a batch; what was measured, by name."""
        settings = self.settings
        for optimizer in self.optimizers.values():
            optimizer.param_groups[0]["lr"] = settings.learning_rate * schedule(step, settings.steps, 0.02, "cosine")
        _, seen, codes = batch.pairs
        done = step / settings.steps
        layers = self.generator.num_codes
        active = layers if done >= settings.progressive else 1 + int(layers * done / settings.progressive)
        figures: dict[str, Tensor] = {}
        loss = torch.zeros((), device=seen.device)
        with self.execution.autocast(seen.device):
            encoded = {form: self.encoder.code_and_offsets(seen, form, active) for form in self.config.forms}
            features = self.encoder.base_code(seen).float()
        encoded = {form: (code.float(), offsets.float()) for form, (code, offsets) in encoded.items()}
        wanted = torch.cat(self.generator.styles(codes), 1)
        for form, (code, offsets) in encoded.items():
            styles = torch.cat(self.generator.styles(self.spaces[form].to_w(code)), 1)
            error = ((styles - wanted) / self.space.statistics.style_std).square().mean()
            length = offsets.norm(dim=2).sum(1).mean()
            fooled = generator_loss(self.critics[form](code.flatten(0, 1)))
            loss = loss + settings.styles * error + settings.offsets * length + settings.critic * fooled
            figures |= {f"styles {form}": error, f"offsets {form}": length}
        error = ((features - self.space.head(codes).features) / self.encoder.feature_std).square().mean()
        loss, figures["feature"] = loss + settings.feature * error, error
        if done >= settings.images_from:
            distance = self._compare(batch, step, encoded, features)
            loss, figures = loss + sum(distance.values()), figures | distance
        descend(self.accelerator, self.optimizers["encoder"], loss)
        for form, (code, _) in encoded.items():
            figures |= self._improve_critic(form, code.detach().flatten(0, 1), step)
        return {name: x.detach() for name, x in figures.items()}

    @torch.no_grad()
    def _see(self, pictures: Tensor) -> Tensor:
        with self.execution.autocast(pictures.device):
            return vgg_features(self.lpips, pictures).float()

    def _compare(
        self, batch: Batch, step: int, encoded: dict[str, tuple[Tensor, Tensor]], features: Tensor
    ) -> dict[str, Tensor]:
        """The weighted distances of the pictures of one form to what was shown: the first rows, or photos in turn."""
        count, output = self.images, self.outputs[step % len(self.outputs)]
        if batch.photos is not None and step // len(self.outputs) % 2:
            shown, seen = batch.photos, self._see(batch.photos)
            w, features = self._encoded_w(output, seen, self.space.mean(count)), self.encoder.base_code(seen)
        else:
            shown, w = batch.pairs.pictures[:count], batch.pairs.codes[:count]
            if encoded:
                form = output.removeprefix("f/")
                w = self.spaces[form].to_w(encoded[form][0][:count])
        image = at(self._render(w, features[:count] if output.startswith("f") else None), self.config.side)
        with self.execution.autocast(image.device):
            perceptual = self.lpips(image, shown).mean()
        distance = {
            f"mse {output}": self.settings.mse * (image - shown).square().mean(),
            f"lpips {output}": self.settings.lpips * perceptual,
        }
        if self.detector is not None:
            distance[f"identity {output}"] = self.settings.identity * Unlikeness(shown, self.detector)(image).mean()
        return distance

    def _encoded_w(self, output: str, seen: Tensor, known: Tensor) -> Tensor:
        """The codes in W+ under which an output is rendered: the encoder's, or known ones where it gives F alone."""
        form = output.removeprefix("f/")
        return self.spaces[form].to_w(self.encoder.code(seen, form)) if self.config.forms else known

    def _render(self, w: Tensor, features: Tensor | None) -> Tensor:
        """The pictures of codes in W+, under F where it is given."""
        inputs = self.space.inputs(w)
        head = self.renderer.head(inputs)
        return self.renderer(inputs, head if features is None else State(features, head.rgb))

    def _improve_critic(self, form: str, fake: Tensor, step: int) -> dict[str, Tensor]:
        """The critic tells the prior's codes from the encoder's."""
        network, settings = self.critics[form], self.settings
        space, seed = self.spaces[form], settings.seed * 1_000_003 + step
        seed = seed * self.accelerator.num_processes + self.accelerator.process_index  # other codes in every process
        real = space.sample(-(-len(fake) // space.shape[0]), seed).flatten(0, 1)[
            : len(fake)
        ]  # on the sphere, like fake
        loss = discriminator_loss(network(real), network(fake))
        if step % R1_EVERY == 0:
            loss = loss + R1_WEIGHT / 2 * R1_EVERY * r1_penalty(network, real)
        descend(self.accelerator, self.optimizers[f"critic of {form}"], loss)
        return {f"critic {form}": loss}

    @torch.inference_mode()
    def publish(self, folder: Path, lines: list[dict[str, Any]]) -> None:
        """Write the encoder, and held-out pairs beside what the encoder makes of them; their LPIPS goes to the log."""
        pictures, seen, codes = self.held_out
        columns, features = [pictures], self.encoder.base_code(seen)
        for output in self.outputs:
            rows = zip(self._encoded_w(output, seen, codes).split(1), features.split(1), strict=True)
            images = [self._render(w, x if output.startswith("f") else None) for w, x in rows]
            columns.append(at(torch.cat(images), self.config.side))
            lines[-1][f"held out {output}"] = float(self.lpips(columns[-1], pictures).mean())
        sheet = np.concatenate([to_pixels(torch.cat(list(column), 2)) for column in columns])
        write_image(folder / "samples.png", sheet, f"encoded for {self.generator.name}")
        steps = round(lines[-1]["kimg"] * 1000 / self.settings.batch)
        self.encoder.card = self.origin | {"pairs": self.settings.pairs, "steps": steps}
        self.encoder.card["seconds"] = lines[-1]["seconds"]
        self.encoder.card |= {name: x for name, x in lines[-1].items() if name.startswith("held out")}
        save_encoder(self.encoder, folder / "encoder.safetensors")
        to_tensorboard(folder, lines[-1], sheet)


def critic(width: int) -> nn.Module:
    """The latent critic of e4e: codes [M,D] to scores [M], four layers."""
    layers: list[nn.Module] = []
    for _ in range(3):
        layers += [nn.Linear(width, width), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers, nn.Linear(width, 1), nn.Flatten(0))


def train_encoder(
    settings: EncoderSettings,
    generator: Generator,
    config: EncoderConfig,
    folder: Path,
    photos: Pictures | StreamedPictures | None = None,
    stage: Stage = lambda title, steps: nullcontext(lambda done, note: None),
    start: Encoder | None = None,
) -> dict[str, Any]:
    """Train an encoder in a folder that exists, going on from its last snapshot; the last line of the log.

    photos: aligned, at the side that the encoder sees. The pairs are made first, in folder/pairs.
    stage: by the title and the number of steps of a stage, a context whose value is told how far it is.
    start: an encoder of the same generator and sizes to begin with; then `progressive` and `images_from` are best 0.
    Raises DivergedError, and ZplusError where `start` has other sizes.
    """
    if start is not None and (start.config != config or start.belongs_to != generator.fingerprint):
        raise ZplusError("The encoder to begin with is one of another generator or of other sizes.")
    keep_freed_memory()
    accelerator = Accelerator(cpu=generator.device.type == "cpu")
    check_shared(settings.batch, accelerator.num_processes)
    if accelerator.num_processes > 1:
        generator = generator.to(accelerator.device)  # each process has a device of its own
    lpips = LPIPS("vgg").to(generator.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    pairs = Pairs(generator, folder / "pairs", settings.pairs, config.side, settings.seed)
    rank, processes = accelerator.process_index, accelerator.num_processes
    with stage("Making pairs", settings.pairs) as told:
        pairs.make(lpips, lambda done: told(done, ""), rank, processes)
    accelerator.wait_for_everyone()
    held_out = pairs.rows(list(range(settings.pairs - SHOWN, settings.pairs)))
    trainer = EncoderTrainer(settings, generator, config, lpips, accelerator, held_out)
    trainer.origin |= {} if photos is None else {"photos": len(photos)}
    trainer.origin |= {} if start is None else {"start": start.card}

    def shown(steps: range) -> Iterator[Batch]:
        count = trainer.images * processes
        taken = repeat(None) if photos is None else batches(photos, settings.seed, count, steps, rank, processes)
        for step, pixels in zip(steps, taken, strict=False):
            mine = Sample(*(x[rank::processes] for x in pairs.batch(step, settings.batch, held_out=CHUNK)))
            yield Batch(mine, None if pixels is None else to_batch(pixels).to(generator.device))

    def begin() -> None:
        if start is not None:
            trainer.encoder.load_state_dict(start.state_dict())
            return
        trainer.measure(pairs.batch(step, settings.batch, CHUNK) for step in range(-(-CHUNK // settings.batch)))

    data = f"{generator.fingerprint} {config} {'' if photos is None else photos.fingerprint}"
    with stage("Training", settings.steps) as told:
        return run(trainer, data, shown, folder, told, begin)
