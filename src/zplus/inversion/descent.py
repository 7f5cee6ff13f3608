"""Gradient descent, the same for every space (Katsumata et al. 2023, arXiv 2306.00241 and 2307.08995)."""

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from zplus.execution import Renderer
from zplus.generators import State
from zplus.inversion.minimizer import Objective, Variable, minimize
from zplus.inversion.objective import penalties
from zplus.inversion.problem import FreeCode, FreeMap, Problem
from zplus.latent import Latent, Point


def descend(problem: Problem, latent: Latent) -> Latent:
    """Reduce the loss of each row by gradient descent.

    In F/X spaces a first phase moves the codes alone, with F = head(code), so that the codes below F describe the
    image. Then F starts at the encoder's output, or at head(code), and codes and F move together. A latent that has F
    already skips the first phase.

    Raises:
        DivergedError: A row never had a finite loss.
    """
    space, steps, (code, state) = problem.space, problem.settings.steps, latent.inverted
    code_steps = steps if space.layer is None else round(problem.settings.code_only_fraction * steps)
    descent = _Descent(problem)
    if state is None and code_steps:
        code, steps = descent.move_code(code, code_steps), steps - code_steps
    if space.layer is not None and steps and not problem.counter.stopped:
        code, state = descent.move_both(code, state or problem.initial_state(code), steps)
    return replace(latent, inverted=Point(space.retract(code), state).map(Tensor.detach))


class _Descent:
    """The loss as a function of the variables."""

    def __init__(self, problem: Problem):
        self.problem, self.renderer = problem, Renderer(problem.space, problem.execution)

    def move_code(self, code: Float[Tensor, "n k d"], steps: int) -> Float[Tensor, "n k d"]:
        """The code after descent; F, if any, is head(code)."""
        free = FreeCode(self.problem, code)
        (offset,) = self._minimize(lambda offset: self.loss(free.at(offset), None, None), [free.variable], steps)
        return free.at(offset)

    def move_both(self, code: Tensor, state: State, steps: int) -> tuple[Tensor, State]:
        """Code and F after joint descent; a penalty holds F to head(code) or to its initial value."""
        problem = self.problem
        kept = state if problem.settings.consistency_target == "initial" else None
        free_code, (std, rgb_std) = FreeCode(problem, code), problem.space.state_std
        free = [FreeMap(problem, state.features, std)]
        if state.rgb is not None:
            free.append(FreeMap(problem, state.rgb, rgb_std))

        def state_at(*offsets: Tensor) -> State:
            return State(*(one.at(offset) for one, offset in zip(free, offsets, strict=True)))

        def objective(offset: Tensor, *offsets: Tensor) -> tuple[Tensor, Tensor]:
            return self.loss(free_code.at(offset), state_at(*offsets), kept)

        variables = [free_code.variable, *(one.variable for one in free)]
        offset, *offsets = self._minimize(objective, variables, steps)
        return free_code.at(offset), state_at(*offsets)

    def loss(self, code: Tensor, state: State | None, kept: State | None) -> tuple[Tensor, Tensor]:
        """The loss [N] and the image. Without `state`, F is head(code). Without `kept`, F is held to head(code)."""
        problem, settings = self.problem, self.problem.settings
        inputs = problem.space.inputs(code)
        if state is None or kept is None:
            kept = self.renderer.head(inputs)
        image = self.renderer(inputs, state or kept)
        mse_weight = settings.mse_weight if state is None else settings.feature_mse_weight
        loss = problem.distance(image, mse_weight) + penalties(problem.space, code, state, kept, settings)
        if settings.in_domain_weight and problem.encoded is not None:
            styles = problem.encoded.styles(problem.space, image)
            apart = (torch.cat(inputs.styles, 1) - torch.cat(styles, 1)) / problem.space.statistics.style_std
            loss = loss + settings.in_domain_weight * apart.square().mean(1)
        return loss, image

    def _minimize(self, objective: Objective, variables: list[Variable], steps: int) -> list[Tensor]:
        chosen, counter = self.problem.settings, self.problem.counter
        return minimize(
            objective, variables, steps, chosen.warmup, chosen.decay, chosen.patience, report=counter.report
        )[0]
