"""Conversion of codes between spaces.

It is exact along z -> z+ -> w+ -> s (and z -> w -> w+), and a projection in the other direction. A change of truncation
is exact in W+ and S, and in W unless it concerns some codes alone (`cutoff`); in Z and Z+ the nearest code is used.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from zplus.errors import LatentError
from zplus.latent import Point
from zplus.spaces.space import Space, same_chart


@torch.no_grad()
def convert(source: Space, point: Point, target: Space) -> tuple[Point, Float[Tensor, " n"]]:
    """The point of `target` that shows the same image, or the nearest.

    The code compensates for a different truncation. F is kept between F/X spaces and computed on to a later layer; it
    is dropped for plain spaces, and is head(code) if there was none.

    Args:
        source: The space of the point.
        point: Code and F, N rows.
        target: The space to convert to, of the same generator.

    Returns:
        The point, and the error [N]: |difference of styles| / |styles - their mean|. It does not include what F loses
        when it moves to an earlier layer.

    Raises:
        LatentError: The truncation of `target` is 0, so that only the mean image can be shown.
    """
    code = convert_code(source, point.code, target)
    before, after = (torch.cat(x.inputs(c).styles, 1) for x, c in ((source, point.code), (target, code)))
    error = (after - before).norm(dim=1) / (before - source.statistics.style_mean).norm(dim=1).clamp(min=1e-6)
    if target.layer is None:
        return Point(code), error
    if source.layer == target.layer:
        return Point(code, point.state), error
    if source.layer is not None and source.layer < target.layer:
        inputs = source.decode(point.code, point.state)
        return Point(code, target.generator.head(inputs, target.layer)), error
    return Point(code, target.head(code)), error


def convert_code(source: Space, code: Float[Tensor, "n k d"], target: Space) -> Float[Tensor, "n _ _"]:
    """The code alone, as in `convert`."""
    factor = _rescaling(source, target)
    if same_chart(source, target):
        if factor is not None:
            return target.rescaled(code, factor)
        return code if source.kind == target.kind else target.retract(target.onto_rows(code)).clone()
    w = source.to_w(code) if target.extended else source.nearest_w(code)
    if factor is not None:
        w = torch.lerp(source.statistics.w_mean, w, factor)
    return target.from_w(w).clone()


def _rescaling(source: Space, target: Space) -> Float[Tensor, "l 1"] | None:
    """The factor on w - w_mean, per code, that makes `target` show the same as `source`; None for 1."""
    pairs = list(zip(source.truncation, target.truncation, strict=True))
    if any(other == 0 != one for one, other in pairs):
        raise LatentError("A truncation of 0 shows the mean face alone: choose a larger psi.")
    factors = [1.0 if one == other else one / other for one, other in pairs]
    if all(factor == 1 for factor in factors):
        return None
    return torch.tensor(factors, device=source.generator.device)[:, None]
