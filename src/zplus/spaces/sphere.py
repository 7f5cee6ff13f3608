"""Z and Z+: codes on the hypersphere of radius sqrt(z_dim), the prior's support (Katsumata et al. 2023, section 3)."""

import torch
from torch import Tensor

from zplus.spaces.space import Space

CANDIDATES = 4096  # samples among which the one nearest to the mean is looked for


class ZPlus(Space):
    """Z+: one z per layer, each with rms 1."""

    kind, per_layer = "z+", True

    @property
    def width(self) -> int:
        """See Space."""
        return self.generator.z_dim

    def sample(self, n: int, seed: int = 0) -> Tensor:
        """See Space."""
        random = torch.Generator().manual_seed(seed)
        return self.retract(torch.randn(n, *self.shape, generator=random).to(self.generator.device))

    def mean(self, n: int) -> Tensor:
        """See Space."""
        random = torch.Generator().manual_seed(0)
        z = torch.randn(CANDIDATES, 1, self.generator.z_dim, generator=random).to(self.generator.device)
        nearest = (self.generator.map(z)[:, 0] - self.statistics.w_mean).square().sum(1).argmin()
        return self.retract(z[nearest].expand(n, *self.shape))

    @property
    def spread(self) -> Tensor:
        """See Space."""
        return torch.ones(1, 1, 1, device=self.generator.device)

    def raw_styles(self, code: Tensor) -> tuple[Tensor, ...]:
        """See Space."""
        w = self.generator.map(code)
        return self.generator.styles(w.expand(-1, self.generator.num_codes, -1))

    def retract(self, code: Tensor) -> Tensor:
        """The nearest point of the sphere: z / rms(z)."""
        return onto_sphere(code)

    def tangent(self, code: Tensor, vector: Tensor) -> Tensor:
        """The vector without its radial part."""
        return vector - (vector * code).sum(-1, keepdim=True) / code.square().sum(-1, keepdim=True) * code

    def move(self, code: Tensor, vector: Tensor) -> Tensor:
        """The exponential map: rotate each code in the plane of z and t, the tangent part, by the angle |t| / |z|."""
        tangent = self.tangent(code, vector)
        length, radius = tangent.norm(dim=-1, keepdim=True), code.norm(dim=-1, keepdim=True)
        angle = length / radius
        return code * angle.cos() + tangent * (angle.sin() * radius / length.clamp(min=1e-12))

    def interpolate(self, a: Tensor, b: Tensor, t: float) -> Tensor:
        """Spherical interpolation, code by code."""
        angle = angles(a, b)[..., None].deg2rad()
        sine = angle.sin()
        from_a, from_b = ((1 - t) * angle).sin() / sine, (t * angle).sin() / sine
        near = angle < 1e-4  # where the arc is its chord, and sine may be 0
        return a * torch.where(near, 1 - t, from_a) + b * torch.where(near, t, from_b)


class Z(ZPlus):
    """Z: one z for all layers."""

    kind, per_layer = "z", False


def onto_sphere(z: Tensor) -> Tensor:
    """z / rms(z) over the last axis."""
    return z / z.square().mean(-1, keepdim=True).sqrt()


def angles(a: Tensor, b: Tensor) -> Tensor:
    """The angle between codes [..., D] in degrees, [...]; exact for small angles (Kahan 2006)."""
    a, b = a / a.norm(dim=-1, keepdim=True), b / b.norm(dim=-1, keepdim=True)
    return 2 * torch.atan2((a - b).norm(dim=-1), (a + b).norm(dim=-1)).rad2deg()
