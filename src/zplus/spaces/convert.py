"""Conversion of codes: exact up the chain z -> z+ -> w+ -> s (and z -> w -> w+), by projection down it."""

import torch
from jaxtyping import Float
from torch import Tensor

from zplus.generators import Generator, State
from zplus.latent import Point
from zplus.spaces.space import Space
from zplus.spaces.sphere import onto_sphere

CANDIDATES = 8192  # prior samples among which the start of a projection is chosen
ITERATIONS = 30


@torch.no_grad()
def convert(source: Space, point: Point, target: Space) -> tuple[Point, Float[Tensor, " n"]]:
    """The point of `target` that shows the same, and the error [N]: |difference of styles| / |styles - their mean|.

    F is kept between F/X spaces (carried on to a later layer; the error does not count what is lost towards an earlier
    one), dropped towards plain ones, and set to head(code) where there was none.
    """
    code = convert_code(source, point.code, target)
    before, after = torch.cat(source.raw_styles(point.code), 1), torch.cat(target.raw_styles(code), 1)
    error = (after - before).norm(dim=1) / (before - source.statistics.style_mean).norm(dim=1).clamp(min=1e-6)
    if target.layer is None:
        return Point(code), error
    if source.layer == target.layer:
        return Point(code, point.features, point.rgb), error
    if source.layer is not None and source.layer < target.layer:
        state = None if point.features is None else State(point.features, point.rgb)
        return Point(code, *target.generator.head(source.decode(point.code, state), target.layer)), error
    return Point(code, *target.head(code)), error


def convert_code(source: Space, code: Tensor, target: Space) -> Tensor:
    """See `convert`."""
    if source.kind == target.kind:
        return code
    if {source.kind, target.kind} == {"z", "z+"}:
        return _onto(target, code)
    w = _from_s(source, code, target.shape[0]) if source.kind == "s" else _to_w(source, code)
    if target.kind in ("z", "z+"):
        return project(target.generator, _onto_rows(w, target.shape[0]))
    if target.kind == "s":
        w = w.expand(-1, target.generator.num_codes, -1)
        return torch.cat(target.generator.styles(w), 1)[:, None]
    return _onto(target, w)


def project(generator: Generator, w: Float[Tensor, "n k w"]) -> Float[Tensor, "n k z"]:
    """z on the sphere with f(z) near w: Levenberg-Marquardt from the nearest of many prior samples."""
    flat = w.flatten(0, 1)
    random = torch.Generator().manual_seed(0)
    samples = torch.randn(CANDIDATES, 1, generator.z_dim, generator=random).to(w)
    z = samples[torch.cdist(flat, generator.map(samples)[:, 0]).argmin(1)]  # [N*K, 1, z]
    z = onto_sphere(z)
    damping = torch.full((len(flat), 1, 1), 1e-2, device=w.device)
    residual = flat - generator.map(z)[:, 0]
    for _ in range(ITERATIONS):
        step = damped_solve(mapping_jacobian(generator, z)[:, 0], residual, damping)
        moved = onto_sphere(z + step[:, None])
        new = flat - generator.map(moved)[:, 0]
        better = (new.norm(dim=1) < residual.norm(dim=1))[:, None]
        z, residual = torch.where(better[..., None], moved, z), torch.where(better, new, residual)
        damping = torch.where(better[..., None], damping / 3, damping * 4).clamp(1e-6, 1e3)
    return z[:, 0].view(*w.shape[:2], -1)


def mapping_jacobian(generator: Generator, z: Float[Tensor, "n k z"]) -> Float[Tensor, "n k w z"]:
    """df/dz at every code."""
    jacobian = torch.func.vmap(torch.func.jacrev(lambda x: generator.map(x[None, None])[0, 0]), chunk_size=16)
    return jacobian(z.flatten(0, 1)).view(*z.shape[:2], generator.w_dim, generator.z_dim)


def damped_solve(jacobian: Tensor, residual: Tensor, damping: float | Tensor) -> Tensor:
    """t [..., z] of (J^T J + damping * mean diag * I) t = J^T r, for J [..., w, z] and r [..., w]."""
    normal = jacobian.mT @ jacobian
    scale = normal.diagonal(dim1=-2, dim2=-1).mean(-1)[..., None, None]
    eye = torch.eye(normal.shape[-1], device=normal.device, dtype=normal.dtype)
    return torch.linalg.solve(normal + damping * scale * eye, (jacobian.mT @ residual[..., None]))[..., 0]


def _to_w(space: Space, code: Tensor) -> Tensor:
    return space.generator.map(code) if space.kind in ("z", "z+") else code


def _from_s(space: Space, code: Tensor, rows: int) -> Tensor:
    """The w [N, rows, w_dim] nearest to the mean of those whose styles are nearest: least squares, code by code."""
    generator, known = space.generator, space.statistics
    corners = torch.cat([torch.zeros(1, generator.w_dim), torch.eye(generator.w_dim)]).to(code)
    styles = torch.cat(generator.styles(corners[:, None].expand(-1, generator.num_codes, -1)), 1)
    matrix, target = styles[1:] - styles[:1], code[:, 0] - known.style_mean  # [w, C], [N, C]
    feeds = torch.tensor(generator.style_codes).repeat_interleave(torch.tensor(generator.style_sizes))
    groups = [feeds == layer for layer in range(rows)] if rows > 1 else [feeds >= 0]
    return torch.stack([known.w_mean + target[:, x] @ torch.linalg.pinv(matrix[:, x], rtol=1e-5) for x in groups], 1)


def _onto_rows(code: Tensor, rows: int) -> Tensor:
    return code.mean(1, keepdim=True) if rows == 1 else code.expand(-1, rows, -1)


def _onto(target: Space, code: Tensor) -> Tensor:
    return target.retract(_onto_rows(code, target.shape[0])).clone()
