"""What generator and discriminator minimise; scores are [N], high for real, and every loss is a mean over rows."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

Scores = Float[Tensor, " n"]


def generator_loss(fake: Scores) -> Tensor:
    """The non-saturating logistic loss (Goodfellow et al. 2014, arXiv 1406.2661, section 3): -log sigmoid(D(G(z))).

    >>> float(generator_loss(torch.zeros(2)))  # log 2
    0.6931471824645996
    """
    return F.softplus(-fake).mean()


def discriminator_loss(real: Scores, fake: Scores) -> Tensor:
    """The logistic loss: -log sigmoid(D(x)) - log(1 - sigmoid(D(G(z))))."""
    return F.softplus(-real).mean() + F.softplus(fake).mean()


def r1_penalty(discriminator: Callable[[Tensor], Tensor], real: Float[Tensor, "n ..."]) -> Tensor:
    """The mean of |grad_x D(x)|^2 over real pictures or codes (Mescheder et al. 2018, arXiv 1801.04406, equation 9).

    The loss is gamma / 2 times this.
    """
    real = real.detach().requires_grad_()
    (slope,) = torch.autograd.grad(discriminator(real).sum(), real, create_graph=True)
    return slope.flatten(1).square().sum(1).mean()


class PathLength(nn.Module):
    """Path length regularisation (Karras et al. 2020, arXiv 1912.04958, section 3.2, equation 4).

    The mean of (|J^T y| - a)^2, y being noise of the size of a picture and a the running mean of the lengths, which is
    all that this module holds.
    """

    mean: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros([]))

    def forward(
        self,
        images: Float[Tensor, "n 3 r r"],
        w: Float[Tensor, "n l w"],
        random: torch.Generator,
        reduce: Callable[[Tensor], Tensor] = lambda x: x,
    ) -> Tensor:
        """The penalty for pictures that were made from w; updates the running mean, by the mean of all processes.

        reduce: from a number of this process to its mean over all.
        """
        noise = torch.randn(images.shape, device=images.device, generator=random) / images.shape[-1]
        (slope,) = torch.autograd.grad((images * noise).sum(), w, create_graph=True)
        lengths = slope.square().sum(2).mean(1).sqrt()  # [N]
        self.mean.lerp_(reduce(lengths.detach().mean()), 0.01)
        return (lengths - self.mean).square().mean()


def mix_styles(
    w: Float[Tensor, "n 2 w"], layers: int, probability: float, random: torch.Generator
) -> Float[Tensor, "n {layers} w"]:
    """Style mixing (Karras et al. 2019, arXiv 1812.04948, section 3.1): the second code from a random layer on.

    It happens to a row with `probability`; else all of its layers have the first code.
    """
    device = w.device
    crossing = torch.randint(1, layers, (len(w), 1), device=device, generator=random)
    mixed = torch.rand(len(w), 1, device=device, generator=random) < probability
    second = mixed & (torch.arange(layers, device=device) >= crossing)  # [N, L]
    return torch.where(second[:, :, None], w[:, 1:], w[:, :1])
