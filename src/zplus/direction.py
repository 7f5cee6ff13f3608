"""A direction of editing: the data and its file; finding and applying directions is the business of `editing`."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from zplus.errors import LatentError
from zplus.records import Kind, read_record, write_record

KIND = Kind("direction", LatentError, damaged="is not a readable direction")
SPACES = ("z", "z+", "w", "w+", "s")


@dataclass(frozen=True, eq=False)
class Direction:
    """A vector of one space of one generator.

    space: "z", "z+", "w", "w+" or "s". vector: [K, D] with K = 1 or the number of codes, scaled so that moving by it
    changes the attribute's score by one standard deviation over the prior. belongs_to: the fingerprint of the mapping
    (z, w) or of the whole generator (s). card: how it was found and how well it separates fresh samples.
    """

    name: str
    space: str
    vector: Tensor
    belongs_to: str
    card: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        texts = isinstance(self.name, str) and isinstance(self.belongs_to, str) and isinstance(self.card, dict)
        texts = texts and isinstance(self.card.get("attribute", ""), str)
        numbers = self.vector.is_floating_point() and self.vector.ndim == 2 and self.vector.float().isfinite().all()
        if not texts or not numbers or self.space not in SPACES:
            told = f"The direction {str(self.name)[:60]!r} is damaged"
            raise LatentError(f"{told}: it needs finite numbers [K, D] of {SPACES}.")

    @property
    def unit(self) -> float:
        """The length of one unit of strength in its space."""
        return float(self.vector.norm())


def save_direction(direction: Direction, path: str | Path) -> None:
    """Write a direction to a safetensors file."""
    header = {name: getattr(direction, name) for name in ("name", "space", "belongs_to")}
    write_record(path, KIND, header | {"card": json.dumps(direction.card)}, {"vector": direction.vector})


def load_direction(path: str | Path) -> Direction:
    """Read a direction that `save_direction` wrote. Raises LatentError for anything else."""
    with read_record(path, KIND) as (header, tensors):
        card = json.loads(header["card"])
        return Direction(header["name"], header["space"], tensors["vector"], header["belongs_to"], card)
