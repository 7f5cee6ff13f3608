"""W, W+ (Abdal et al. 2019, arXiv 1904.03189) and S (Wu et al. 2020, StyleSpace, arXiv 2011.12799): free codes."""

from functools import cached_property

import torch
from torch import Tensor

from zplus.spaces.space import Space


class WPlus(Space):
    """W+: one w per layer."""

    kind, linear, has_w_vectors = "w+", True, True

    @property
    def dim(self) -> int:
        """See Space."""
        return self.generator.w_dim

    def to_w(self, code: Tensor) -> Tensor:
        """See Space."""
        return code

    def from_w(self, w: Tensor) -> Tensor:
        """See Space."""
        return self.onto_rows(w)

    @cached_property
    def std(self) -> Tensor:
        """See Space; the mean over the coordinates, because w has no preferred axes."""
        return self.statistics.w_cov.diagonal().mean().sqrt().view(1, 1, 1)


class W(WPlus):
    """W: one w for all layers."""

    kind, extended = "w", False


class S(Space):
    """S: the outputs of all affine layers, concatenated. One free number per channel, K = 1; larger than W+."""

    kind, linear, within_w = "s", True, False

    @property
    def dim(self) -> int:
        """See Space."""
        return sum(self.generator.style_sizes)

    @property
    def shape(self) -> tuple[int, int]:
        """See Space."""
        return (1, self.dim)

    @property
    def required_fingerprint(self) -> str:
        """See Space."""
        return self.generator.fingerprint

    def from_w(self, w: Tensor) -> Tensor:
        """See Space."""
        return torch.cat(self.generator.styles(w.expand(-1, self.generator.num_codes, -1)), 1)[:, None]

    def to_w(self, code: Tensor) -> Tensor:
        """Per layer the w nearest to the mean of the codes with the nearest styles: least squares."""
        feeds = self._feeds
        return torch.cat([self._least_squares(code, feeds == layer) for layer in range(self.generator.num_codes)], 1)

    def nearest_w(self, code: Tensor) -> Tensor:
        """The same, jointly over all layers."""
        return self._least_squares(code, self._feeds >= 0)

    def _least_squares(self, code: Tensor, chosen: Tensor) -> Tensor:
        """w [N, 1, w_dim] from the chosen channels."""
        residual = (code[:, 0] - self.statistics.style_mean)[:, chosen]
        return (self.statistics.w_mean + residual @ torch.linalg.pinv(self._affine[:, chosen], rtol=1e-5))[:, None]

    @cached_property
    def _affine(self) -> Tensor:
        """The matrices of the affine layers, without bias [w_dim, sum of C_k]."""
        identity = torch.eye(self.generator.w_dim, device=self.generator.device)[:, None]
        return (self.from_w(identity) - self.from_w(torch.zeros_like(identity[:1])))[:, 0]

    @property
    def _feeds(self) -> Tensor:
        """The index of the code that feeds each channel [sum of C_k]."""
        sizes = torch.tensor(self.generator.style_sizes)
        return torch.tensor(self.generator.style_codes).repeat_interleave(sizes).to(self.generator.device)

    def rescaled(self, code: Tensor, factor: Tensor) -> Tensor:
        """See Space; exact, also for styles that no w has."""
        return torch.lerp(self.statistics.style_mean, code, factor[self._feeds, 0])

    def tangent_along(self, code: Tensor, vector: Tensor, excluded: Tensor | None = None) -> Tensor:
        """See Space; the affine layers without their offsets."""
        return (self.from_w(vector) - self.from_w(torch.zeros_like(vector))).expand(len(code), -1, -1)

    def untruncated_styles(self, code: Tensor) -> tuple[Tensor, ...]:
        """See Space."""
        return code[:, 0].split(self.generator.style_sizes, dim=1)

    def layer_mask(self, layers: tuple[int, int]) -> Tensor:
        """See Space."""
        return super().layer_mask(layers)[:, self._feeds].mT

    @cached_property
    def std(self) -> Tensor:
        """See Space; channel by channel, because their scales differ widely."""
        return self.statistics.style_std.view(1, 1, -1)
