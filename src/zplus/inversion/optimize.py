"""Inversion by gradient descent, one loop for every space (Katsumata et al. 2023, arXiv 2306.00241 and 2307.08995)."""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from zplus.errors import ZplusError
from zplus.execution import Execution, Renderer, best_execution
from zplus.generators import State
from zplus.inversion.descend import Objective, Variable, descend
from zplus.inversion.encode import Encoding
from zplus.inversion.encoder import Encoder
from zplus.inversion.objective import Distance, penalties
from zplus.inversion.settings import Settings
from zplus.inversion.start import starting_code
from zplus.latent import Latent, Point
from zplus.perception.lpips import LPIPS
from zplus.spaces import Space, latent_of, state_of

DRIFT_BOUND = 0.5  # |F - head(code)| / |F| above which moving F with an edit is doubtful


@dataclass(frozen=True)
class Progress:
    """What a callback sees at every step: the loss of each row and the pictures. It may return True to stop here."""

    step: int
    steps: int
    loss: Float[Tensor, " n"]
    image: Float[Tensor, "n 3 r r"]
    seconds: float

    @property
    def seconds_left(self) -> float:
        """An estimate from the mean pace so far."""
        return self.seconds / self.step * (self.steps - self.step)


Callback = Callable[[Progress], bool | None]


def optimize(
    space: Space,
    target: Float[Tensor, "n 3 r r"],
    lpips: LPIPS,
    settings: Settings,
    start: Point | None = None,
    callback: Callback | None = None,
    execution: Execution | None = None,
    encoder: Encoder | None = None,
) -> Latent:
    """Invert N photos, RGB in [-1, 1] at the generator's resolution, each row on its own.

    In F/X spaces the codes alone move first and F follows as head(code), so that the codes below F mean something;
    then F begins as the encoder gives it, where there is one, and codes and F move together. `start` continues from a
    point of this space instead. Raises DivergedError, and ZplusError where a method needs an encoder.
    """
    clock = Clock(settings.all_steps, callback)
    execution = execution or best_execution(space.generator, len(target) * settings.all_steps)
    context = execution.autocast(target.device)
    encoding = None if encoder is None else Encoding(encoder, lpips, space, context, target)
    if encoding is None and (settings.origin == "encoder" or settings.domain):
        raise ZplusError(f"{space.generator.name} has no encoder, which this method needs: 'zplus train encoder'.")
    state = None if start is None else state_of(start)
    problem = _Problem(space, Distance(target, lpips, settings, execution), settings, execution, encoding)
    automatic = settings.origin == "auto" and encoder is not None and encoder.has_codes
    if start is not None:
        code = start.code
    elif encoding is not None and (settings.origin == "encoder" or automatic):
        code = encoding.code()
    else:
        code = starting_code(space, target, settings)
    code_steps = settings.steps if space.layer is None else round(settings.code_share * settings.steps)
    if state is None and code_steps:
        code = problem.move_code(code, code_steps, clock)
    if state is None and encoding is not None and settings.base == "encoder":
        state = encoding.base_code(code)
    if space.layer is not None and clock.step < settings.steps and not clock.stopped:
        code, state = problem.move_both(code, state, settings.steps - clock.step, clock)
    code = space.retract(code).detach()
    figures = {"steps": clock.step, "seconds": clock.seconds / len(code)}
    rows = {name: [value] * len(code) for name, value in figures.items()}
    if clock.step:
        execution.remember(space.generator)
    if space.layer is not None:
        with torch.no_grad():
            head = space.head(code)
        state = state or head
        drift = (state.features - head.features).flatten(1).norm(dim=1) / state.features.flatten(1).norm(dim=1)
        rows |= {"feature_drift": drift.tolist()}
    if encoding is not None:
        rows |= {"strangeness": encoding.strangeness().tolist()}
    return latent_of(
        space, Point(code, *(state or ())), mode=execution.describe(), settings=asdict(settings), figures=rows
    )


@dataclass
class Clock:
    """Counts the steps over all stages, and asks the callback."""

    steps: int
    callback: Callback | None
    step: int = 0
    stopped: bool = False
    began: float = field(default_factory=time.perf_counter)

    @classmethod
    def after(cls, latent: Latent, steps: int, callback: Callback | None) -> "Clock":
        """A clock that goes on where the inversion of a latent stopped."""
        done, seconds = latent.figures["steps"][0], sum(latent.figures["seconds"])
        return cls(done + steps, callback, done, began=time.perf_counter() - seconds)

    @property
    def seconds(self) -> float:
        """Since it began."""
        return time.perf_counter() - self.began

    def report(self, _: int, loss: Tensor, image: Tensor) -> bool:
        """A step is done; whether to stop."""
        self.step += 1
        if self.callback and self.callback(Progress(self.step, self.steps, loss, image, self.seconds)):
            self.stopped = True
        return self.stopped


class _Problem:
    """The loss as a function of what moves: the code's offset in units of the prior's spread, and F."""

    def __init__(
        self, space: Space, distance: Distance, settings: Settings, execution: Execution, encoding: Encoding | None
    ):
        self.space, self.distance, self.settings, self.encoding = space, distance, settings, encoding
        self.unit = space.spread if settings.relative_rates else torch.ones_like(space.spread)
        self.renderer = Renderer(space, execution)

    def move_code(self, code: Tensor, steps: int, clock: Clock) -> Tensor:
        """The code after descending while F, if any, follows it."""

        def objective(offset: Tensor) -> tuple[Tensor, Tensor]:
            return self.loss(self.code(code, offset), None, None)

        offset = Variable(torch.zeros_like(code), self.settings.code_lr)
        return self.code(code, self._descend(objective, [offset], code, steps, clock)[0])

    def move_both(self, code: Tensor, state: State | None, steps: int, clock: Clock) -> tuple[Tensor, State]:
        """Code and F after descending together, F held to "self" or to its start."""
        with torch.no_grad():
            initial = state or self.space.head(code)
        kept = initial if self.settings.target == "initial" else None

        units = [_spread_of_rows(x) if self.settings.relative_rates else 1.0 for x in initial if x is not None]

        def state_at(offsets: Sequence[Tensor]) -> State:
            first = (x for x in initial if x is not None)
            return State(*(x + unit * offset for x, unit, offset in zip(first, units, offsets, strict=True)))

        def objective(offset: Tensor, *offsets: Tensor) -> tuple[Tensor, Tensor]:
            return self.loss(self.code(code, offset), state_at(offsets), kept)

        chosen = self.settings
        moving = [
            Variable(torch.zeros_like(x), chosen.feature_lr, chosen.feature_rule) for x in initial if x is not None
        ]
        offset = Variable(torch.zeros_like(code), chosen.code_lr)
        best, *offsets = self._descend(objective, [offset, *moving], code, steps, clock)
        return self.code(code, best), state_at(offsets)

    def code(self, origin: Tensor, offset: Tensor) -> Tensor:
        return self.space.retract(origin + self.unit * offset)

    def loss(self, code: Tensor, state: State | None, kept: State | None) -> tuple[Tensor, Tensor]:
        """Loss [N] and image; without a free state F is head(code), and without a kept one it is held to head(code)."""
        signals = self.space.signals(code)
        if state is None or kept is None:
            kept = self.renderer.head(signals)
        image = self.renderer(signals, state or kept)
        mse = self.settings.mse if state is None else self.settings.feature_mse
        loss = self.distance(image, mse) + penalties(self.space, code, state, kept, self.settings)
        if self.settings.domain and self.encoding is not None:
            strange = ((code - self.encoding.code_of(image)) / self.space.spread).square().mean((1, 2))
            loss = loss + self.settings.domain * strange
        return loss, image

    def _descend(
        self, objective: Objective, variables: list[Variable], origin: Tensor, steps: int, clock: Clock
    ) -> list[Tensor]:
        """Both stages' descent; the first variable is the code's offset from `origin`."""

        def onto_space(offset: Tensor) -> Tensor:
            return (self.code(origin, offset) - origin) / self.unit

        chosen = self.settings
        constrain = onto_space if chosen.sphere == "riemannian" else None  # the gradient itself is tangent already
        return descend(
            objective, variables, steps, chosen.warmup, chosen.decay, chosen.patience, clock.report, constrain
        )


def _spread_of_rows(x: Tensor) -> Tensor:
    """The standard deviation of each row, [N,1,1,1]; each on its own, so that a row does not depend on its company."""
    return x.flatten(1).std(1)[:, None, None, None]
