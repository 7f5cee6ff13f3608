"""What finders of directions take: one record for all, so that they have one signature."""

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
    """w codes of images that a person sorted.

    Attributes:
        positive: [P, w_dim], with the attribute.
        negative: [Q, w_dim], without it.
    """

    positive: Float[Tensor, "p w"]
    negative: Float[Tensor, "q w"]


UNSCORED = Scored(torch.empty(0, 0), {}, lambda pixels: {})
NO_EXAMPLES = Examples(torch.empty(0, 0), torch.empty(0, 0))


@dataclass(frozen=True, eq=False)
class Search:
    """What a finder of directions may use. `FINDERS` says which fields each finder needs or reads.

    Attributes:
        name: Name of the direction; several are numbered.
        attribute: The score in `scored` that the direction raises.
        scored: Scored samples of the prior.
        examples: Codes of sorted images.
        space: The space that is searched: "z", "w" or "s".
        fraction: In (0, 0.5], the share of samples at either end that is used; None for the finder's default.
        layers: The codes first..last-1 that move (a direction of Z+ or W+), or None for all. The first codes decide
            pose and shape; the others mostly change colours.
        conditioned_on: Directions of the same space that are projected out.
        count: How many directions are found, 1..w_dim.
        seed: Of the finder's random samples.

    Raises:
        ZplusError: `fraction` is out of range, or a direction of another space is to be projected out.
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
        """The names of the fields that differ from their defaults."""
        return {x.name for x in fields(self) if getattr(self, x.name) != x.default}
