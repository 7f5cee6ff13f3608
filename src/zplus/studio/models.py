"""What all visitors share: generators, loaded when first asked for, their sliders, and the face detector."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from threading import RLock

from zplus.direction import Direction
from zplus.editing import FINDERS, Editor, Search, directions_of
from zplus.errors import UnknownNameError, ZplusError
from zplus.execution import Execution, best_execution
from zplus.faces.detector import FaceDetector
from zplus.generators import MODELS, Generator, load_generator
from zplus.generators.zoo import model_path
from zplus.images import fitted, to_pixels
from zplus.inversion.encoder import encoder_of
from zplus.inversion.methods import chosen_method
from zplus.inversion.settings import Settings, preset
from zplus.latent import Point
from zplus.spaces import latent_of, make_space
from zplus.studio import MAX_SLIDERS
from zplus.studio.pictures import picture_url
from zplus.studio.turns import Turns
from zplus.workflow.inverting import Inverter
from zplus.workflow.options import InvertOptions

MIN_SLIDERS = 5  # of a generator that comes with fewer directions
COMPONENT = "principal"  # the finder of the others
END, END_SIDE = 2.5, 48  # strength and side in pixels of the pictures at the ends of their sliders
QUALITIES = {  # settings beside those of the preset
    "quick": {"steps": 30},
    "standard": {},
    "best": {"steps": 300},
}


class Models:
    """The generators of this machine by name; `files` are those of the user's own checkpoints."""

    def __init__(self, files: Sequence[Path] = (), device: str = "cpu"):
        self.device, self.detector = device, FaceDetector()
        self.files = {path.name: path for path in files}
        self.runs = 0  # of networks so far, which decide when compiling pays
        self.turns = Turns()  # one inversion at a time, so that none takes twice as long
        self._lock = RLock()
        self._generators: dict[str, Generator] = {}
        self._sliders: dict[str, tuple[Direction, ...]] = {}
        self._ends: dict[str, list[list[str]]] = {}

    @property
    def names(self) -> list[str]:
        """Those that are here: the user's own first, then the zoo's."""
        return [*self.files, *(name for name in MODELS if model_path(name).exists())]

    def generator(self, name: str) -> Generator:
        """A generator by name, loaded once."""
        if name not in self.names:
            raise UnknownNameError("model", name, self.names)
        with self._lock:
            if name not in self._generators:
                generator = load_generator(self.files.get(name, name), self.device)
                if getattr(generator.config, "c_dim", 0):
                    raise ZplusError(f"{name} is conditional, but the studio has no labels: use 'zplus edit --label'.")
                self._generators[name] = generator
            return self._generators[name]

    def sliders(self, name: str) -> tuple[Direction, ...]:
        """The directions of a generator; where these are few, axes along which its pictures vary most as well."""
        generator = self.generator(name)
        with self._lock:
            if name not in self._sliders:
                found = list(directions_of(generator).values())
                if len(found) < MIN_SLIDERS:
                    components = FINDERS[COMPONENT](generator, Search(count=MIN_SLIDERS - len(found)))
                    found += [replace(direction, name=f"component {i}") for i, direction in enumerate(components, 1)]
                self._sliders[name] = tuple(found[:MAX_SLIDERS])
            return self._sliders[name]

    def ends(self, name: str) -> list[list[str]]:
        """For each slider the addresses of two small pictures, of its ends, where it has no words; else none."""
        generator, sliders = self.generator(name), self.sliders(name)
        with self._lock:
            if name not in self._ends:
                self._ends[name] = [_ends(generator, x) if x.card.get("method") == COMPONENT else [] for x in sliders]
            return self._ends[name]

    def execution(self, name: str) -> Execution:
        """How the next photo is inverted and edited: eagerly, until so many come that compiling is worth it."""
        generator = self.generator(name)
        return best_execution(generator, self.runs + chosen(generator, "standard")[1].all_steps)

    def inverter(self, name: str, space: str, quality: str) -> Inverter:
        """What inverts the next photo into a space of a generator."""
        generator = self.generator(name)
        method, settings = chosen(generator, quality)
        options = InvertOptions(name, space, method, steps=settings.steps, device=self.device)
        return Inverter(generator, options, self.execution(name))


def _ends(generator: Generator, component: Direction) -> list[str]:
    """The mean face moved along a component, to either side."""
    space = make_space("w", generator)
    editor = Editor(generator, latent_of(space, Point(space.mean(1))))
    images = [editor.image(editor.edit({component: strength}))[0] for strength in (-END, END)]
    return [picture_url(fitted(to_pixels(image), END_SIDE)) for image in images]


def chosen(generator: Generator, quality: str) -> tuple[str, Settings]:
    """The preset, and its settings, of a quality by name: quick is the encoder alone, where there is one."""
    if quality not in QUALITIES:
        raise UnknownNameError("quality", quality, QUALITIES)
    encoder = encoder_of(generator)
    if quality == "quick" and encoder is not None:
        return "e4e", preset("e4e")
    method = chosen_method("default", encoder, None)
    return method, preset(method, **QUALITIES[quality])
