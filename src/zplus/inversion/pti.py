"""Pivotal tuning (PTI: Roich et al. 2021, arXiv 2106.05744): tune weights until a code shows the image.

The pivot is a latent of any space, from any method. Its code does not change; the weight offsets are stored with it.
"""

from dataclasses import replace
from itertools import count

import torch
from torch import Tensor

from zplus.errors import ZplusError
from zplus.execution import Renderer
from zplus.generators import Generator
from zplus.inversion.minimizer import Variable, minimize
from zplus.inversion.objective import Distance
from zplus.inversion.problem import Problem
from zplus.latent import Latent, Point
from zplus.spaces import make_space
from zplus.spaces.conversion import convert_code

# How far towards a sample of the prior the codes lie whose images should stay; the paper goes 30 units of w.
ALONG = 0.5
EVERY = 4  # steps between two looks at them


def check(problem: Problem) -> None:
    """Raises ZplusError for several images at a time, and together with SAM."""
    if len(problem.target) != 1:
        raise ZplusError("The weights are tuned to one photo at a time: invert the photos one by one.")
    if "sam" in problem.settings.stages:
        raise ZplusError("Weights are tuned to what a code and F show, without the maps of SAM: choose one method.")


def tune(problem: Problem, pivot: Latent) -> Latent:
    """The pivot with weight offsets under which it shows the image. The generator itself does not change.

    All active weights of the synthesis network are tuned, but not the mapping network, so that z and w keep their
    meaning. The settings give steps, rate, the loss at which tuning ends, and the weight of the images of other codes.

    Raises:
        DivergedError: The loss was never finite.
    """
    if problem.counter.stopped:
        return pivot
    own, settings, execution = problem.space, problem.settings, problem.execution
    changed = problem.generator.tuned({})
    space, (code, state) = type(own)(changed, own.layer, own.decoding), pivot.inverted  # and its noise, which stays
    if own.layer is not None and state is None:
        state = problem.initial_state(code)
    after, before = Renderer(space, execution), Renderer(own, execution)
    near, moved = (make_space("w+", x, None, own.decoding) for x in (problem.generator, changed))
    weights = {name: x.requires_grad_() for name, x in changed.named_parameters() if not name.startswith("mapping.")}
    centre, steps = convert_code(own, code, near), count()

    def objective(*_: Tensor) -> tuple[Tensor, Tensor]:
        image = after(space.inputs(code), state)
        loss = problem.distance(image)
        step = next(steps)
        if settings.pti_locality_weight and step % EVERY == 0:
            other = near.interpolate(centre, near.broadcast_sample(1, step), ALONG)
            with torch.no_grad():
                was = Distance(before(near.inputs(other), None), problem.distance.lpips, settings, execution)
            changes = settings.pti_locality_weight * was(after(moved.inputs(other), None))
            loss = loss + (changes - changes.detach())  # followed, but no part of how near the photo is
        return loss, image

    variables = [Variable(x, settings.pti_lr, in_place=True) for x in weights.values()]
    best, loss = minimize(
        objective, variables, settings.pti_steps, 0.0, "constant", None, settings.pti_threshold, problem.counter.report
    )
    offsets = _offsets(problem.generator, dict(zip(weights, best, strict=True)))
    figures = pivot.figures | {"tuning_loss": loss.tolist()}
    return replace(pivot, inverted=Point(code, state), offsets=offsets, figures=figures)


def _offsets(generator: Generator, weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The changes of the weights that changed."""
    before = dict(generator.named_parameters())
    changes = {name: x - before[name] for name, x in weights.items()}
    return {name: x for name, x in changes.items() if x.any()}
