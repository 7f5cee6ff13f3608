"""Editing: moving an inverted code along directions, and its feature map with it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor

from zplus.direction import Direction
from zplus.editing.builtin import belongs, find_direction
from zplus.editing.follow import with_code
from zplus.editing.layers import inside
from zplus.editing.transport import cosine, travel
from zplus.errors import LatentError, ZplusError
from zplus.generators import Generator
from zplus.generators.contract import fingerprint
from zplus.latent import Edit, Latent, Point
from zplus.spaces import Space, space_of
from zplus.spaces.sphere import angles

LIMIT = 10.0  # standard deviations; further out no generator shows a face
FeatureMove = Literal["moved", "added", "fixed"]
ROUNDING = 1e-9  # 0.1 + 0.2 - 0.3 is no edit


def edit(
    generator: Generator,
    latent: Latent,
    strengths: Mapping[str, float] | Mapping[Direction, float],
    layers: tuple[int, int] | None = None,
    feature: FeatureMove | None = None,
) -> Latent:
    """The latent with these edits added to those it has, by direction or its name or file, in standard deviations.

    All edits act jointly on the inverted code, so their order does not matter, equal ones add up, and a sum of 0 is
    the reconstruction itself. `layers` limits them to the codes first..last-1. In F/X spaces F moves with the edit:
    feature "moved" gives head(edited code) + the detail of F, warped along the motion between the heads; "added" the
    same unwarped, F + head(edited code) - head(inverted code); "fixed" leaves F as it is (the papers' form, in which an
    edit carried by the codes below F cannot show). None is what the latent had, at first "moved".
    Raises UnknownNameError, LatentError, ZplusError.
    """
    space = space_of(generator, latent)
    edits, moved = list(latent.edits), feature or latent.feature
    for key, strength in strengths.items():
        direction = find_direction(key, generator) if isinstance(key, str) else key
        edits.append(Edit(direction, float(strength), layers))
    edits = _added_up(edits)
    for one in edits:
        name, strength = one.direction.name, one.strength
        if not belongs(one.direction, generator):
            raise LatentError(f"The direction {name} belongs to another generator than {generator.name}.")
        if not abs(strength) <= LIMIT:  # nor NaN
            raise ZplusError(f"The strength of {name} is {strength:g}, but must lie in -{LIMIT:g}..{LIMIT:g}.")
    edited = _moved(space, latent.inverted, edits, moved) if edits else None
    return replace(latent, edits=tuple(edits), edited=edited, feature=moved)


def angle_degrees(latent: Latent) -> list[float]:
    """How far the edits turned each row: the largest angle of its z codes; 0 in spaces without angles."""
    if latent.edited is None or latent.space.removeprefix("f/") not in ("z", "z+"):
        return [0.0] * len(latent)
    return angles(latent.inverted.code, latent.edited.code).amax(1).tolist()


@torch.no_grad()
def cosine_reached(generator: Generator, latent: Latent) -> list[float]:
    """How well each row's way in W agrees with its W directions: 1 in the spaces where they apply as they are."""
    if latent.edited is None:
        return [1.0] * len(latent)
    space, (before, after) = space_of(generator, latent), (latent.inverted.code, latent.edited.code)
    before, after = before.to(generator.device), after.to(generator.device)
    return cosine(space, before, after, _summed(latent.edits, space)).tolist()


@torch.no_grad()
def _moved(space: Space, point: Point, edits: Sequence[Edit], feature: str) -> Point:
    point = point.plain(space.generator.device)
    code = travel(space, point.code, _summed(edits, space))
    return with_code(space, point, code, feature)


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


def _added_up(edits: list[Edit]) -> list[Edit]:
    """One edit for each direction and range, without those whose strengths cancel, in an order of its own."""
    total: dict[tuple[str, str, str, str], Edit] = {}
    for one in edits:
        key = (one.direction.name, one.direction.space, fingerprint({"": one.direction.vector}), str(one.layers))
        strength = one.strength + (total[key].strength if key in total else 0.0)
        total[key] = one._replace(strength=strength)
    return [total[key] for key in sorted(total) if not abs(total[key].strength) < ROUNDING]
