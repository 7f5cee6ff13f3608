"""Gradient descent on independent rows: warm-up, decay, and the best value of each row."""

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
    """A variable of the optimisation.

    Attributes:
        value: Its initial value [N, ...]; any shape if there is one row.
        rate: Peak learning rate. A step has about this size under Adam, and a fifth of it under Muon.
        constrain: Maps the value back to its range after each step. The objective must apply it too: otherwise Adam,
            which also scales the gradient's part that leaves the range, converges beside the minimum.
        in_place: Whether the tensor itself is changed, as for a network's weights.
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
    report: Callable[[Tensor, Tensor, Tensor], bool | None] = lambda moved, loss, image: None,
) -> tuple[list[Tensor], Tensor]:
    """Minimise the loss of each row.

    Args:
        objective: Values -> loss [N] and images.
        variables: What is optimised.
        steps: How often the loss is evaluated.
        warmup: Fraction of the steps with a rising rate.
        decay: How the rate falls afterwards.
        patience: A row stops after so many steps without a better loss; None for never.
        enough: A row stops at a loss of at most this.
        report: Is given after each step which rows moved, the losses and the images; returns True to stop.

    Returns:
        The best value of each variable, and the losses [N].

    Raises:
        DivergedError: A row never had a finite loss.
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
        moved, moving = moving, moving & loss.isfinite() & (since < (patience or steps)) & (least > enough)
        if report(moved, loss.detach(), image.detach()) or not moving.any() or i + 1 == steps:
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
    """The factor on the learning rate: linear warm-up, then constant, or decay to 0, linear or by half a cosine.

    Examples:
        >>> schedule(0, 100, 0.1, "cosine"), schedule(9, 100, 0.1, "cosine"), schedule(55, 100, 0.1, "cosine")
        (0.1, 1.0, 0.5)
    """
    ramp = max(1, round(warmup * steps))
    if step < ramp:
        return (step + 1) / ramp
    done = (step - ramp) / (steps - ramp)
    return {"constant": 1.0, "linear": 1.0 - done, "cosine": 0.5 + 0.5 * math.cos(math.pi * done)}[decay]
