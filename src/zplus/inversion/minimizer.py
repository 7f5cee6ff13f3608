"""Gradient descent on rows that know nothing of each other: warm-up and decay, the best of each row kept."""

import math
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from zplus.errors import DivergedError
from zplus.inversion.muon import Muon

Decay = Literal["linear", "cosine", "constant"]
Objective = Callable[..., tuple[Tensor, Tensor]]  # (*values) -> loss [N], image [N,3,R,R]
Rule = Literal["adam", "muon"]
RULES: dict[Rule, Callable[..., torch.optim.Optimizer]] = {"adam": torch.optim.Adam, "muon": Muon}


class Variable(NamedTuple):
    """What moves.

    value: its first value [N, ...], or of any shape where there is one row alone. rate: its peak learning rate; a step
    has about that size under Adam and a fifth of it under Muon, whose values are [N, C, ...]. constrain: maps it back
    to where it may be after each step; the objective must do so too, else Adam, which scales the part of a gradient
    that leaves the constraint, rests beside the minimum. in_place: whether the value itself moves, as weights must that
    a network holds.
    """

    value: Tensor
    rate: float
    rule: Rule = "adam"
    constrain: Callable[[Tensor], Tensor] | None = None
    in_place: bool = False


def minimize(
    objective: Objective,
    variables: Sequence[Variable],
    steps: int,
    warmup: float = 0.05,
    decay: Decay = "cosine",
    patience: int | None = None,
    enough: float = -math.inf,
    report: Callable[[int, Tensor, Tensor], bool | None] = lambda step, loss, image: None,
) -> tuple[list[Tensor], Tensor]:
    """Minimise each row of a loss, looked at `steps` times; the best value of each variable, and the losses [N].

    A row rests for good when it found no better loss for `patience` steps, when its loss is not a finite number, or
    when it is at most `enough`. `report` may return True to stop. Raises DivergedError when some row never had a finite
    loss.
    """
    values = [v.value if v.in_place else v.value.detach().clone().requires_grad_() for v in variables]
    optimizers = [RULES[v.rule]([x], lr=v.rate) for v, x in zip(variables, values, strict=True)]
    best = [x.detach().clone() for x in values]
    least = torch.tensor(math.inf)
    for i in range(steps):
        for optimizer, variable in zip(optimizers, variables, strict=True):
            optimizer.param_groups[0]["lr"] = variable.rate * schedule(i, steps, warmup, decay)
            optimizer.zero_grad()
        loss, image = objective(*values)
        if i == 0:
            least = torch.full_like(loss.detach(), math.inf)
            since = torch.zeros_like(least)  # steps since each row was at its best
            moving = torch.ones_like(least, dtype=torch.bool)  # a row that woke as others go on would depend on them
        better = moving & (loss.detach() < least)  # never true for NaN
        least, since = torch.where(better, loss.detach(), least), torch.where(better, 0, since + 1)
        for x, kept in zip(values, best, strict=True):
            rows = better.view(-1, *[1] * (x.ndim - 1))
            kept.copy_(torch.where(rows, x.detach(), kept).view_as(x))
        moving = moving & loss.isfinite() & (since < (patience or steps)) & (least > enough)
        if report(i + 1, loss.detach(), image.detach()) or not moving.any() or i + 1 == steps:
            break
        loss[moving].sum().backward()
        with torch.no_grad():
            for optimizer, x, variable in zip(optimizers, values, variables, strict=True):
                optimizer.step()
                if variable.constrain is not None:
                    x.copy_(variable.constrain(x))
    if not least.isfinite().all():
        raise DivergedError("The inversion never had a finite loss: check the photo, or lower the learning rates.")
    return best, least


def schedule(step: int, steps: int, warmup: float, decay: Decay) -> float:
    """The factor on the learning rate: linear warm-up, then constant, or down to 0 in a line or half a cosine.

    >>> schedule(0, 100, 0.1, "cosine"), schedule(9, 100, 0.1, "cosine"), schedule(55, 100, 0.1, "cosine")
    (0.1, 1.0, 0.5)
    """
    ramp = max(1, round(warmup * steps))
    if step < ramp:
        return (step + 1) / ramp
    done = (step - ramp) / (steps - ramp)
    return {"constant": 1.0, "linear": 1.0 - done, "cosine": 0.5 + 0.5 * math.cos(math.pi * done)}[decay]
