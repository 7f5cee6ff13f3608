"""A direction: the data and its file. The package `editing` finds and applies directions."""

import json
import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from zplus.errors import LatentError
from zplus.fields import check_plain, is_name
from zplus.records import Kind, read_record, write_record

KIND = Kind("direction", LatentError, damaged="is not a readable direction")
MOST = 10.0  # standard deviations; further out no generator shows a face
CORRECTION = "likeness"  # the method, and the name, of a direction that corrects other edits
UNMEASURED = (-1.5, 1.5)  # strengths that most faces bear: the range of a direction that was not measured
Ellipse = tuple[float, float, float, float]  # x and y of its middle, and its radii along x and y
SPACE = r"[a-z]{1,8}\+?"  # what the name of a space looks like; whether there is one is seen where it is used


@dataclass(frozen=True, eq=False)
class Direction:
    """A vector of one space of one generator.

    Attributes:
        name: Its name.
        space: The space that it was found in: "z", "z+", "w", "w+" or "s".
        vector: [K, D], K = 1 or the number of codes. Moving by it changes the attribute's score by one standard
            deviation over the prior.
        belongs_to: Fingerprint of the mapping network (Z, W) or of the whole generator (S).
        card: How it was found, and how well it separates fresh samples.
        excluded: [M, L, D], vectors that were projected out and that a move must not follow; or None.

    Raises:
        LatentError: A value has a wrong type or shape, is not finite, or larger than that of any direction; or the
            card tells a region that makes no sense.
    """

    name: str
    space: str
    vector: Tensor
    belongs_to: str
    card: dict[str, Any] = field(default_factory=dict)
    excluded: Tensor | None = None

    def __post_init__(self) -> None:
        message = f"The direction {str(self.name)[:60]!r} is damaged"
        texts = is_name(self.name) and is_name(self.belongs_to) and isinstance(self.card, dict)
        texts = texts and is_name(self.card.get("attribute", ""))
        texts = texts and isinstance(self.space, str) and re.fullmatch(SPACE, self.space) is not None
        numbers = _are_numbers(self.vector, 2) and (self.excluded is None or _are_numbers(self.excluded, 3))
        if not texts or not numbers:
            raise LatentError(f"{message}: it needs a short name, and finite numbers [K, D] of a space such as w.")
        try:
            check_plain("its card", self.card)
        except ValueError as error:
            raise LatentError(f"{message}: {error}.") from None
        _ = self.region  # now, so that no latent holds an edit that cannot be rendered

    @property
    def tensors(self) -> dict[str, Tensor]:
        """The tensors by name: "vector", and "excluded" if present."""
        return {"vector": self.vector} | ({} if self.excluded is None else {"excluded": self.excluded})

    @property
    def range(self) -> tuple[float, float] | None:
        """The strengths (low, high) between which faces stayed whole in measurements; None if not measured.

        Raises:
            LatentError: The card's range is not -10 <= low < 0 < high <= 10.
        """
        told = self._told("range", 2)
        if told is None:
            return None
        low, high = told
        if not -MOST <= low < 0 < high <= MOST:
            raise LatentError(f"The card of {self.name} tells a range that makes no sense: learn it again.")
        return low, high

    @property
    def corrects(self) -> bool:
        """Whether it corrects other edits, as `keep_identity` does, and so shows where they do."""
        return self.card.get("method") == CORRECTION

    @property
    def region(self) -> Ellipse | None:
        """Where edits by it show in an aligned picture; None is everywhere.

        They are whole inside an ellipse and fade out around it (`zplus.spaces.rendering.edit_mask`).

        Returns:
            x and y of its middle, and its radii along x and y, all as fractions of the picture's side.

        Raises:
            LatentError: The card's numbers are not in [0, 1], or a radius is 0.
        """
        told = self._told("region", 4)
        if told is None:
            return None
        x, y, wide, high = told
        if not (0 <= x <= 1 and 0 <= y <= 1 and 0 < wide <= 1 and 0 < high <= 1):
            raise LatentError(f"The card of {self.name} tells a region that makes no sense: learn it again.")
        return x, y, wide, high

    def _told(self, key: str, count: int) -> tuple[float, ...] | None:
        """So many numbers of the card; nan for what are none, and None where the card does not have them."""
        told = self.card.get(key)
        if told is None:
            return None
        try:
            found = tuple(map(float, told if isinstance(told, list | tuple) else []))
        except (TypeError, ValueError, OverflowError):
            found = ()
        return found if len(found) == count else (math.nan,) * count

    @property
    def unit(self) -> float:
        """The length of one unit of strength in the direction's space."""
        return float(self.vector.norm())


def save_direction(direction: Direction, path: str | Path) -> None:
    """Write a direction to a safetensors file.

    Raises:
        LatentError: It cannot be written there, or could not be read again.
    """
    header = {name: getattr(direction, name) for name in ("name", "space", "belongs_to")}
    write_record(path, KIND, header | {"card": json.dumps(direction.card)}, direction.tensors)


def load_direction(path: str | Path) -> Direction:
    """Read a direction that `save_direction` wrote. Nothing in the file is executed.

    Raises:
        LatentError: The file is missing, damaged or of another kind.
    """
    with read_record(path, KIND) as (header, tensors):
        card, excluded = json.loads(header["card"]), tensors.get("excluded")
        return Direction(header["name"], header["space"], tensors["vector"], header["belongs_to"], card, excluded)


def _are_numbers(x: Tensor, dimensions: int) -> bool:
    return x.is_floating_point() and x.ndim == dimensions and bool(x.float().isfinite().all())
