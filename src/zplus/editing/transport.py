"""One direction in every space: a vector of one space becomes a tangent at a code of another.

A vector of W acts in Z and Z+ through the damped pull-back by the mapping network, and in S through the affine layers.
One unit is one unit of W in every space; where the path bends, it is measured in W.
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
    """A point of an edit path.

    Attributes:
        code: [N, K, D].
        tangent: [N, K, D], of one unit there.
        cosine: [N], the smallest cosine so far between the path in W and the vector.
    """

    code: Tensor
    tangent: Tensor
    cosine: Tensor

    @property
    def lost(self) -> Bool[Tensor, " n"]:
        """The rows that cannot follow the vector."""
        return self.cosine < MIN_COSINE


class EditPath:
    """The path of a code along a vector, in both directions.

    In a linear space, or in the vector's own, the path is exact in one step. In Z and Z+ a vector of W is transported
    to the code after every stride, and the stride's length is corrected so that w moves by the requested number of
    units. Results are cached for further amounts. A row whose cosine falls below MIN_COSINE stays at its first code.

    Args:
        space: The space of the code.
        code: [N, K, D], where the path starts.
        source: The space of the vector.
        vector: [1, K, D] of `source`.
        excluded: [M, K, D], vectors of `source` that the path must not follow.

    Raises:
        LatentError: The vector has no meaning in `space`.
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
            remedy = f"learn it in w, which reaches all, or move codes of {source.kind} on their sphere"
            raise LatentError(f"A direction of {source.kind} cannot be applied in {space.name}: {remedy}.")
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
        """The code [N, K, D] after `amount` units along the vector."""
        waypoints, last = self._until(amount)
        gone = math.copysign(last * self.stride, amount) if last else 0.0
        moved = self._moved(waypoints[last], gone, amount)
        return torch.where(waypoints[last].lost[:, None, None], waypoints[0].code, moved)

    @torch.no_grad()
    def tangent(self, amount: float) -> Float[Tensor, "n k d"]:
        """The tangent [N, K, D] at the first code whose geodesic ends where the path is after `amount` units."""
        begin = self.waypoints[1][0]
        return self.space.log(begin.code, self.at(amount)) if self.bends else amount * begin.tangent

    def reached(self, amount: float) -> Waypoint:
        """The last waypoint before `amount` units; it says how well each row follows the vector so far."""
        waypoints, last = self._until(amount)
        return waypoints[last]

    def _until(self, amount: float) -> tuple[list[Waypoint], int]:
        """The waypoints on this side, and the index of the last one before `amount` units."""
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
        """From the code after `gone` units to the one after `amount` units, its length corrected in W."""
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
    space: Space, before: Float[Tensor, "n k d"], after: Float[Tensor, "n k d"], wanted: Float[Tensor, "#n _ w"]
) -> Float[Tensor, " n"]:
    """The cosine [N] of the movement in W from `before` to `after` with a vector of W, over the layers it moves."""
    way = space.to_w(after) - space.to_w(before)
    way = way * (wanted.abs().amax(-1, keepdim=True) > 0)
    return torch.cosine_similarity(way.flatten(1), wanted.expand_as(way).flatten(1))


def w_rows(space: Space) -> int:
    """The number of w per code of a space: 1, or one per layer."""
    return space.generator.num_codes if space.extended else 1


def onto_rows(vector: Float[Tensor, "n _ d"], rows: int) -> Float[Tensor, "n {rows} d"]:
    """A vector with 1 or L rows as one with `rows` rows: repeated, or averaged over the layers that it moves."""
    if rows > 1:
        return vector.expand(-1, rows, -1)
    moving = vector.abs().amax(-1, keepdim=True) > 0  # [N, L, 1]
    return vector.sum(1, keepdim=True) / moving.sum(1, keepdim=True).clamp(min=1)


def _along(way: Float[Tensor, "n k w"], vector: Float[Tensor, "#n k w"]) -> Float[Tensor, "n k 1"]:
    """The movement in W in multiples of the vector, code by code; 0 where the vector is 0."""
    return (way * vector).sum(-1, keepdim=True) / vector.square().sum(-1, keepdim=True).clamp(min=1e-12)


def _agreement(way: Float[Tensor, "n k w"], vector: Float[Tensor, "n k w"]) -> Float[Tensor, " n"]:
    """The mean cosine of a movement and the vector over the codes that the vector moves; 1 where it moves none."""
    moving = vector[0].abs().amax(-1) > 0
    found = torch.cosine_similarity(way[:, moving], vector[:, moving], dim=-1)
    return found.mean(1) if moving.any() else torch.ones(len(way), device=way.device)
