"""The mapping network f as a chart of W: its Jacobian, the pull-back of vectors, and the projection of codes."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from zplus.generators import Generator

CANDIDATES = 8192  # prior samples among which the start of a projection is chosen
ITERATIONS = 30
DAMPING = 0.3  # of the mean diagonal of J^T J: with less, codes turn far along what f contracts and lose the direction


def onto_sphere(z: Tensor) -> Tensor:
    """z / rms(z) over the last axis."""
    return z / z.square().mean(-1, keepdim=True).sqrt()


def jvp(function: Callable[[Tensor], Tensor], x: Tensor, vector: Tensor) -> Tensor:
    """The product of the Jacobian d function / dx and `vector`, by two backward passes, in every autograd mode."""
    value, backward, *_ = torch.func.vjp(function, x)
    _, forward, *_ = torch.func.vjp(lambda cotangent: backward(cotangent)[0], torch.zeros_like(value))
    return forward(vector)[0]


def mapping_jacobian(generator: Generator, z: Float[Tensor, "n k z"]) -> Float[Tensor, "n k w z"]:
    """J = df/dz at every code."""
    jacobian = torch.func.vmap(torch.func.jacrev(lambda x: generator.map(x[None, None])[0, 0]), chunk_size=16)
    return jacobian(z.flatten(0, 1)).view(*z.shape[:2], generator.w_dim, generator.z_dim)


def damped_solve(jacobian: Tensor, residual: Tensor, damping: float | Tensor) -> Tensor:
    """Solve (J^T J + damping * mean diag(J^T J) * I) t = J^T r.

    Args:
        jacobian: J [..., w, z].
        residual: r [..., w, m].
        damping: Relative to the mean diagonal.

    Returns:
        t [..., z, m].
    """
    normal = jacobian.mT @ jacobian
    scale = normal.diagonal(dim1=-2, dim2=-1).mean(-1)[..., None, None]
    eye = torch.eye(normal.shape[-1], device=normal.device, dtype=normal.dtype)
    return torch.linalg.solve(normal + damping * scale * eye, jacobian.mT @ residual)


def pull_back(
    generator: Generator,
    z: Float[Tensor, "n k z"],
    vector: Float[Tensor, "n k w"],
    excluded: Float[Tensor, "m k w"] | None = None,
) -> Float[Tensor, "n k z"]:
    """The tangent t whose J t is near `vector`, by damped least squares, with J t orthogonal to every excluded vector.

    t = H d - H G (G^T H G)^+ G^T H d with H = (J^T J + damping)^-1, d = J^T vector and G = J^T [excluded]. The
    projection uses the damped metric: under the Euclidean one t would keep a part of the excluded vectors.
    """
    jacobian = mapping_jacobian(generator, z)
    others = vector.new_zeros(0, *vector.shape[1:]) if excluded is None else excluded
    normals = others.permute(1, 2, 0).expand(len(z), -1, -1, -1)  # [N, K, w, M]
    solved = damped_solve(jacobian, torch.cat([vector[..., None], normals], -1), DAMPING)  # [N, K, z, 1 + M]
    t, h = solved[..., :1], solved[..., 1:]
    g = jacobian.mT @ normals  # [N, K, z, M]
    return (t - h @ (torch.linalg.pinv(g.mT @ h, hermitian=True) @ (g.mT @ t)))[..., 0]


@torch.no_grad()
def project(generator: Generator, w: Float[Tensor, "n k w"]) -> Float[Tensor, "n k z"]:
    """The z on the sphere with f(z) nearest to w: Levenberg-Marquardt from the nearest of many prior samples."""
    flat = w.flatten(0, 1)
    random = torch.Generator().manual_seed(0)
    samples = torch.randn(CANDIDATES, 1, generator.z_dim, generator=random).to(w)
    z = onto_sphere(samples[torch.cdist(flat, generator.map(samples)[:, 0]).argmin(1)])  # [N*K, 1, z]
    damping = torch.full((len(flat), 1, 1), 1e-2, device=w.device)
    residual = flat - generator.map(z)[:, 0]
    for _ in range(ITERATIONS):
        step = damped_solve(mapping_jacobian(generator, z)[:, 0], residual[..., None], damping)[..., 0]
        moved = onto_sphere(z + step[:, None])
        new = flat - generator.map(moved)[:, 0]
        better = (new.norm(dim=1) < residual.norm(dim=1))[:, None]
        z, residual = torch.where(better[..., None], moved, z), torch.where(better, new, residual)
        damping = torch.where(better[..., None], damping / 3, damping * 4).clamp(1e-6, 1e3)
    return z[:, 0].view(*w.shape[:2], -1)
