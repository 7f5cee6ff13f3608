"""What finders of directions are given: one record for all of them, so that they have one signature."""

from dataclasses import dataclass, fields

import torch
from jaxtyping import Float
from torch import Tensor

from zplus.direction import Direction
from zplus.editing.scored import Scored
from zplus.errors import ZplusError
from zplus.spaces.registry import extended


@dataclass(frozen=True, eq=False)
class Examples:
    """w codes of images that a person sorted: positive [P, w_dim] with an attribute, negative [Q, w_dim] without."""

    positive: Float[Tensor, "p w"]
    negative: Float[Tensor, "q w"]


UNSCORED = Scored(torch.empty(0, 0), {}, lambda pixels: {})
NO_EXAMPLES = Examples(torch.empty(0, 0), torch.empty(0, 0))


@dataclass(frozen=True, eq=False)
class Search:
    """All that a finder may read; which of it each one needs or reads is said in FINDERS.

    name: of the direction; where several are found they are numbered. attribute: whose scores in `scored` the direction
    raises. space: the kind that is searched. fraction: in (0, 0.5], the share of samples that count as extremes, None
    for the finder's own. layers: the codes first..last-1 that move, as a direction of Z+ or W+, or None for all; pose
    and shape are decided by the first ones, and the others would only tint. conditioned_on: directions of the same
    space that are projected out. count: how many directions are found, at most w_dim. seed: of what the finder draws.
    Raises ZplusError for another fraction, and where a direction of another space is to be projected out.
    """

    name: str = ""
    attribute: str = ""
    scored: Scored = UNSCORED
    examples: Examples = NO_EXAMPLES
    space: str = "w"
    fraction: float | None = None
    layers: tuple[int, int] | None = None
    conditioned_on: tuple[Direction, ...] = ()
    count: int = 0
    seed: int = 1

    def __post_init__(self) -> None:
        if self.fraction is not None and not 0 < self.fraction <= 0.5:
            raise ZplusError(f"The fraction is {self.fraction}, but must lie above 0 and be 0.5 at most.")
        for other in self.conditioned_on:
            if extended(other.space) != extended(self.space):
                raise ZplusError(f"{other.name} is no direction of {self.space}: it cannot be projected out there.")

    @property
    def given(self) -> set[str]:
        """The names of what differs from its default."""
        return {x.name for x in fields(self) if getattr(self, x.name) != x.default}
