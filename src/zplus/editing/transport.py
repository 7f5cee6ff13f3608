"""One direction in every space: a vector of the space it was found in becomes a tangent at a code of another.

A vector of W goes wherever a space says how its codes move along W: to Z and Z+ by the damped pull-back through the
mapping network, to S by the affine layers. One unit is one unit everywhere: where the way bends, it is measured in W.
"""

import math
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from zplus.errors import LatentError
from zplus.spaces import Space, same_chart
from zplus.spaces.mapping import jvp

MIN_PROGRESS = 0.1  # of a pull-back along the direction: no tangent is scaled by more than its inverse
MIN_COSINE = 0.3  # between the move of w and the direction, where those that come along have 0.6 to 0.8
STRIDE = 0.5  # units after which the vector is transported anew, because f is not linear over 20 degrees


class Waypoint(NamedTuple):
    """A code [N,K,D], the tangent of one unit there, and the least cosine of each row so far [N]."""

    code: Tensor
    tangent: Tensor
    cosine: Tensor

    @property
    def lost(self) -> Bool[Tensor, " n"]:
        """The rows that cannot follow."""
        return self.cosine < MIN_COSINE


class EditPath:
    """The way of a code along a vector, and against it.

    In another chart than the vector's, one that is not linear, the vector is transported to the code reached after
    every stride, and the length of a stride is such that w has come as many units along the vector as were asked for.
    Elsewhere one stride is exact. What was computed for one amount is kept for the next. A row whose w would leave the
    direction (MIN_COSINE) stays at its first code. Raises LatentError for a vector that has no meaning in the space.
    """

    def __init__(
        self,
        space: Space,
        code: Float[Tensor, "n k d"],
        source: Space,
        vector: Float[Tensor, "1 l e"],
        excluded: Float[Tensor, "m l e"] | None = None,
    ):
        self.space, self.native = space, same_chart(source, space)
        if not (self.native or source.has_w_vectors):
            message = f"A direction of {source.kind} cannot be applied in {space.name}"
            raise LatentError(f"{message}: learn it in w, which reaches all.")
        self.bends = not (self.native or space.linear)
        rows = space.shape[0] if self.native else w_rows(space)
        self.vector = onto_rows(vector, rows)  # [1, K, E], or [1, K, w_dim]
        self.excluded = None if excluded is None else onto_rows(excluded, rows)
        self.stride = STRIDE if self.bends else math.inf
        with torch.no_grad():
            self.first_w = space.to_w(code) if self.bends else code
            begin = self._waypoint(code, torch.ones(len(code), device=code.device))
        self.waypoints = {1: [begin], -1: [begin]}  # on either side, after each stride

    @torch.no_grad()
    def at(self, amount: float) -> Float[Tensor, "n k d"]:
        """The code after `amount` times the vector."""
        waypoints, last = self._until(amount)
        gone = math.copysign(last * self.stride, amount) if last else 0.0
        moved = self._moved(waypoints[last], gone, amount)
        return torch.where(waypoints[last].lost[:, None, None], waypoints[0].code, moved)

    @torch.no_grad()
    def tangent(self, amount: float) -> Float[Tensor, "n k d"]:
        """The tangent at the first code whose geodesic leads straight to where the way leads in strides."""
        begin = self.waypoints[1][0]
        return self.space.log(begin.code, self.at(amount)) if self.bends else amount * begin.tangent

    def reached(self, amount: float) -> Waypoint:
        """The last waypoint before an amount, which tells how well each row follows the vector so far."""
        waypoints, last = self._until(amount)
        return waypoints[last]

    def _until(self, amount: float) -> tuple[list[Waypoint], int]:
        """The waypoints of the side of an amount, and the index of the last one before it."""
        side = -1 if amount < 0 else 1
        waypoints, last = self.waypoints[side], max(math.ceil(abs(amount) / self.stride) - 1, 0)
        while len(waypoints) <= last:
            gone = side * (len(waypoints) - 1) * self.stride
            code = self._moved(waypoints[-1], gone, gone + side * self.stride)
            waypoints.append(self._waypoint(code, waypoints[-1].cosine))
        return waypoints, last

    @torch.no_grad()
    def _waypoint(self, code: Tensor, cosine: Tensor) -> Waypoint:
        vector = self.vector.expand(len(code), -1, -1)
        if self.native:
            return Waypoint(code, vector, cosine)
        tangent = self.space.tangent_along(code, vector, self.excluded)
        if not self.bends:
            return Waypoint(code, tangent, cosine)
        reached = jvp(self.space.to_w, code, tangent)
        cosine = cosine.minimum(_agreement(reached, vector))
        return Waypoint(code, tangent / _along(reached, vector).clamp(min=MIN_PROGRESS), cosine)

    @torch.no_grad()
    def _moved(self, waypoint: Waypoint, gone: float, amount: float) -> Tensor:
        """From a code after `gone` units to the one after `amount`, the length corrected by how far w came along."""
        code, tangent, _ = waypoint
        length = torch.full_like(tangent[..., :1], amount - gone)  # [N, K, 1]
        moved = self.space.move(code, length * tangent)
        if not self.bends:
            return moved
        before = _along(self.space.to_w(code) - self.first_w, self.vector)
        after = _along(self.space.to_w(moved) - self.first_w, self.vector)
        share = torch.nan_to_num((after - before) / (amount - before), 1.0)
        return self.space.move(code, length / share.clamp(0.5, 2) * tangent)  # no further where f bends much


@torch.no_grad()
def cosine(
    space: Space, before: Float[Tensor, "n k d"], after: Float[Tensor, "n k d"], wanted: Float[Tensor, "1 _ w"]
) -> Float[Tensor, " n"]:
    """How well the way in W from `before` to `after` agrees with a vector of W, over the layers that this moves."""
    way = space.to_w(after) - space.to_w(before)
    way = way * (wanted.abs().amax(-1, keepdim=True) > 0)
    return torch.cosine_similarity(way.flatten(1), wanted.expand_as(way).flatten(1))


def w_rows(space: Space) -> int:
    """How many w the codes of a space have: one, or one for each layer."""
    return space.generator.num_codes if space.extended else 1


def onto_rows(vector: Float[Tensor, "n _ d"], rows: int) -> Float[Tensor, "n {rows} d"]:
    """A vector for one code or for all: averaged over the layers that it moves, or repeated."""
    if rows > 1:
        return vector.expand(-1, rows, -1)
    moving = vector.abs().amax(-1, keepdim=True) > 0  # [N, L, 1]
    return vector.sum(1, keepdim=True) / moving.sum(1, keepdim=True).clamp(min=1)


def _along(way: Float[Tensor, "n k w"], vector: Float[Tensor, "#n k w"]) -> Float[Tensor, "n k 1"]:
    """How many times the vector a way in W goes along it, code by code; 0 where the vector is."""
    return (way * vector).sum(-1, keepdim=True) / vector.square().sum(-1, keepdim=True).clamp(min=1e-12)


def _agreement(way: Float[Tensor, "n k w"], vector: Float[Tensor, "n k w"]) -> Float[Tensor, " n"]:
    """The mean cosine between a way and the vector over the codes that it moves; 1 where it moves none."""
    moving = vector[0].abs().amax(-1) > 0
    found = torch.cosine_similarity(way[:, moving], vector[:, moving], dim=-1)
    return found.mean(1) if moving.any() else torch.ones(len(way), device=way.device)
