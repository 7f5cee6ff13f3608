"""Conversion of codes: exact up the chain z -> z+ -> w+ -> s (and z -> w -> w+), by projection down it.

Under another truncation it is exact in W, W+ and S; on the sphere the nearest code is looked for.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from zplus.errors import LatentError
from zplus.latent import Point
from zplus.spaces.space import Space, same_chart


@torch.no_grad()
def convert(source: Space, point: Point, target: Space) -> tuple[Point, Float[Tensor, " n"]]:
    """The point of `target` that shows the same, and the error [N]: |difference of styles| / |styles - their mean|.

    A code makes up for another truncation. F is kept between F/X spaces (carried on to a later layer; the error does
    not count what is lost towards an earlier one), dropped towards plain ones, and head(code) where there was none.
    Raises LatentError where the target's truncation shows nothing but the mean face.
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
    """The code alone, see `convert`."""
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
    """What w - w_mean of each code in `source` must be multiplied by to show the same in `target`; None for 1."""
    pairs = list(zip(source.truncation, target.truncation, strict=True))
    if any(other == 0 != one for one, other in pairs):
        raise LatentError("A truncation of 0 shows the mean face alone: choose a larger psi.")
    factors = [1.0 if one == other else one / other for one, other in pairs]
    if all(factor == 1 for factor in factors):
        return None
    return torch.tensor(factors, device=source.generator.device)[:, None]
