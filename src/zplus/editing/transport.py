"""One direction in every space: a vector of the space it was found in becomes a tangent at a code of another.

W directions go to Z and Z+ by the damped pull-back through the Jacobian J of the mapping network, to S by the affine
layers. What cannot be carried over is refused.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from zplus.errors import LatentError
from zplus.spaces import Space
from zplus.spaces.convert import damped_solve, mapping_jacobian

DAMPING = 1e-3  # of the mean diagonal of J^T J; J is far from full rank because f contracts most directions
STEPS = 4  # re-linearisations along the way, because f is not linear over 20 degrees


@torch.no_grad()
def travel(
    space: Space, code: Float[Tensor, "n k d"], vectors: dict[str, Float[Tensor, "#n l e"]], steps: int = STEPS
) -> Float[Tensor, "n k d"]:
    """The code after moving along the sum of `vectors`, given by the space that each belongs to.

    On the sphere every step carries the vectors over at the code reached so far, adds their tangents and follows the
    geodesic; elsewhere moving is addition and one step is exact.
    """
    steps = steps if space.kind in ("z", "z+") and vectors.keys() & {"w", "w+"} else 1
    for _ in range(steps):
        tangents = [carry(vector, kind, space, code) for kind, vector in vectors.items()]
        code = space.move(code, torch.stack(tangents).sum(0) / steps)
    return code


def carry(
    vector: Float[Tensor, "#n l e"], kind: str, space: Space, code: Float[Tensor, "n k d"]
) -> Float[Tensor, "n k d"]:
    """A vector of space `kind` at a code of `space`. Raises LatentError where there is no way to carry it over."""
    generator = space.generator
    if kind == space.kind or {kind, space.kind} in ({"z", "z+"}, {"w", "w+"}):
        return _rows(vector, space.shape[0]).expand(len(code), -1, -1)
    if kind in ("w", "w+") and space.kind in ("z", "z+"):
        wanted = _rows(vector, space.shape[0]).expand(len(code), -1, -1)
        return space.tangent(code, damped_solve(mapping_jacobian(generator, code), wanted, DAMPING))
    if kind in ("w", "w+") and space.kind == "s":
        w = _rows(vector, generator.num_codes)
        change = [a - b for a, b in zip(generator.styles(w), generator.styles(torch.zeros_like(w)), strict=True)]
        return torch.cat(change, 1)[:, None].expand(len(code), -1, -1)
    raise LatentError(f"A direction of {kind} cannot be applied in {space.name}: learn it in w, which reaches all.")


def _rows(vector: Tensor, rows: int) -> Tensor:
    """The vector for one code or for all: repeated, or averaged over the layers that it moves."""
    if rows > 1:
        return vector.expand(-1, rows, -1)
    moving = vector.abs().amax(-1, keepdim=True) > 0  # [N, L, 1]
    return vector.sum(1, keepdim=True) / moving.sum(1, keepdim=True).clamp(min=1)
