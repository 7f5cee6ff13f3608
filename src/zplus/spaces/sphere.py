"""Z and Z+: codes on the hypersphere of radius sqrt(z_dim), the prior's support (Katsumata et al. 2023, section 3)."""

from functools import cached_property

import torch
from torch import Tensor

from zplus.spaces.mapping import onto_sphere, project, pull_back
from zplus.spaces.space import Space

CANDIDATES = 4096  # samples among which the one nearest to the mean is looked for


class ZPlus(Space):
    """Z+: one z per layer, each with rms 1; w_l = f(z_l)."""

    kind, has_angles, encoder_head = "z+", True, "z+"

    @property
    def dim(self) -> int:
        """See Space."""
        return self.generator.z_dim

    def to_w(self, code: Tensor) -> Tensor:
        """See Space."""
        return self.generator.map(code)

    def from_w(self, w: Tensor) -> Tensor:
        """The z with f(z) nearest to w, by iteration: f reaches only a part of W."""
        return self.onto_rows(project(self.generator, w if self.extended else w.mean(1, keepdim=True))).contiguous()

    def tangent_along(self, code: Tensor, vector: Tensor, excluded: Tensor | None = None) -> Tensor:
        """The damped pull-back of the vector through f, for the layers that it moves."""
        tangent, moving = torch.zeros_like(code), vector.abs().amax((0, 2)) > 0
        if not moving.any():
            return tangent
        others = None if excluded is None else excluded[:, moving]
        tangent[:, moving] = pull_back(self.generator, code[:, moving], vector[:, moving], others)
        return self.tangent(code, tangent)

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

    @cached_property
    def std(self) -> Tensor:
        """See Space."""
        return torch.ones(1, 1, 1, device=self.generator.device)

    def retract(self, code: Tensor) -> Tensor:
        """The nearest point of the sphere: z / rms(z)."""
        return onto_sphere(code)

    def tangent(self, code: Tensor, vector: Tensor) -> Tensor:
        """The vector without its radial part, v - (v.z / z.z) z."""
        return vector - (vector * code).sum(-1, keepdim=True) / code.square().sum(-1, keepdim=True) * code

    def move(self, code: Tensor, vector: Tensor) -> Tensor:
        """exp_z(v) = z cos a + (r / |t|) t sin a for the tangent part t of v, the radius r = |z| and a = |t| / r."""
        tangent = self.tangent(code, vector)
        length, radius = tangent.norm(dim=-1, keepdim=True), code.norm(dim=-1, keepdim=True)
        angle = length / radius
        return code * angle.cos() + tangent * (angle.sin() * radius / length.clamp(min=1e-12))

    def log(self, code: Tensor, end: Tensor) -> Tensor:
        """log_z(y) = (a r / |t|) t for the tangent part t of y - z, r = |z| and the angle a between z and y."""
        tangent = self.tangent(code, end - code)  # r sin(a) long
        length, radius = tangent.norm(dim=-1, keepdim=True), code.norm(dim=-1, keepdim=True)
        angle = torch.atan2(length, (code * end).sum(-1, keepdim=True) / radius)
        return tangent * (angle * radius / length.clamp(min=1e-12))

    def interpolate(self, a: Tensor, b: Tensor, t: float) -> Tensor:
        """Spherical interpolation, code by code: (sin((1 - t) angle) a + sin(t angle) b) / sin(angle)."""
        angle = angles(a, b)[..., None].deg2rad()
        sine = angle.sin()
        from_a, from_b = ((1 - t) * angle).sin() / sine, (t * angle).sin() / sine
        near = angle < 1e-4  # where the arc is its chord, and sine may be 0
        return a * torch.where(near, 1 - t, from_a) + b * torch.where(near, t, from_b)


class Z(ZPlus):
    """Z: one z for all layers."""

    kind, extended = "z", False


def angles(a: Tensor, b: Tensor) -> Tensor:
    """The angle between codes [..., D] in degrees, [...]; exact for small angles (Kahan 2006)."""
    a, b = a / a.norm(dim=-1, keepdim=True), b / b.norm(dim=-1, keepdim=True)
    return 2 * torch.atan2((a - b).norm(dim=-1), (a + b).norm(dim=-1)).rad2deg()
