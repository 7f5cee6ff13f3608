"""What every stage of an inversion is given, and how codes and feature maps move in all of them."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from zplus.errors import ZplusError
from zplus.execution import Execution
from zplus.generators import Generator, State
from zplus.inversion.encoder import Encoder
from zplus.inversion.encoding import EncoderOutput
from zplus.inversion.minimizer import Variable
from zplus.inversion.objective import Distance
from zplus.inversion.settings import Settings
from zplus.perception.lpips import LPIPS
from zplus.spaces import Space


def no_encoder(generator: Generator) -> ZplusError:
    """The error message for a method that needs an encoder where the generator has none."""
    return ZplusError(f"{generator.name} has no encoder, which this method needs: 'zplus train encoder'.")


@dataclass(frozen=True)
class Progress:
    """What a callback is given after every step: the loss [N] and the images. The callback returns True to stop."""

    step: int
    steps: int
    loss: Float[Tensor, " n"]
    image: Float[Tensor, "n 3 r r"]
    seconds: float

    @property
    def seconds_left(self) -> float:
        """The remaining time, estimated from the mean time per step."""
        return self.seconds / self.step * (self.steps - self.step)


Callback = Callable[[Progress], bool | None]


@dataclass
class StepCounter:
    """Counts the steps of all stages, and calls the callback.

    Attributes:
        rows: The steps of each row [N], which rests sooner than others; 0 before the first step.
    """

    steps: int
    callback: Callback | None = None
    step: int = 0
    rows: Tensor | int = 0
    stopped: bool = False
    began: float = field(default_factory=time.perf_counter)

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return time.perf_counter() - self.began

    def report(self, moved: Tensor, loss: Tensor, image: Tensor) -> bool:
        """Count a step; True where the callback asks to stop."""
        self.step += 1
        self.rows = self.rows + moved.int()
        if self.callback and self.callback(Progress(self.step, self.steps, loss, image, self.seconds)):
            self.stopped = True
        return self.stopped


@dataclass(frozen=True)
class Problem:
    """N images to be inverted into a space. Rows do not influence each other.

    Attributes:
        space: The target space.
        distance: The distance to the images [N, 3, R, R] in [-1, 1], RGB.
        encoded: The encoder's output for the images; None without an encoder.
    """

    space: Space
    distance: Distance
    encoded: EncoderOutput | None
    settings: Settings
    execution: Execution
    counter: StepCounter

    @classmethod
    def of(
        cls,
        space: Space,
        photos: Float[Tensor, "n 3 r r"],
        lpips: LPIPS,
        settings: Settings,
        execution: Execution,
        encoder: Encoder | None = None,
        callback: Callback | None = None,
    ) -> "Problem":
        """The problem for images on the generator's device. Raises ZplusError where the settings need an encoder."""
        if encoder is None and settings.in_domain_weight:
            raise no_encoder(space.generator)
        context = execution.autocast(photos.device)
        encoded = None if encoder is None else EncoderOutput(encoder, lpips, context, photos)
        counter = StepCounter(settings.all_steps, callback)
        return cls(space, Distance(photos, lpips, settings, execution), encoded, settings, execution, counter)

    @property
    def generator(self) -> Generator:
        """The generator."""
        return self.space.generator

    @property
    def target(self) -> Float[Tensor, "n 3 r r"]:
        """The images."""
        return self.distance.target

    def unit(self, std: Tensor | float) -> Tensor | float:
        """The size of a step of rate 1: the prior's standard deviation, or 1 where rates are absolute."""
        return std if self.settings.relative_rates else 1.0

    def initial_state(self, code: Float[Tensor, "n k d"]) -> State:
        """The initial F: the encoder's, or head(code)."""
        if self.encoded is not None and self.settings.base == "encoder":
            return self.encoded.state(self.space, code)
        with torch.no_grad():
            return self.space.head(code)


class FreeCode:
    """A code that is optimised: its offset in standard deviations of the prior, retracted onto the space."""

    def __init__(self, problem: Problem, code: Float[Tensor, "n k d"]):
        self.space, self.first, self.unit = problem.space, code.detach(), problem.unit(problem.space.std)
        riemannian = self.space.has_angles and problem.settings.sphere == "riemannian"
        constrain = self._onto_space if riemannian else None  # the gradient is tangent already
        self.variable = Variable(torch.zeros_like(self.first), problem.settings.code_lr, constrain=constrain)

    def at(self, offset: Tensor) -> Float[Tensor, "n k d"]:
        """The code at an offset."""
        return self.space.retract(self.first + self.unit * offset)

    def _onto_space(self, offset: Tensor) -> Tensor:
        return (self.at(offset) - self.first) / self.unit


class FreeMap:
    """A feature map, or RGB, that is optimised: its offset in standard deviations of the prior."""

    def __init__(self, problem: Problem, first: Float[Tensor, "n c r r"], std: float):
        self.first, self.unit = first.detach(), problem.unit(std)
        settings = problem.settings
        self.variable = Variable(torch.zeros_like(self.first), settings.feature_lr, settings.feature_rule)

    def at(self, offset: Tensor) -> Float[Tensor, "n c r r"]:
        """The map at an offset."""
        return self.first + self.unit * offset
