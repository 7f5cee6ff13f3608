"""Invert images in one call. A method is a list of stages, each (problem, latent) -> latent, and settings."""

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
    """The first stage: the given latent, or a starting code without F, which later stages set."""
    if latent is not None:
        return latent
    if problem.encoded is None and problem.settings.init == "encoder":
        raise no_encoder(problem.generator)
    code = initial_code(problem.space, problem.target, problem.encoded, problem.settings)
    return latent_of(problem.space, Point(code))


class Stage(NamedTuple):
    """A step of a method.

    Attributes:
        run: (problem, latent) -> latent.
        check: Raises ZplusError where the stage cannot solve the problem, before any work is done.
    """

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
    """Invert N aligned images into one latent of N rows.

    Args:
        generator: The generator, of resolution R.
        photos: float [N, 3, R, R] or [3, R, R] in [-1, 1], RGB; or uint8 pixels [N, R, R, 3] or [R, R, 3]; or a Pillow
            image; or a list of these.
        space: A name of `SPACES`: "z", "z+", "w", "w+", "s", or one of these under a feature map, such as "f/z+".
        method: A name of `PRESETS`. "default" is "hybrid" where the generator has an encoder and no start is given.
        layer: Where F sits, "32" or "b32.conv1"; None for 1/32 of R, 8 at least.
        psi: Truncation in [0, 1]; 1 is none.
        start: A latent of this generator, of 1 or N rows, to start from; it is converted to `space`.
        callback: Is given a `Progress` after every step; returns True to stop.
        execution: How networks run; None for what is fastest here.
        encoder: Used instead of the one that comes with the generator.
        cutoff: How many of the first codes are truncated; None for all.
        **changes: Settings that differ from the method's (see `Settings`).

    Returns:
        The latent, with its settings, execution mode and figures.

    Raises:
        ZplusError: Sizes, values or settings are not possible.
        DivergedError: A row never had a finite loss.
    """
    generator.check_untuned()
    target = _checked(generator, as_batch(photos))
    where = make_space(space, generator, layer, Decoding(psi, cutoff))
    encoder = encoder or encoder_of(generator)
    settings = preset(chosen_method(method, encoder, start or changes.get("init")), **changes)
    first = None if start is None else latent_of(where, _started(where, start, len(target)))
    execution = execution or best_execution(generator, len(target) * settings.all_steps)
    lpips = shared_lpips(generator.device)
    return solve(Problem.of(where, target, lpips, settings, execution, encoder, callback), first)


def solve(problem: Problem, start: Latent | None = None) -> Latent:
    """Run the stages of a problem, one after another.

    Args:
        problem: What is to be inverted, and how.
        start: A latent of the problem's space to start from; None starts with the first stage.

    Raises:
        UnknownNameError: There is no such stage.
        ZplusError: A stage cannot solve this problem.
        DivergedError: A row never had a finite loss.
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
    """The preset that "default" stands for: "hybrid" if there is an encoder with codes and no other start."""
    codes = encoder is not None and encoder.has_codes
    return "hybrid" if method == "default" and codes and start in (None, "auto", "encoder") else method


@cache
def shared_lpips(device: torch.device) -> LPIPS:
    """The LPIPS network that all inversions share, so that what is compiled for it is compiled once."""
    return LPIPS("vgg").to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def _checked(generator: Generator, photos: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n 3 r r"]:
    """The images on the generator's device. Raises ZplusError where their size or values are wrong."""
    wanted, got = (generator.resolution, generator.resolution), tuple(photos.shape[-2:])
    if got != wanted:
        raise ZplusError(f"The photo is {got} pixels, but {generator.name} needs {wanted}: align it at that size.")
    if not photos.abs().amax() <= MAX_BRIGHTNESS:
        raise ZplusError("The photo's values must lie in [-1, 1]: divide pixels by 127.5 and subtract 1.")
    return photos.to(generator.device)


def _started(where: Space, start: Latent, photos: int) -> Point:
    """The point of a space that a latent shows, repeated for every image."""
    if start.offsets or start.added:
        raise LatentError("A latent of PTI or SAM cannot be gone on from: its code alone shows another picture.")
    if len(start) not in (1, photos):
        raise LatentError(f"{photos} photos cannot begin at {len(start)} latents: give as many, or one.")
    found, _ = convert(*shown(where.generator, start), where)
    return found.map(lambda x: x.expand(photos, *x.shape[1:]))


def _finished(problem: Problem, latent: Latent) -> Latent:
    """The latent with F, if no stage set it, and with its execution mode, settings and figures."""
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
        "steps": torch.as_tensor(counter.rows).expand(len(code)).tolist(),
        "seconds": [counter.seconds / len(code)] * len(code),
    }
    return replace(
        latent,
        inverted=Point(code, state).map(Tensor.detach),
        mode=problem.execution.describe() | {"batch": len(code)},
        settings=asdict(problem.settings),
        figures=costs | figures,
    )
