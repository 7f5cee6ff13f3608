"""One direction in every space: a vector of the space it was found in becomes a tangent at a code of another.

W directions go to Z and Z+ by the damped pull-back through the Jacobian J of the mapping network, scaled so that f(z)
moves along the direction by its full length; to S by the affine layers. What cannot be carried over is refused.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from zplus.errors import LatentError
from zplus.spaces import Space
from zplus.spaces.convert import damped_solve, mapping_jacobian

DAMPING = 0.3  # of the mean diagonal of J^T J: with less, codes turn far along what f contracts and lose the direction
LEAST_PROGRESS = 0.1  # of a pull-back along the direction: no tangent is scaled by more than its inverse
LEAST_COSINE = 0.3  # between J t and the direction, where those that come along have 0.6 to 0.8
STRIDE = 0.5  # units after which the vectors are carried over anew, because f is not linear over 20 degrees


class Way:
    """The way of a code along the sum of `vectors`, given by the space that each belongs to, and against it.

    On the sphere the vectors are carried over at the code reached after every stride, their tangents are added and the
    geodesic is followed; elsewhere moving is addition and one stride is exact. What was computed for one amount is kept
    for the next.
    """

    def __init__(self, space: Space, code: Float[Tensor, "n k d"], vectors: dict[str, Float[Tensor, "#n l e"]]):
        self.space, self.vectors = space, vectors
        self.stride = STRIDE if space.kind in ("z", "z+") and vectors.keys() & {"w", "w+"} else math.inf
        tangent = self._tangent(code)
        self.knots = {1: [(code, tangent)], -1: [(code, -tangent)]}  # the code after each stride, where it goes on to

    @torch.no_grad()
    def at(self, amount: float) -> Float[Tensor, "n k d"]:
        """The code after `amount` times the vectors."""
        side = -1 if amount < 0 else 1
        knots, amount = self.knots[side], abs(amount)
        last = max(math.ceil(amount / self.stride) - 1, 0)
        while len(knots) <= last:
            code, tangent = knots[-1]
            code = self.space.move(code, self.stride * tangent)
            knots.append((code, side * self._tangent(code)))
        code, tangent = knots[last]
        rest = amount - last * self.stride if last else amount
        return self.space.move(code, rest * tangent)

    @torch.no_grad()
    def tangent(self, amount: float) -> Float[Tensor, "n k d"]:
        """The tangent at the first code whose geodesic leads straight to where the way leads in strides."""
        code, tangent = self.knots[1][0]
        if abs(amount) <= self.stride:
            return amount * tangent
        end = self.at(amount)
        straight = self.space.tangent(code, end)  # radius * sin(angle) long
        length, radius = straight.norm(dim=-1, keepdim=True), code.norm(dim=-1, keepdim=True)
        angle = torch.atan2(length, (code * end).sum(-1, keepdim=True) / radius)
        moving = tangent.abs().amax(-1, keepdim=True) > 0
        return straight * moving * (angle * radius / length.clamp(min=1e-12))

    def _tangent(self, code: Tensor) -> Tensor:
        tangents = [carry(vector, kind, self.space, code) for kind, vector in self.vectors.items()]
        return torch.stack(tangents).sum(0)


def carry(
    vector: Float[Tensor, "#n l e"], kind: str, space: Space, code: Float[Tensor, "n k d"]
) -> Float[Tensor, "n k d"]:
    """A vector of space `kind` at a code of `space`. Raises LatentError where it cannot be carried over."""
    generator = space.generator
    if kind == space.kind or {kind, space.kind} in ({"z", "z+"}, {"w", "w+"}):
        return _rows(vector, space.shape[0]).expand(len(code), -1, -1)
    if kind in ("w", "w+") and space.kind in ("z", "z+"):
        return _pulled_back(_rows(vector, space.shape[0]).expand(len(code), -1, -1), space, code)
    if kind in ("w", "w+") and space.kind == "s":
        w = _rows(vector, generator.num_codes)
        change = [a - b for a, b in zip(generator.styles(w), generator.styles(torch.zeros_like(w)), strict=True)]
        return torch.cat(change, 1)[:, None].expand(len(code), -1, -1)
    raise LatentError(f"A direction of {kind} cannot be applied in {space.name}: learn it in w, which reaches all.")


def cosine(
    space: Space, before: Float[Tensor, "n k d"], after: Float[Tensor, "n k d"], vectors: dict[str, Tensor]
) -> Float[Tensor, " n"]:
    """How well the way in W from `before` to `after` agrees with the W directions that it was to follow.

    Over the layers that they move; 1 where there is nothing to carry over.
    """
    wanted = sum(_rows(x, space.shape[0]) for kind, x in vectors.items() if kind in ("w", "w+"))
    if space.kind not in ("z", "z+") or not isinstance(wanted, Tensor):
        return torch.ones(len(before), device=before.device)
    way = space.generator.map(after) - space.generator.map(before)
    way = way * (wanted.abs().amax(-1, keepdim=True) > 0)
    return torch.cosine_similarity(way.flatten(1), wanted.expand_as(way).flatten(1))


def _pulled_back(wanted: Float[Tensor, "n k w"], space: Space, code: Float[Tensor, "n k z"]) -> Float[Tensor, "n k z"]:
    """The tangents t with J t near `wanted`, each scaled so that J t has the length of `wanted` along it."""
    tangent, moving = torch.zeros_like(code), wanted.abs().amax((0, 2)) > 0
    if not moving.any():
        return tangent
    code, wanted = code[:, moving], wanted[:, moving]
    jacobian = mapping_jacobian(space.generator, code)
    pulled = space.tangent(code, damped_solve(jacobian, wanted, DAMPING))
    reached = (jacobian @ pulled[..., None])[..., 0]
    agreement = float(torch.cosine_similarity(reached, wanted, dim=-1).mean(1).min())
    if agreement < LEAST_COSINE:
        raise LatentError(f"This direction cannot be followed in {space.name} (cosine {agreement:.2f}): edit in w+.")
    progress = (reached * wanted).sum(-1) / wanted.square().sum(-1)
    tangent[:, moving] = pulled / progress.clamp(min=LEAST_PROGRESS)[..., None]
    return tangent


def _rows(vector: Tensor, rows: int) -> Tensor:
    """The vector for one code or for all: repeated, or averaged over the layers that it moves."""
    if rows > 1:
        return vector.expand(-1, rows, -1)
    moving = vector.abs().amax(-1, keepdim=True) > 0  # [N, L, 1]
    return vector.sum(1, keepdim=True) / moving.sum(1, keepdim=True).clamp(min=1)
