"""W, W+ (Abdal et al. 2019, arXiv 1904.03189) and S (Wu et al. 2020, StyleSpace, arXiv 2011.12799): free codes."""

import torch
from torch import Tensor

from zplus.generators.statistics import sample_w
from zplus.spaces.space import Space


class WPlus(Space):
    """W+: one w per layer."""

    kind, per_layer = "w+", True

    @property
    def width(self) -> int:
        """See Space."""
        return self.generator.w_dim

    def sample(self, n: int, seed: int = 0) -> Tensor:
        """See Space."""
        rows, width = self.shape
        return sample_w(self.generator, n * rows, seed).view(n, rows, width)

    def mean(self, n: int) -> Tensor:
        """See Space."""
        return self.statistics.w_mean.expand(n, *self.shape).clone()

    @property
    def spread(self) -> Tensor:
        """See Space; the mean over the coordinates, because w has no preferred axes."""
        return self.statistics.w_cov.diagonal().mean().sqrt().view(1, 1, 1)

    def raw_styles(self, code: Tensor) -> tuple[Tensor, ...]:
        """See Space."""
        return self.generator.styles(code.expand(-1, self.generator.num_codes, -1))


class W(WPlus):
    """W: one w for all layers."""

    kind, per_layer = "w", False


class S(Space):
    """S: the outputs of all affine layers, concatenated: one free number per channel, K = 1."""

    kind, per_layer = "s", False

    @property
    def width(self) -> int:
        """See Space."""
        return sum(self.generator.style_sizes)

    def sample(self, n: int, seed: int = 0) -> Tensor:
        """See Space; one w for all layers."""
        w = sample_w(self.generator, n, seed)[:, None].expand(-1, self.generator.num_codes, -1)
        return torch.cat(self.generator.styles(w), 1)[:, None]

    def mean(self, n: int) -> Tensor:
        """See Space."""
        return self.statistics.style_mean.expand(n, *self.shape).clone()

    @property
    def spread(self) -> Tensor:
        """See Space; channel by channel, because their scales differ widely."""
        return self.statistics.style_std.view(1, 1, -1)

    def raw_styles(self, code: Tensor) -> tuple[Tensor, ...]:
        """See Space."""
        return code[:, 0].split(self.generator.style_sizes, dim=1)
