"""Apply directions to an inverted code, and move its feature map along."""

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, get_args

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from zplus.direction import MOST, Direction
from zplus.editing.builtin import belongs, find_direction
from zplus.editing.transport import EditPath, cosine, onto_rows, w_rows
from zplus.editing.warping import with_code
from zplus.errors import LatentError, UnknownNameError, ZplusError
from zplus.execution import Execution, Renderer
from zplus.generators import Generator, State
from zplus.generators.contract import fingerprint
from zplus.latent import MAX_STRENGTH, Edit, FeatureMove, Latent, Move, Point
from zplus.spaces import Space, convert, make_space, same_chart, space_class, space_of
from zplus.spaces.registry import extended, straight
from zplus.spaces.rendering import edited_space, masked, rendered
from zplus.spaces.sphere import angles

ROUNDING = 1e-9  # 0.1 + 0.2 - 0.3 is no edit


def edit(
    generator: Generator,
    latent: Latent,
    strengths: Mapping[str, Any] | Mapping[Direction, Any],
    layers: tuple[int, int] | None = None,
    feature: FeatureMove | None = None,
    mask: Tensor | np.ndarray | None = None,
    move: Move | None = None,
) -> Latent:
    """Add edits to a latent.

    All edits act jointly on the inverted code: their order does not matter, edits by the same direction add up, and
    strengths that sum to 0 give the reconstruction.

    Args:
        generator: The generator that the latent belongs to.
        latent: N rows. Its own edits are kept, and these are added.
        strengths: Strength by direction, or by a direction's name or file, in standard deviations of the attribute. A
            sum beyond 10, of either sign, acts as 10, with a warning.
        layers: The codes first..last-1 that move; None for all.
        feature: How F follows in F/X spaces. "moved" is head(edited code) + the detail of F, warped along the motion
            between the heads, and faded where no motion explains their difference. "added" is all of the detail, in
            its place. "fixed" leaves F as it is (the papers' form, where edits of codes below F have no effect). None
            keeps the latent's mode, "moved" at first.
        mask: Where the edits show, float [1 or N, 1, s, s] in [0, 1], of any side s; the reconstruction shows
            elsewhere. None keeps the latent's mask; without one, edits show in the regions of their directions.
        move: "straight" adds the direction in W or W+, so codes leave the sphere. "sphere" keeps codes of Z and Z+ on
            it, by the pull-back through the mapping network (`EditPath`). None keeps the latent's mode, at first
            "straight", or "sphere" while an edit's direction is not of W.

    Returns:
        A new latent. A row that cannot follow a direction on the sphere stays as it is, with a warning.

    Raises:
        UnknownNameError: There is no such direction, feature mode or move.
        LatentError: A direction belongs to another generator, or no row can follow it.
        ZplusError: A strength is not a number, or the mask has a wrong shape.
    """
    return Editor(generator, latent).edit(strengths, layers, feature, mask, move)


class Editor:
    """A latent opened for many edits: what the edits share is computed once.

    Args:
        generator: The generator that the latent belongs to.
        latent: N rows, with or without edits.
        execution: How `image` runs the networks; None is eager fp32, as in `render`.
    """

    def __init__(self, generator: Generator, latent: Latent, execution: Execution | None = None):
        self.latent, self.space, self.execution = latent, space_of(generator, latent), execution
        self.point = latent.inverted.contiguous_copy(generator.device)
        self._starts: dict[Move, _Start] = {}

    def edit(
        self,
        strengths: Mapping[str, Any] | Mapping[Direction, Any],
        layers: tuple[int, int] | None = None,
        feature: FeatureMove | None = None,
        mask: Tensor | np.ndarray | None = None,
        move: Move | None = None,
    ) -> Latent:
        """As the function `edit`. After the first edit by a direction, further strengths of it are fast."""
        generator, moved = self.space.generator, feature or self.latent.feature
        if moved not in get_args(FeatureMove):
            raise UnknownNameError("move of F", moved, get_args(FeatureMove))
        where = self.latent.mask if mask is None else checked_mask(mask, len(self.latent))
        wanted = list(self.latent.edits)
        for key, strength in strengths.items():
            direction = key if isinstance(key, Direction) else find_direction(str(key), generator)
            wanted.append(Edit(direction, _number(strength, direction.name), layers))
        edits = [_checked(one, generator) for one in _added_up(wanted)]
        move = self._move(edits, move)
        edited = self._start(move).moved(edits, moved) if edits else None
        found = replace(self.latent, edits=tuple(edits), edited=edited, feature=moved, mask=where, move=move)
        for one in edits:
            self._warn_of(one, found)
        return found

    def _move(self, edits: Sequence[Edit], asked: Move | None) -> Move:
        """The move to use; `asked` is None where the caller leaves it open. Raises UnknownNameError."""
        if asked not in (None, *get_args(Move)):
            raise UnknownNameError("move", str(asked), get_args(Move))
        if asked is not None:
            return asked
        if not _are_of_w(edits):
            return "sphere"
        return self.latent.move if _are_of_w(self.latent.edits) else "straight"  # what held it on the sphere is gone

    def _warn_of(self, one: Edit, edited: Latent) -> None:
        """Warn where an edit differs from what was asked. Raises LatentError where no row can follow its direction."""
        name, end = one.direction.name, self._start(edited.move).path(one).reached(_limited(one.strength))
        if end.lost.all():
            message = f"{name} cannot be followed in {self.space.name} (cosine {float(end.cosine.max()):.2f})"
            raise LatentError(f"The direction {message}: move straight, or edit in w+.")
        if end.lost.any():
            rows = ", ".join(str(i) for i in end.lost.nonzero()[:, 0].tolist())
            warnings.warn(f"Of these latents {rows} cannot follow {name} and stay as they are.", stacklevel=3)
        if abs(one.strength) > MOST:
            message = f"The strength of {name} was cut from {one.strength:g} to {_limited(one.strength):g} deviations"
            turned = f"; codes turned by {max(angle_degrees(edited)):.0f} degrees" if edited.move == "sphere" else ""
            warnings.warn(f"{message}{turned}.", stacklevel=3)

    def followed(self, edited: Latent) -> list[bool]:
        """For each row of a latent that `edit` returned: whether it could follow all of its directions."""
        lost = torch.zeros(len(edited), dtype=torch.bool, device=self.space.generator.device)
        for one in edited.edits:
            lost = lost | self._start(edited.move).path(one).reached(_limited(one.strength)).lost
        return (~lost).tolist()

    @torch.inference_mode()
    def image(self, edited: Latent) -> Float[Tensor, "n 3 r r"]:
        """Render a latent that `edit` returned.

        Returns:
            Images [N, 3, R, R] in [-1, 1], RGB. The first call may compile networks.
        """
        if self.execution is None or self.latent.added:
            return rendered(self.space, edited)
        if edited.edited is None:
            return self._reconstruction
        point = edited.edited.contiguous_copy(self.space.generator.device)
        image = self._rendered(edited_space(self.space, edited), point)
        return masked(edited, image, lambda: self._reconstruction)

    @cached_property
    def _reconstruction(self) -> Tensor:
        return self._rendered(self.space, self.point)

    def _rendered(self, space: Space, point: Point) -> Tensor:
        return self._renderer(space.inputs(point.code), point.state).clamp(-1, 1)

    @cached_property
    def _renderer(self) -> Renderer:
        assert self.execution is not None
        return Renderer(self.space, self.execution)

    def _start(self, move: Move) -> "_Start":
        if move not in self._starts:
            space = straight(self.space) if move == "straight" else self.space
            self._starts[move] = _Start(space, convert(self.space, self.point, space)[0])
        return self._starts[move]


class _Start:
    """The inverted point in the space of its edits, and the edit paths that start there."""

    def __init__(self, space: Space, point: Point):
        self.space, self.point = space, point
        self._paths: dict[tuple[str, ...], EditPath] = {}

    @torch.no_grad()
    def moved(self, edits: Sequence[Edit], feature: FeatureMove) -> Point:
        """The point after all edits at once."""
        tangents = [self.path(one).tangent(_limited(one.strength)) for one in edits]
        code = self.space.move(self.point.code, torch.stack(tangents).sum(0))
        point = with_code(self.space, self.point, code, feature, self._head)
        if not all(x.isfinite().all() for x in point.tensors.values()):
            raise LatentError("This edit leads to values that are not numbers: the latent or a direction is damaged.")
        return point

    def path(self, one: Edit) -> EditPath:
        """The path along an edit's direction, on its layers."""
        key = _identity(one)
        if key not in self._paths:
            self._paths[key] = EditPath(self.space, self.point.code, *_vectors(one, self.space))
        return self._paths[key]

    @cached_property
    def _head(self) -> State | None:
        """head(inverted code), in an F/X space."""
        return None if self.space.layer is None else self.space.head(self.point.code)


def angle_degrees(latent: Latent) -> list[float]:
    """How far the edits turned each row on the sphere.

    Returns:
        N angles in degrees, each the largest over the row's z codes; 0 where edits moved straight or codes are not in
        Z.
    """
    if latent.edited is None or latent.move == "straight" or not space_class(latent.space).has_angles:
        return [0.0] * len(latent)
    before, after = latent.inverted.code, latent.edited.code
    return angles(before.to(after), after).amax(1).tolist()


@torch.no_grad()
def cosine_reached(generator: Generator, latent: Latent) -> list[float]:
    """How well the movement in W agrees with the edits' directions, row by row.

    Directions of the latent's own space count as the movement that each makes by itself.

    Returns:
        N cosines. They are 1 for straight edits and in spaces where directions apply exactly.
    """
    if latent.edited is None or latent.move == "straight":
        return [1.0] * len(latent)
    space = space_of(generator, latent)
    vectors = [(_limited(one.strength), *_vectors(_checked(one, generator), space)[:2]) for one in latent.edits]
    if space.linear or all(same_chart(source, space) for _, source, _ in vectors):
        return [1.0] * len(latent)
    before, after = (point.code.to(generator.device) for point in (latent.inverted, latent.edited))
    first = space.to_w(before)

    def way(strength: float, source: Space, vector: Tensor) -> Tensor:
        if not same_chart(source, space):
            return strength * onto_rows(vector, w_rows(space))
        return space.to_w(space.move(before, strength * onto_rows(vector, space.shape[0]))) - first

    return cosine(space, before, after, sum((way(*one) for one in vectors), torch.zeros_like(first))).tolist()


def _are_of_w(edits: Sequence[Edit]) -> bool:
    return all(space_class(one.direction.space).has_w_vectors for one in edits)


def _checked(one: Edit, generator: Generator) -> Edit:
    """The edit, if its direction belongs to this generator. Raises LatentError."""
    name = one.direction.name
    if not belongs(one.direction, generator):
        raise LatentError(f"The direction {name} belongs to another generator than {generator.name}.")
    return one


def checked_mask(mask: object, rows: int) -> Float[Tensor, "n 1 s s"]:
    """A mask for every row in [0, 1], from any numbers of that shape. Raises ZplusError."""
    if isinstance(mask, np.ndarray) and mask.dtype.kind in "buif":
        mask = torch.from_numpy(mask.astype(np.float32, "C"))  # torch takes no flipped or big-endian arrays
    found = mask.float() if isinstance(mask, Tensor) else torch.empty(0)
    fits = (
        found.ndim == 4
        and found.numel() > 0
        and found.shape in [(n, 1, found.shape[-1], found.shape[-1]) for n in (1, rows)]
    )
    if not fits or not found.isfinite().all():
        wanted = f"numbers in [0, 1] of [1 or {rows}, 1, side, side]"
        raise ZplusError(f"The mask is {list(getattr(mask, 'shape', []))}, but must be {wanted}.")
    return found.clamp(0, 1).expand(rows, -1, -1, -1)


def _number(strength: object, name: str) -> float:
    """A strength as a float of at most MAX_STRENGTH in size. Raises ZplusError."""
    try:
        found = float(strength)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        found = math.nan
    if math.isnan(found):
        raise ZplusError(f"The strength of {name} is not a number: give standard deviations, such as 1.5.")
    return min(max(found, -MAX_STRENGTH), MAX_STRENGTH)


def _limited(strength: float) -> float:
    """The strength clamped to at most MOST standard deviations of either sign."""
    return min(max(strength, -MOST), MOST)


def _vectors(one: Edit, space: Space) -> tuple[Space, Tensor, Tensor | None]:
    """The space of an edit's direction, its vector [1, K, D] on the edit's range of codes, and the excluded ones."""
    source, device = make_space(one.direction.space, space.generator), space.generator.device
    vector, excluded = one.direction.vector[None].to(device), one.direction.excluded
    if one.layers is not None:
        space.layer_mask(one.layers)  # raises where the latent has one code for all layers
        vector = vector * make_space(extended(source.kind), space.generator).layer_mask(one.layers)
    return source, vector, None if excluded is None else excluded.to(device)


def _added_up(edits: Sequence[Edit]) -> list[Edit]:
    """One edit for each direction and range, without those whose strengths cancel, in an order of its own."""
    total: dict[tuple[str, ...], Edit] = {}
    for one in edits:
        key = _identity(one)
        strength = one.strength + (total[key].strength if key in total else 0.0)
        total[key] = one._replace(strength=_number(strength, one.direction.name))
    return [total[key] for key in sorted(total) if not abs(total[key].strength) < ROUNDING]


def _identity(one: Edit) -> tuple[str, ...]:
    """What makes two edits the same but for their strength."""
    return one.direction.name, one.direction.space, fingerprint(one.direction.tensors), str(one.layers)
