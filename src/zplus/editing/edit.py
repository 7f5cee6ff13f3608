"""Editing: moving an inverted code along directions, and its feature map with it."""

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import get_args

import torch
from jaxtyping import Float
from torch import Tensor

from zplus.direction import Direction
from zplus.editing.builtin import belongs, find_direction
from zplus.editing.follow import with_code
from zplus.editing.layers import inside
from zplus.editing.transport import Way, cosine
from zplus.errors import LatentError, UnknownNameError, ZplusError
from zplus.execution import Execution, Renderer
from zplus.generators import Generator, State
from zplus.generators.contract import fingerprint
from zplus.latent import Edit, FeatureMove, Latent, Point
from zplus.spaces import Space, space_of, state_of
from zplus.spaces.render import masked, rendered
from zplus.spaces.sphere import angles

LIMIT = 10.0  # standard deviations; further out no generator shows a face
ROUNDING = 1e-9  # 0.1 + 0.2 - 0.3 is no edit


def edit(
    generator: Generator,
    latent: Latent,
    strengths: Mapping[str, float] | Mapping[Direction, float],
    layers: tuple[int, int] | None = None,
    feature: FeatureMove | None = None,
    mask: Float[Tensor, "#n 1 s s"] | None = None,
) -> Latent:
    """The latent with these edits added to those it has, by direction or its name or file, in standard deviations.

    All edits act jointly on the inverted code, so their order does not matter, equal ones add up, and a sum of 0 is
    the reconstruction itself. `layers` limits them to the codes first..last-1. In F/X spaces F moves with the edit:
    feature "moved" gives head(edited code) + the detail of F, warped along the motion between the heads; "added" the
    same unwarped, F + head(edited code) - head(inverted code); "fixed" leaves F as it is (the papers' form, in which an
    edit carried by the codes below F cannot show). None is what the latent had, at first "moved".
    mask: where the edits show, in [0,1] and of any side; outside it is the reconstruction. None is what the latent had.
    A strength beyond 10 deviations is cut to them, with a warning. Raises UnknownNameError, LatentError, ZplusError.
    """
    return Editor(generator, latent).edit(strengths, layers, feature, mask)


class Editor:
    """A latent opened for many edits: what they share is computed once.

    execution: how its pictures are rendered; None is as `render` does it, eagerly in fp32.
    """

    def __init__(self, generator: Generator, latent: Latent, execution: Execution | None = None):
        self.latent, self.space, self.execution = latent, space_of(generator, latent), execution
        self.point = latent.inverted.plain(generator.device)
        self._ways: dict[tuple[str, ...], Way] = {}

    def edit(
        self,
        strengths: Mapping[str, float] | Mapping[Direction, float],
        layers: tuple[int, int] | None = None,
        feature: FeatureMove | None = None,
        mask: Float[Tensor, "#n 1 s s"] | None = None,
    ) -> Latent:
        """See `edit`. Once a direction was applied, other strengths of it are quick, beside other directions too."""
        generator, moved = self.space.generator, feature or self.latent.feature
        if moved not in get_args(FeatureMove):
            raise UnknownNameError("move of F", moved, get_args(FeatureMove))
        if mask is not None and (mask.ndim != 4 or mask.shape[1] != 1 or not mask.isfinite().all()):
            raise ZplusError(f"The mask is {tuple(mask.shape)}, but must be numbers in [0, 1] of [N, 1, side, side].")
        where = self.latent.mask if mask is None else mask.clamp(0, 1).expand(len(self.latent), -1, -1, -1)
        wanted = list(self.latent.edits)
        for key, strength in strengths.items():
            direction = find_direction(key, generator) if isinstance(key, str) else key
            wanted.append(Edit(direction, float(strength), layers))
        wanted = _added_up(wanted)
        edits = [_checked(one, generator) for one in wanted]
        edited = self._moved(edits, moved) if edits else None
        found = replace(self.latent, edits=tuple(edits), edited=edited, feature=moved, mask=where)
        for one in wanted:
            if abs(one.strength) > LIMIT:
                told = f"The strength of {one.direction.name} was cut from {one.strength:g} to {LIMIT:g} deviations"
                warnings.warn(f"{told}; codes turned by {max(angle_degrees(found)):.0f} degrees.", stacklevel=2)
        return found

    @torch.inference_mode()
    def picture(self, edited: Latent) -> Float[Tensor, "n 3 r r"]:
        """The picture of a latent that `edit` gave, RGB in [-1, 1]; the first one may have to be compiled for."""
        if self.execution is None or self.latent.added:
            return rendered(self.space, edited)
        image = self._rendered(edited.point.plain(self.space.generator.device))
        return image if edited.edited is None else masked(edited.mask, image, lambda: self._reconstruction)

    @cached_property
    def _reconstruction(self) -> Tensor:
        return self._rendered(self.point)

    def _rendered(self, point: Point) -> Tensor:
        return self._renderer(self.space.signals(point.code), state_of(point)).clamp(-1, 1)

    @cached_property
    def _renderer(self) -> Renderer:
        assert self.execution is not None
        return Renderer(self.space, self.execution)

    @torch.no_grad()
    def _moved(self, edits: Sequence[Edit], feature: FeatureMove) -> Point:
        tangents = [self._way(one).tangent(one.strength) for one in edits]
        code = self.space.move(self.point.code, torch.stack(tangents).sum(0))
        point = with_code(self.space, self.point, code, feature, self._head)
        if not all(x.isfinite().all() for x in point if x is not None):
            raise LatentError("This edit leads to values that are not numbers: the latent or a direction is damaged.")
        return point

    def _way(self, one: Edit) -> Way:
        key = _identity(one)
        if key not in self._ways:
            self._ways[key] = Way(self.space, self.point.code, _summed([one._replace(strength=1.0)], self.space))
        return self._ways[key]

    @cached_property
    def _head(self) -> State | None:
        """head(inverted code), in an F/X space."""
        return None if self.space.layer is None else self.space.head(self.point.code)


def angle_degrees(latent: Latent) -> list[float]:
    """How far the edits turned each row: the largest angle of its z codes; 0 in spaces without angles."""
    if latent.edited is None or latent.space.removeprefix("f/") not in ("z", "z+"):
        return [0.0] * len(latent)
    before, after = latent.inverted.code, latent.edited.code
    return angles(before.to(after), after).amax(1).tolist()


@torch.no_grad()
def cosine_reached(generator: Generator, latent: Latent) -> list[float]:
    """How well each row's way in W agrees with its W directions: 1 in the spaces where they apply as they are."""
    if latent.edited is None:
        return [1.0] * len(latent)
    space, (before, after) = space_of(generator, latent), (latent.inverted.code, latent.edited.code)
    before, after = before.to(generator.device), after.to(generator.device)
    return cosine(space, before, after, _summed(latent.edits, space)).tolist()


def _checked(one: Edit, generator: Generator) -> Edit:
    """An edit that this generator can make, of at most LIMIT deviations."""
    name = one.direction.name
    if not belongs(one.direction, generator):
        raise LatentError(f"The direction {name} belongs to another generator than {generator.name}.")
    if math.isnan(one.strength):
        raise ZplusError(f"The strength of {name} is not a number: give standard deviations, such as 1.5.")
    return one._replace(strength=min(max(one.strength, -LIMIT), LIMIT))


def _summed(edits: Sequence[Edit], space: Space) -> dict[str, Tensor]:
    """The edits' vectors [1, K, D] times their strengths, added up by the space that they belong to."""
    vectors: dict[str, Tensor] = {}
    for one in edits:
        vector, kind = _limited(one, space).to(space.generator.device), one.direction.space
        vectors[kind] = vectors[kind] + vector if kind in vectors else vector
    return vectors


def _limited(one: Edit, space: Space) -> Tensor:
    """The vector [1, K, D] times its strength, on the edit's range of codes only."""
    vector = one.strength * one.direction.vector[None]
    return vector if one.layers is None else vector * inside(space, one.layers, one.direction.space).to(vector)


def _added_up(edits: Sequence[Edit]) -> list[Edit]:
    """One edit for each direction and range, without those whose strengths cancel, in an order of its own."""
    total: dict[tuple[str, ...], Edit] = {}
    for one in edits:
        key = _identity(one)
        strength = one.strength + (total[key].strength if key in total else 0.0)
        total[key] = one._replace(strength=strength)
    return [total[key] for key in sorted(total) if not abs(total[key].strength) < ROUNDING]


def _identity(one: Edit) -> tuple[str, ...]:
    """What makes two edits the same but for their strength."""
    return one.direction.name, one.direction.space, fingerprint({"": one.direction.vector}), str(one.layers)
