"""Muon for feature maps (Jordan et al. 2024): orthogonal steps, equally long in flat and in steep directions.

The momentum is first divided by the root of each element's second moment, as in Adam (a fifth fewer steps for the same
loss). torch's own Muon computes in bfloat16, which takes seconds per step on processors without bfloat16 arithmetic.
"""

import math
from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor

MOMENTUM, SECOND_MOMENT = 0.8, 0.9  # decay rates, short because some 40 steps are all
FLOOR = 0.1  # of the root of the second moment, in units of its mean over the row
QUINTIC = (3.4445, -4.7750, 2.0315)  # in 5 turns values from .002 to 1 come to between .68 and 1.2
TINY = 1e-30  # where the gradient is nothing
TURNS = 3  # values below .02 stay short, which costs nothing here


class Muon(torch.optim.Optimizer):
    """Steps [N, C, ...] so that each row, as a matrix [C, cells], moves by lr / 5 in root mean square."""

    def __init__(self, params: Iterable[Tensor], lr: float):
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """A step along the momentum, one step ahead (Nesterov)."""
        for group in self.param_groups:
            for x in group["params"]:
                gradient, state = x.grad, self.state[x]
                momentum = state.setdefault("momentum", torch.zeros_like(x)).lerp_(gradient, 1 - MOMENTUM)
                second = state.setdefault("second", torch.zeros_like(x)).lerp_(gradient.square(), 1 - SECOND_MOMENT)
                floor = FLOOR * second.mean((1, 2, 3), keepdim=True).sqrt() + TINY
                scaled = gradient.lerp(momentum, MOMENTUM) / (second.sqrt() + floor)
                way = orthogonal(scaled.flatten(2))  # its mean square is 1 / longer side
                x.sub_(way.view_as(x), alpha=group["lr"] / 5 * math.sqrt(max(way.shape[1:])))


def orthogonal(x: Float[Tensor, "n a b"]) -> Float[Tensor, "n a b"]:
    """Approximately the nearest orthogonal matrices: same singular vectors, values near 1 (Newton-Schulz)."""
    if x.shape[1] > x.shape[2]:
        return orthogonal(x.mT).mT
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp_min(1e-7)
    for _ in range(TURNS):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=QUINTIC[1], alpha=QUINTIC[2]), x, beta=QUINTIC[0])
    return x
