"""How a photo is inverted and judged, as asked for on the command line."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from zplus.command.options import DEFAULT_MODEL, DEFAULT_SPACE
from zplus.command.show import Show
from zplus.errors import DownloadError, MissingExtraError, UnknownNameError
from zplus.execution import COMPILING, best_execution
from zplus.faces.align import Aligned
from zplus.faces.detector import FaceDetector
from zplus.generators import Generator, load_generator, statistics
from zplus.images import to_tensor
from zplus.inversion import Progress, Settings, invert, preset
from zplus.inversion.encoder import encoder_of, load_encoder
from zplus.inversion.methods import chosen_method, shared_lpips
from zplus.latent import Decoding, Latent, load_latent
from zplus.perception.face_input import largest_face, mirror_gap
from zplus.perception.identity import Identity
from zplus.perception.quality import measure_quality
from zplus.spaces import make_space, render

ORIGINS = ("encoder", "common", "random", "mean")  # where a code begins when no latent is given

MAX_GAP = 0.08  # distances between the eyes; .06 is the most of 159 portraits, .7 a face from the side
STRANGE = 3.0  # deviations beyond which a photo is unlike what an encoder learnt from

Watch = Callable[[Progress], None]


@dataclass(frozen=True)
class Request:
    """How photos are to be inverted, as asked for on the command line. Kept with what came out."""

    model: str = DEFAULT_MODEL
    space: str = DEFAULT_SPACE
    method: str = "default"
    layer: str | None = None
    psi: float = 1.0
    steps: int | None = None
    seed: int | None = None
    start: str | None = None
    face: int = 0
    align: bool = True
    device: str = "cpu"
    label: int | None = None
    encoder: str | None = None


class Inverter:
    """A generator and the networks that judge, loaded once for all photos that are to come."""

    def __init__(self, request: Request, show: Show, photos: int = 1):
        self.request, self.show = request, show
        preset(request.method)  # an unknown name is refused before anything is loaded
        self.start, self.init = _start(request.start)
        with show.stage("Loading the networks"):
            self.generator: Generator = load_generator(request.model, request.device, request.label)
            make_space(request.space, self.generator, request.layer, Decoding(request.psi))
            given = request.encoder
            self.encoder = load_encoder(given, self.generator) if given else encoder_of(self.generator)
            self.identity = _identity(show)
            statistics(self.generator)  # computed the first time
            shared_lpips(self.generator.device)  # converted the first time
        with show.heard():
            self.execution = best_execution(self.generator, photos * self._settings.all_steps)
        if self.execution.compiled and not self.execution.is_ready(self.generator):
            show.say(f"Compiling for this machine, once: {COMPILING}, in which the first photo seems to stand still.")

    def invert(self, aligned: Aligned, title: str = "Inverting", watch: Watch | None = None) -> Latent:
        """The latent of a crop, with the progress shown."""
        asked = self.request
        with self.show.stage(title, self._settings.all_steps) as tick, self.show.heard():

            def step(progress: Progress) -> None:
                tick(progress.step, f"loss {progress.loss.mean():.4f}")
                if watch is not None:
                    watch(progress)

            return invert(
                self.generator,
                to_tensor(aligned.pixels),
                asked.space,
                asked.method,
                asked.layer,
                asked.psi,
                self.start,
                step,
                self.execution,
                self.encoder,
                steps=asked.steps,
                seed=asked.seed,
                init=self.init,
            )

    @property
    def _settings(self) -> Settings:
        method = chosen_method(self.request.method, self.encoder, self.start or self.init)
        return preset(method, steps=self.request.steps)

    def judge(self, latent: Latent, aligned: Aligned) -> tuple[Tensor, dict[str, Any]]:
        """The reconstruction [1,3,R,R] and what there is to say about it, by the names that `--json` promises."""
        with self.show.stage("Measuring"):
            image = render(self.generator, latent).cpu()
            quality = measure_quality(image, to_tensor(aligned.pixels), self.identity)
        steps, seconds = latent.figures["steps"][0], latent.figures["seconds"][0]
        facts = {"space": latent.space, "model": latent.generator, "method": self.request.method, "steps": steps}
        facts |= {"seconds": round(seconds, 3), "seconds_per_step": round(seconds / max(1, steps), 4)}
        return image, facts | quality | {"warnings": [*self.show.warnings, *self._doubts(latent, aligned, quality)]}

    def _doubts(self, latent: Latent, aligned: Aligned, quality: dict[str, float]) -> list[str]:
        found = []
        if self.identity is not None and _mirror_gap(aligned, self.identity.detector) > MAX_GAP:
            found.append(
                "The face is seen from the side or covered in part (its mirror image shows other landmarks): the "
                "reconstruction holds, but a turned head, another age or another mouth may come apart."
            )
        strange = latent.figures.get("strangeness", [0.0])[0]
        if strange > STRANGE:
            found.append(
                f"The photo lies {strange:.1f} deviations from what the encoder learnt from (bound {STRANGE}): "
                "the result may be poor; see whether it shows a face, upright and cut as the model expects it."
            )
        if self.identity is not None and math.isnan(quality["identity_distance"]):
            found.append("No face was seen in the crop or its reconstruction, so there is no identity distance.")
        for line in found:
            self.show.say(f"Warning: {line}")
        return found


def _mirror_gap(aligned: Aligned, detector: FaceDetector) -> float:
    """See `mirror_gap`; nan where no face is seen."""
    face = largest_face(aligned.pixels, detector)
    return math.nan if face is None else mirror_gap(face, detector)


def _start(start: str | None) -> tuple[Latent | None, str | None]:
    """A latent to go on from, or the name of a way to begin."""
    if start is None or start in ORIGINS:
        return None, start
    if not start.endswith(".safetensors"):
        raise UnknownNameError("start", start, ORIGINS)
    return load_latent(start), None


def _identity(show: Show) -> Identity | None:
    try:
        return Identity()
    except (DownloadError, MissingExtraError) as error:
        show.warn(f"There is no identity distance: {error}")
        return None
