"""Gradient descent on rows that know nothing of each other: Adam, warm-up and decay, the best of each row kept."""

import math
from collections.abc import Callable
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from zplus.errors import DivergedError

Decay = Literal["cosine", "constant"]
Objective = Callable[..., tuple[Tensor, Tensor]]  # (*values) -> loss [N], image [N,3,R,R]


class Variable(NamedTuple):
    """What moves: its first value [N, ...] and its peak learning rate."""

    value: Tensor
    rate: float


def descend(
    objective: Objective,
    variables: list[Variable],
    steps: int,
    warmup: float = 0.05,
    decay: Decay = "cosine",
    patience: int | None = None,
    report: Callable[[int, Tensor, Tensor], bool | None] = lambda step, loss, image: None,
    constrain: Callable[[Tensor], Tensor] | None = None,
) -> list[Tensor]:
    """Minimise each row of a loss; returns the best value of each variable, row by row.

    A row rests when it found no better loss for `patience` steps, or when its loss is not a finite number;
    `constrain` maps the first variable back to where it may be after each step; the objective must do so too, else
    Adam, which scales the part of a gradient that leaves the constraint, rests beside the minimum. `report` may return
    True to stop.
    Raises DivergedError when some row never had a finite loss.
    """
    values = [v.value.detach().clone().requires_grad_() for v in variables]
    optimizer = torch.optim.Adam([{"params": [x], "lr": v.rate} for x, v in zip(values, variables, strict=True)])
    best = [x.detach().clone() for x in values]
    least = torch.full((len(values[0]),), math.inf, device=values[0].device)
    since = torch.zeros_like(least)  # steps since each row was at its best
    for i in range(steps):
        for group, variable in zip(optimizer.param_groups, variables, strict=True):
            group["lr"] = variable.rate * schedule(i, steps, warmup, decay)
        loss, image = objective(*values)
        better = loss.detach() < least  # never true for NaN
        least, since = torch.where(better, loss.detach(), least), torch.where(better, 0, since + 1)
        for x, kept in zip(values, best, strict=True):
            kept[better] = x.detach()[better]
        moving = loss.isfinite() & (since < (patience or steps))
        if report(i + 1, loss.detach(), image.detach()) or not moving.any():
            break
        optimizer.zero_grad()
        loss[moving].sum().backward()
        optimizer.step()
        if constrain is not None:
            with torch.no_grad():
                values[0].copy_(constrain(values[0]))
    if not least.isfinite().all():
        raise DivergedError("The inversion never had a finite loss: check the photo, or lower the learning rates.")
    return best


def schedule(step: int, steps: int, warmup: float, decay: Decay) -> float:
    """The factor on the learning rate: linear warm-up, then constant or a half cosine down to 0.

    >>> schedule(0, 100, 0.1, "cosine"), schedule(9, 100, 0.1, "cosine"), schedule(55, 100, 0.1, "cosine")
    (0.1, 1.0, 0.5)
    """
    ramp = max(1, round(warmup * steps))
    if step < ramp:
        return (step + 1) / ramp
    return 1.0 if decay == "constant" else 0.5 + 0.5 * math.cos(math.pi * (step - ramp) / (steps - ramp))
