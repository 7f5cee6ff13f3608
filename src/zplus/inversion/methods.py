"""From photos to a latent in one call: a method is a list of stages, each (problem, latent) -> latent, and settings."""

from collections.abc import Callable
from dataclasses import asdict, replace
from functools import cache
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from zplus.errors import LatentError, UnknownNameError, ZplusError
from zplus.execution import Execution, best_execution
from zplus.generators import Generator
from zplus.images import Images, as_batch
from zplus.inversion import pti, sam
from zplus.inversion.descent import descend
from zplus.inversion.encoder import Encoder, encoder_of
from zplus.inversion.encoding import initial_code
from zplus.inversion.problem import Callback, Problem, no_encoder
from zplus.inversion.settings import preset
from zplus.latent import Decoding, Latent, Point
from zplus.perception.lpips import LPIPS
from zplus.spaces import Space, convert, latent_of, make_space, shown

MAX_BRIGHTNESS = 10.0  # what generators draw may lie beyond 1, but not so far


def encode(problem: Problem, latent: Latent | None) -> Latent:
    """The latent that was given, or one with the code to begin with, whose F is left to what follows."""
    if latent is not None:
        return latent
    if problem.encoded is None and problem.settings.init == "encoder":
        raise no_encoder(problem.generator)
    code = initial_code(problem.space, problem.target, problem.encoded, problem.settings)
    return latent_of(problem.space, Point(code))


class Stage(NamedTuple):
    """A step of a method, (problem, latent) -> latent, and what refuses a problem before any work is done."""

    run: Callable[[Problem, Any], Latent]  # the first stage is given None where there is nothing to begin with
    check: Callable[[Problem], None] = lambda problem: None


STAGES = {
    "encode": Stage(encode),
    "descend": Stage(descend),
    "sam": Stage(sam.adapt, sam.check),
    "pti": Stage(pti.tune, pti.check),
}


def invert(
    generator: Generator,
    photos: Images,
    space: str = "f/z+",
    method: str = "default",
    layer: str | None = None,
    psi: float = 1.0,
    start: Latent | None = None,
    callback: Callback | None = None,
    execution: Execution | None = None,
    encoder: Encoder | None = None,
    cutoff: int | None = None,
    **changes: object,
) -> Latent:
    """The latent of N aligned photos at the generator's resolution R.

    photos: float [N,3,R,R] or [3,R,R], RGB in [-1,1]; or pixels uint8 [R,R,3] or [N,R,R,3]; or a Pillow image; or a
    list of these. space: "z", "z+", "w", "w+", "s", or one of them under a feature map, "f/z+". method: a preset of
    `zplus.inversion.PRESETS`; "default" is "hybrid" where the generator has an encoder and nothing else is given to
    begin with. layer: where F sits, "32" or "b32.conv1". psi: truncation in [0,1], of the first `cutoff` codes (None is
    all). start: a latent of this generator, of one row or N, to go on from, converted to this space. callback: is given
    a Progress at every step, and may return True to stop. execution: how networks run. encoder: used instead of that
    which comes for the generator. changes: settings that differ from the method's (see Settings).

    Raises ZplusError for what cannot be, and DivergedError where no loss is a finite number.
    """
    target = _checked(generator, as_batch(photos))
    where = make_space(space, generator, layer, Decoding(psi, cutoff))
    encoder = encoder or encoder_of(generator)
    settings = preset(chosen_method(method, encoder, start or changes.get("init")), **changes)
    first = None if start is None else latent_of(where, _started(where, start, len(target)))
    execution = execution or best_execution(generator, len(target) * settings.all_steps)
    lpips = shared_lpips(generator.device)
    return solve(Problem.of(where, target, lpips, settings, execution, encoder, callback), first)


def solve(problem: Problem, start: Latent | None = None) -> Latent:
    """What the problem's stages make of it, one after another, from a latent of its space or from the first stage on.

    Raises UnknownNameError, ZplusError where a stage cannot do it, and DivergedError.
    """
    stages = problem.settings.stages
    if stages[:1] != ("encode",):
        raise ZplusError(f"The stages are {', '.join(stages)}: begin with encode.")
    for name in stages:
        if name not in STAGES:
            raise UnknownNameError("stage", name, STAGES)
        STAGES[name].check(problem)
    latent: Any = start
    for name in stages:
        latent = STAGES[name].run(problem, latent)
    return _finished(problem, latent)


def chosen_method(method: str, encoder: Encoder | None, start: object) -> str:
    """The preset that "default" means, for an encoder and a start (a latent or the name of an init) or none."""
    codes = encoder is not None and encoder.has_codes
    return "hybrid" if method == "default" and codes and start in (None, "auto", "encoder") else method


@cache
def shared_lpips(device: torch.device) -> LPIPS:
    """The network of all inversions: loaded once, so that what was compiled for it serves every photo."""
    return LPIPS("vgg").to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def _checked(generator: Generator, photos: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n 3 r r"]:
    """The photos on the generator's device. Raises ZplusError where their size or their values are not those of it."""
    wanted, got = (generator.resolution, generator.resolution), tuple(photos.shape[-2:])
    if got != wanted:
        raise ZplusError(f"The photo is {got} pixels, but {generator.name} needs {wanted}: align it at that size.")
    if not photos.abs().amax() <= MAX_BRIGHTNESS:
        raise ZplusError("The photo's values must lie in [-1, 1]: divide pixels by 127.5 and subtract 1.")
    return photos.to(generator.device)


def _started(where: Space, start: Latent, photos: int) -> Point:
    """The point of a space that a latent shows, as often as there are photos."""
    if start.offsets or start.added:
        raise LatentError("A latent of PTI or SAM cannot be gone on from: its code alone shows another picture.")
    if len(start) not in (1, photos):
        raise LatentError(f"{photos} photos cannot begin at {len(start)} latents: give as many, or one.")
    found, _ = convert(*shown(where.generator, start), where)
    return found.map(lambda x: x.expand(photos, *x.shape[1:]))


def _finished(problem: Problem, latent: Latent) -> Latent:
    """The latent with F, where no stage moved it, and with how it was computed and how well."""
    (code, state), counter, figures = latent.inverted, problem.counter, dict(latent.figures)
    if problem.space.layer is not None:
        with torch.no_grad():
            head, state = problem.space.head(code), state or problem.initial_state(code)
        drift = (state.features - head.features).flatten(1).norm(dim=1) / state.features.flatten(1).norm(dim=1)
        figures["feature_drift"] = drift.tolist()
    if problem.encoded is not None:
        figures["strangeness"] = problem.encoded.domain_distance().tolist()
    if counter.step:
        problem.execution.remember(problem.generator)
    costs: dict[str, list[Any]] = {
        "steps": [counter.step] * len(code),
        "seconds": [counter.seconds / len(code)] * len(code),
    }
    return replace(
        latent,
        inverted=Point(code, state).map(Tensor.detach),
        mode=problem.execution.describe(),
        settings=asdict(problem.settings),
        figures=costs | figures,
    )
