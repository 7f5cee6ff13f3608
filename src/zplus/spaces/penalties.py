"""Penalties of a code or a feature map under the prior, in standard deviations or variances: one value per row [N]."""

from jaxtyping import Float
from torch import Tensor

from zplus.generators import State
from zplus.spaces.space import Space


def p_norm(space: Space, code: Float[Tensor, "n k d"]) -> Float[Tensor, " n"]:
    """Mean square of the whitened code in P space (Zhu et al. 2020, arXiv 2012.09036, eq. 5). Not for S."""
    return space.whitened(code).square().mean((1, 2))


def delta_norm(space: Space, code: Float[Tensor, "n k d"]) -> Float[Tensor, " n"]:
    """Sum over layers of |code_l - code_0|, in standard deviations (e4e: Tov et al. 2021, arXiv 2102.02766, eq. 4)."""
    return ((code - code[:, :1]) / space.std).norm(dim=-1).sum(1)


def consensus(space: Space, code: Float[Tensor, "n k d"]) -> Float[Tensor, " n"]:
    """Mean square distance of the layers' codes from their mean, in variances of the prior."""
    return ((code - code.mean(1, keepdim=True)) / space.std).square().mean((1, 2))


def feature_consistency(space: Space, state: State, target: State) -> Float[Tensor, " n"]:
    """Mean square difference of two F, in variances (L_r of Katsumata et al. 2023, arXiv 2306.00241)."""
    return ((state.features - target.features) / space.state_std[0]).square().mean((1, 2, 3))
