"""Conversion of codes: exact up the chain z -> z+ -> w+ -> s (and z -> w -> w+), by projection down it."""

import torch
from jaxtyping import Float
from torch import Tensor

from zplus.errors import LatentError
from zplus.generators import Generator
from zplus.latent import Point
from zplus.spaces.render import state_of
from zplus.spaces.space import Space
from zplus.spaces.sphere import onto_sphere

CANDIDATES = 8192  # prior samples among which the start of a projection is chosen
ITERATIONS = 30


@torch.no_grad()
def convert(source: Space, point: Point, target: Space) -> tuple[Point, Float[Tensor, " n"]]:
    """The point of `target` that shows the same, and the error [N]: |difference of styles| / |styles - their mean|.

    A code makes up for another truncation. F is kept between F/X spaces (carried on to a later layer; the error does
    not count what is lost towards an earlier one), dropped towards plain ones, and head(code) where there was none.
    Raises LatentError where the target's truncation shows nothing but the mean face.
    """
    code = convert_code(source, point.code, target)
    before, after = (torch.cat(x.signals(c).styles, 1) for x, c in ((source, point.code), (target, code)))
    error = (after - before).norm(dim=1) / (before - source.statistics.style_mean).norm(dim=1).clamp(min=1e-6)
    if target.layer is None:
        return Point(code), error
    if source.layer == target.layer:
        return Point(code, point.features, point.rgb), error
    if source.layer is not None and source.layer < target.layer:
        signals = source.decode(point.code, state_of(point))
        return Point(code, *target.generator.head(signals, target.layer)), error
    return Point(code, *target.head(code)), error


def convert_code(source: Space, code: Tensor, target: Space) -> Tensor:
    """See `convert`."""
    alike = (source.psi, source.cutoff) == (target.psi, target.cutoff)
    if alike and source.kind == target.kind:
        return code
    if alike and {source.kind, target.kind} == {"z", "z+"}:
        return _onto(target, code)
    if source.kind == target.kind == "s":
        return _rescaled(source, code, target)
    w = _from_s(source, code, target.shape[0]) if source.kind == "s" else _to_w(source, code)
    if not alike:
        w = torch.lerp(source.statistics.w_mean, w, _share(source, target))
    if target.kind in ("z", "z+"):
        z = project(target.generator, _onto_rows(w, 1) if target.kind == "z" else w)
        return _onto_rows(z, target.shape[0]).contiguous()
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


def _share(source: Space, target: Space) -> Float[Tensor, "l 1"]:
    """What w - mean(w) of each code in `source` must be multiplied by to show the same in `target`."""
    count, device = source.generator.num_codes, source.generator.device
    codes = torch.arange(count, device=device)[:, None]
    one, other = (torch.where(codes < (count if x.cutoff is None else x.cutoff), x.psi, 1.0) for x in (source, target))
    if ((other == 0) & (one != 0)).any():
        raise LatentError("A truncation of 0 shows the mean face alone: choose a larger psi.")
    return torch.where(one == other, 1.0, one / other)


def _rescaled(source: Space, code: Tensor, target: Space) -> Tensor:
    """Styles under another truncation."""
    generator, mean = source.generator, source.statistics.style_mean
    share = _share(source, target)[list(generator.style_codes), 0]
    sizes = torch.tensor(generator.style_sizes, device=code.device)
    return torch.lerp(mean, code, share.repeat_interleave(sizes))


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
