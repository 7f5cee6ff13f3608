"""P+ (Zhu et al. 2020, arXiv 2012.09036, section 3.2): an eleventh space, to prove that one class and one line do."""

from torch import Tensor
from torch.nn import functional as F

from zplus.spaces import SPACES as SHIPPED
from zplus.spaces import Space, space_class
from zplus.spaces.registry import CODES


class PPlus(Space):
    """P+: the whitened code of each layer, p = C^T (LeakyReLU_5(w) - mean) / sqrt(lambda)."""

    kind = "p+"

    @property
    def dim(self) -> int:
        return self.generator.w_dim

    def to_w(self, code: Tensor) -> Tensor:
        known = self.statistics
        return F.leaky_relu(code @ known.whitening.inverse() + known.p_mean, 1 / 5)

    def from_w(self, w: Tensor) -> Tensor:
        known = self.statistics
        return self.onto_rows((F.leaky_relu(w, 5.0) - known.p_mean) @ known.whitening)


CODES["p+"] = PPlus
SPACES = (*SHIPPED, "p+", "f/p+")
WAYS = [(name, "straight") for name in SPACES]  # how edits move in each: both ways where the two differ
WAYS += [(name, "sphere") for name in SPACES if not space_class(name).linear]
