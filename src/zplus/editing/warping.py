"""Feature maps that follow an edit: detail moves with the part of the face that it belongs to.

F = head(code) + detail. An edit turns head(code) into head(code'). Detail that stayed in place would leave ghosts of
the old outline beside a turned head. So the motion between the two heads is estimated, and the detail is warped along
it. Where no motion explains what the head became, as lips where there were teeth, the detail is of what is gone, and
fades: F' = head(code') + kept * warp(F - head(code)).
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from zplus.generators import State
from zplus.latent import FeatureMove, Point
from zplus.spaces import Space

MAX_SIDE = 64  # cells a side that are compared: what that takes grows with the fourth power
SEARCH_FRACTION = 1 / 6  # motions up to a sixth of the picture's side are looked for
WINDOW = 5  # cells over which similarity is averaged: a single cell is ambiguous on skin and background
TEMPERATURE = 0.02  # of the soft choice among motions, in units of cosine similarity
DISPLACEMENT_PENALTY = 0.002  # similarity that a motion must gain per squared cell, so that plain background stays
UNEXPLAINED = 8.0  # times the detail, in mean square, that a head changes by where half of the detail is kept
TINY = 1e-12


def with_code(
    space: Space, point: Point, code: Float[Tensor, "n k d"], feature: FeatureMove, head: State | None = None
) -> Point:
    """A point with another code and an F that follows.

    It is differentiable by the code; the motion is treated as constant.

    Args:
        space: The space of the point.
        point: Code and F.
        code: The new code [N, K, D].
        feature: "moved" (detail warped), "added" (detail in place) or "fixed" (F unchanged).
        head: head(the point's code), if it is known already.
    """
    if point.state is None or feature == "fixed":
        return point._replace(code=code)
    before, after = head or space.head(point.code), space.head(code)
    if feature == "added":
        return Point(code, point.state.map(lambda x, a, b: x - a + b, before, after))
    with torch.no_grad():
        flow = motion(before.features, after.features)
    return Point(code, point.state.map(lambda x, a, b: b + moved_detail(x - a, a, b, flow), before, after))


def moved_detail(
    detail: Float[Tensor, "n c r r"], before: Float[Tensor, "n c r r"], after: Float[Tensor, "n c r r"], flow: Tensor
) -> Float[Tensor, "n c r r"]:
    """Detail moved along `flow`, and faded where the flow does not explain `after`.

    Args:
        detail: F - head(inverted code).
        before: head(inverted code).
        after: head(edited code).
        flow: [N, 2, r, r], offsets (x, y) in cells.
    """
    detail = _warped(detail, flow)
    change, own = (_smooth(x.square().mean(1, keepdim=True), 3) for x in (after - _warped(before, flow), detail))
    return detail / (1 + (change / (UNEXPLAINED * own).clamp(min=TINY)).square())


def _warped(features: Tensor, flow: Tensor) -> Tensor:
    """What comes to each cell along the flow."""
    side = features.shape[-1]
    centres = torch.arange(side, device=flow.device, dtype=flow.dtype) + 0.5
    x, y = centres[None, None, :] + flow[:, 0], centres[None, :, None] + flow[:, 1]  # [N, r, r]
    grid = torch.stack([x, y], -1) * (2 / side) - 1
    return F.grid_sample(features, grid, padding_mode="border", align_corners=False)


def motion(before: Float[Tensor, "n c r r"], after: Float[Tensor, "n c r r"]) -> Float[Tensor, "n 2 r r"]:
    """Where each cell of `after` was in `before`.

    Returns:
        Offsets (x, y) in cells [N, 2, r, r]; exactly 0 where nothing changed.
    """
    side = before.shape[-1]
    if side <= MAX_SIDE:
        return _matched(before, after) - _matched(before, before)
    flow = motion(*(F.interpolate(x, (MAX_SIDE, MAX_SIDE), mode="area") for x in (before, after)))
    return F.interpolate(flow, (side, side), mode="bilinear") * (side / MAX_SIDE)


def _matched(before: Tensor, after: Tensor) -> Tensor:
    """The expected offset under a softmax over candidates by similarity, smoothed."""
    side = before.shape[-1]
    reach = max(1, int(SEARCH_FRACTION * side))
    a, b = (F.normalize(x - before.mean((2, 3), keepdim=True), dim=1) for x in (before, after))
    a = F.pad(a, [reach] * 4, mode="replicate")
    offsets = [(x, y) for y in range(-reach, reach + 1) for x in range(-reach, reach + 1)]
    similarity = torch.stack(
        [(b * a[..., reach + y : reach + y + side, reach + x : reach + x + side]).sum(1) for x, y in offsets], 1
    )  # [N, offsets, r, r]
    table = torch.tensor(offsets, device=b.device, dtype=b.dtype)  # [offsets, 2]
    penalty = DISPLACEMENT_PENALTY * table.square().sum(1)[:, None, None]
    choice = ((_smooth(similarity, WINDOW) - penalty) / TEMPERATURE).softmax(1)
    flow = torch.einsum("nkyx,kd->ndyx", choice, table)
    return _smooth(_smooth(flow, 3), 3)


def _smooth(x: Tensor, window: int) -> Tensor:
    return F.avg_pool2d(x, window, 1, window // 2, count_include_pad=False)
