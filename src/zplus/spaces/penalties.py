"""What a code or a feature map costs under a prior; each returns one value a row [N]."""

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from zplus.generators import State
from zplus.spaces.space import Space


def p_norm(space: Space, code: Float[Tensor, "n k d"]) -> Float[Tensor, " n"]:
    """Mean square of the whitened code in P space, for z and w codes (Zhu et al. 2020, arXiv 2012.09036, eq. 5)."""
    w = space.generator.map(code) if space.kind in ("z", "z+") else code
    known = space.statistics
    return ((F.leaky_relu(w, 5.0) - known.p_mean) @ known.whitening).square().mean((1, 2))


def delta_norm(code: Float[Tensor, "n k d"]) -> Float[Tensor, " n"]:
    """Sum over the layers of |code_l - code_0| (Tov et al. 2021, e4e, arXiv 2102.02766, eq. 4)."""
    return (code - code[:, :1]).norm(dim=-1).sum(1)


def consensus(code: Float[Tensor, "n k d"]) -> Float[Tensor, " n"]:
    """Mean square distance of the layers' codes from their mean."""
    return (code - code.mean(1, keepdim=True)).square().mean((1, 2))


def feature_consistency(state: State, target: State) -> Float[Tensor, " n"]:
    """Mean square difference of two feature maps (Katsumata et al. 2023, arXiv 2306.00241, the regulariser L_r)."""
    return (state.features - target.features).square().mean((1, 2, 3))
