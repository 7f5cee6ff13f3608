"""Drag: points of a face go where they are wanted, and the face follows (Pan et al. 2023, DragGAN, arXiv 2305.10973).

Each step moves the code so that the features around the handles shift towards their targets, and then looks where the
handles are. F moves with the code. A code found in Z+ moves along tangents of its sphere, so that the face stays a
face; codes of W+ and S move freely. The whole movement is one more edit of the latent, "drag": it adds up with the
others, is stored in the latent's file and can be undone.
"""

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from zplus.direction import Direction
from zplus.editing.editor import checked_mask, edit
from zplus.editing.following import Followed
from zplus.editing.warping import with_code
from zplus.errors import ZplusError
from zplus.generators import Generator, statistics
from zplus.latent import Latent, Move, Point
from zplus.spaces import convert, space_of
from zplus.spaces.registry import default_layer
from zplus.spaces.rendering import edited_space, masked

NAME = "drag"
STEPS = 30
STRIDE = 0.8  # length of the first step on the sphere, in deviations of the code over the prior
FREE_STRIDE = 0.4  # the same in W+ and S, where nothing else keeps a code near the prior
LONGER, SHORTER, RANGE = 1.3, 0.7, 2.0  # strides adapt so that handles move about a cell each, up to this factor
PATIENCE = 6  # steps without coming nearer, after which it ends: a code that is pushed on leaves the prior
RADIUS = 1 / 32  # of a patch, as a part of the picture's side
SEARCH = 1 / 24  # half a side of the square in which a handle is looked for, as a part of the picture's side
COARSE, LEAST = 16, 32  # the feature map has 1/16 of the picture's side, and 32 cells at least
KEPT, FIXED = 1.0, 20.0  # weights of features that stay: everywhere, and outside the mask (the paper's)
COMPLEXION = 1.0  # weight of the mean of each feature: shapes that move keep it, another light or skin does not
REACHED = 1 / 256  # of the picture's side: a handle this near to its target has arrived

Pair = tuple[float, float, float, float]  # x and y of a handle, x and y of its target


@dataclass(frozen=True)
class Dragged:
    """What the callback of `drag` is given after every step.

    Attributes:
        step: How many steps are done.
        steps: How many there are at most.
        handles: Where the handles are, [P, 2], x and y in pixels of the picture.
        distance: From the handles to their targets in pixels, the mean.
        picture: Renders the face as it is, [1, 3, R, R] in [-1, 1]. Call it before the callback returns.
    """

    step: int
    steps: int
    handles: Float[Tensor, "p 2"]
    distance: float
    picture: Callable[[], Tensor]


Callback = Callable[[Dragged], bool | None]


def drag(
    generator: Generator,
    latent: Latent,
    pairs: Sequence[Pair],
    mask: Tensor | np.ndarray | None = None,
    radius: float | None = None,
    steps: int = STEPS,
    move: Move | None = None,
    callback: Callback | None = None,
) -> Latent:
    """Move points of a picture to where they are wanted, by one more edit of its latent, "drag".

    Args:
        generator: The generator of the latent.
        latent: One row, with or without edits, in a space with one code per layer (z+, w+, s, with F or without).
        pairs: For each point x and y of the handle, and x and y of its target, in pixels of the picture from its upper
            left corner.
        mask: What may move, float [1, 1, s, s] in [0, 1], of any side s; None for everything.
        radius: Of the patch around a handle that moves as a whole, in pixels; None for 1/32 of the picture's side.
        steps: At most so many; it ends when all handles have arrived, or come no nearer.
        move: "straight" or "sphere", as in `edit`; None keeps the latent's.
        callback: Called after every step, in the caller's thread. True stops, and what was reached is kept. What it
            raises ends the work.

    Returns:
        A new latent: of all steps the one with the handles nearest to their targets.

    Raises:
        ZplusError: The latent is of another kind, or the points, the mask, the radius or the steps make no sense.
    """
    latent = edit(generator, latent, {}, move=move)
    if len(latent) != 1 or latent.added or not space_of(generator, latent).extended:
        raise ZplusError("Points of one face can be dragged, in a space with a code per layer: z+, w+ or s, or with F.")
    if latent.layer is not None and latent.feature == "fixed":
        raise ZplusError("F is fixed in this latent, so no shape can move: let it follow, by feature='moved'.")
    if steps < 1 or not (radius is None or 0 < radius < math.inf):
        raise ZplusError(f"A drag of {steps} steps and a radius of {radius} is none: both must be positive.")
    free = None if mask is None else checked_mask(mask, 1).to(generator.device)
    _check(pairs, [x for x in (free, latent.mask) if x is not None], generator.resolution)
    course = _Course(generator, latent)
    distance = _descend(course, _Goal(course, pairs, free, radius), steps, callback)
    card = {"method": "drag", "points": [list(map(float, pair)) for pair in pairs], "distance": round(distance, 2)}
    card |= {} if mask is None else {"masked": True}
    space = course.space
    direction = Direction(_unused_name(latent), space.kind, course.vector.cpu(), space.required_fingerprint, card)
    return edit(generator, latent, {direction: 1.0}, move=latent.move)


def _check(pairs: Sequence[Pair], masks: Sequence[Float[Tensor, "1 1 s s"]], side: int) -> None:
    """Refuse points that cannot be dragged, or not where a mask is black. Raises ZplusError."""
    if not pairs:
        raise ZplusError("No point is to be dragged: give a handle and a target.")
    for pair in pairs:
        if len(pair) != 4 or not all(0 <= number <= side for number in pair):
            raise ZplusError(f"The points {_said(pair)} do not lie in the picture of {side}x{side} pixels.")
        x, y, *target = pair
        if [x, y] == target:
            raise ZplusError(f"The point {_said((x, y))} is its own target: say where it is to go.")
        for mask in masks:
            column, row = (min(int(v * mask.shape[-1] / side), mask.shape[-1] - 1) for v in (x, y))
            if not mask[0, 0, row, column]:
                raise ZplusError(f"The point {_said((x, y))} lies where the mask lets nothing move: make that white.")


def _said(numbers: Sequence[float]) -> str:
    return ", ".join(f"{number:g}" for number in numbers)


def _unused_name(latent: Latent) -> str:
    used = {one.direction.name for one in latent.edits}
    return next(name for i in itertools.count(1) if (name := NAME if i == 1 else f"{NAME}-{i}") not in used)


def _descend(course: "_Course", goal: "_Goal", steps: int, callback: Callback | None) -> float:
    """Take the steps, and leave the code at the best point; its mean distance in pixels."""
    best, nearest, last, before = course.code, math.inf, 0, goal.distance
    first = stride = STRIDE if course.chart.has_angles else FREE_STRIDE
    features = course.features()
    for step in range(steps):
        (slope,) = torch.autograd.grad(goal.loss(features), course.code)
        course.step(slope, stride * min(1.0, before / goal.cell))
        features = course.features()
        goal.points.follow(features.detach())
        ahead = (before - goal.distance) / goal.cell
        stride *= LONGER if 0 <= ahead < 0.5 else 1.0 if 0 <= ahead < 1.5 else SHORTER
        stride = min(max(stride, first / RANGE), first * RANGE)
        before = goal.distance
        if before < nearest:
            best, nearest, last = course.code, before, step
        handles = (goal.points.handles - goal.margin) * goal.cell
        if callback is not None and callback(Dragged(step + 1, steps, handles, before, course.picture)):
            break
        if goal.arrived or step - last >= PATIENCE:
            break
    course.code = best
    return nearest


class _Goal:
    """Where points are to go, and what is to stay."""

    def __init__(self, course: "_Course", pairs: Sequence[Pair], free: Tensor | None, radius: float | None):
        self.first = course.features().detach()
        generator = course.space.generator
        layer, resolution = generator.layers[course.layer], generator.resolution
        self.side, self.margin = layer.resolution, layer.margin  # in cells
        self.cell = resolution / self.side  # in pixels
        both = torch.tensor([list(pair) for pair in pairs]).to(self.first) / self.cell + self.margin
        patch, search = (radius or RADIUS * resolution) / self.cell, SEARCH * self.side
        self.points = Followed(self.first, both[:, :2], both[:, 2:], max(patch, 1.0), max(search, 1.0))
        self.weight = torch.full_like(self.first[:, :1], KEPT)
        if free is not None:
            self.weight += FIXED * (1 - layer.with_margin(F.interpolate(free, (self.side, self.side), mode="area")))

    def loss(self, features: Float[Tensor, "1 c r r"]) -> Float[Tensor, ""]:
        """Of the handles' motion, and of features that leave the first ones (equation 1), in place and on average."""
        change = features - self.first
        kept = (change.abs() * self.weight).mean() + COMPLEXION * change.mean((2, 3)).abs().mean()
        return self.points.loss(features) + kept

    @property
    def distance(self) -> float:
        """Mean distance of the handles from their targets, in pixels."""
        return float(self.points.distances.mean()) * self.cell

    @property
    def arrived(self) -> bool:
        """Whether every handle is at its target."""
        return float(self.points.distances.max()) <= REACHED * self.side


class _Course:
    """The way of a code from where the latent's edits left it.

    Steps are taken in a chart: the sphere of Z+ for a latent found there, else the space of the edits. Only the codes
    move that feed the layers up to F; those of finer layers change colours and texture.

    Attributes:
        code: Of the chart, and differentiable.
        space: Of the edited code.
    """

    def __init__(self, generator: Generator, latent: Latent):
        self.chart = space_of(generator, latent)
        self.latent, self.space = latent, edited_space(self.chart, latent)
        inverted = latent.inverted.contiguous_copy(generator.device)
        self.start = convert(self.chart, inverted, self.space)[0]
        self.head = None if self.space.layer is None else self.space.head(self.start.code)
        self.edited = self.start.code if latent.edited is None else latent.edited.code.to(generator.device)
        self.same = self.chart.kind == self.space.kind
        self.code = (self.edited if self.same else inverted.code).clone().requires_grad_()
        self.first_w = None if self.same else self.chart.to_w(inverted.code)
        own = default_layer(generator) if self.space.layer is None else self.space.layer
        self.rows = self.chart.layer_mask((0, generator.layers[own].code + 1))
        side = min(max(generator.resolution // COARSE, LEAST), generator.layers[-1].resolution)
        self.layer = max(generator.layer(str(side)), own)

    def step(self, slope: Float[Tensor, "1 k d"], length: float) -> None:
        """Go down a slope, `length` deviations of the code over the prior far."""
        chart, slope = self.chart, slope * self.rows
        with torch.no_grad():
            if chart.has_w_vectors:
                way = slope @ statistics(chart.generator).w_cov
                deviations = (way * slope).sum().sqrt()
            else:
                way = chart.tangent(self.code, slope) * chart.std.square()
                deviations = (way / chart.std).norm()
            code = chart.move(self.code, -length / deviations.clamp(min=1e-12) * way)
        self.code = code.requires_grad_()

    def point(self) -> Point:
        """The edited point, and F that has followed."""
        code = self.code if self.first_w is None else self.edited + self.chart.to_w(self.code) - self.first_w
        return with_code(self.space, self.start, code, self.latent.feature, self.head)

    def features(self) -> Float[Tensor, "1 c r r"]:
        """The feature map on which points are followed."""
        return self.space.generator.head(self.space.decode(*self.point()), self.layer).features.float()

    @torch.no_grad()
    def picture(self) -> Float[Tensor, "1 3 r r"]:
        """The picture of the point, under the latent's mask. Regions of other edits do not count: a drag has none."""
        plain = replace(self.latent, edits=())
        return masked(plain, self._picture(self.point()), lambda: self._picture(self.start))

    def _picture(self, point: Point) -> Float[Tensor, "1 3 r r"]:
        return self.space.generator.synthesize(self.space.decode(*point)).clamp(-1, 1)

    @property
    @torch.no_grad()
    def vector(self) -> Float[Tensor, "k d"]:
        """The movement as a vector of the space that the edits are made in."""
        log, start = self.space.log, self.start.code
        return (log(start, self.point().code) - log(start, self.edited))[0]
