"""Points on a feature map: the loss that moves them, and where they have gone (Pan et al. 2023, arXiv 2305.10973).

Points are x, y in cells of the map: its upper left corner is (0, 0), the centre of its first cell (0.5, 0.5).
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

FINE = 0.25  # cells between the places at which a point is looked for


class Followed:
    """Points on their way to their targets.

    Args:
        first: The feature map before anything moved; the points are recognised by its features.
        handles: Where the points are.
        targets: Where they are to go.
        radius: Of the patch around a point that moves as a whole, in cells.
        search: Half a side of the square in which a point is looked for after a step, in cells.
    """

    def __init__(
        self,
        first: Float[Tensor, "1 c r r"],
        handles: Float[Tensor, "p 2"],
        targets: Float[Tensor, "p 2"],
        radius: float,
        search: float,
    ):
        self.wanted = read_at(first, handles)
        self.handles, self.targets, self.radius, self.search = handles, targets, radius, search

    def loss(self, features: Float[Tensor, "1 c r r"]) -> Float[Tensor, ""]:
        """See `motion_loss`."""
        return motion_loss(features, self.handles, self.targets, self.radius)

    def follow(self, features: Float[Tensor, "1 c r r"]) -> None:
        """Look where the points are now."""
        self.handles = track(features, self.wanted, self.handles, self.search)

    @property
    def distances(self) -> Float[Tensor, " p"]:
        """From the points to their targets, in cells."""
        return (self.handles - self.targets).norm(dim=1)


def motion_loss(
    features: Float[Tensor, "1 c r r"], handles: Float[Tensor, "p 2"], targets: Float[Tensor, "p 2"], radius: float
) -> Float[Tensor, ""]:
    """The loss whose descent moves the patch around each handle towards its target (equation 1).

    It is |F(q) - F(q + d)|, a mean over the patch and the channels and a sum over the points. F(q) is constant. d is
    one cell long, and shorter where the target is nearer.
    """
    way = targets - handles
    step = way / way.norm(dim=-1, keepdim=True).clamp(min=1)
    patch = handles[:, None] + disc(radius).to(handles)  # [P, Q, 2]
    here, there = read_at(features.detach(), patch), read_at(features, patch + step[:, None])
    return (there - here).abs().mean((1, 2)).sum()


@torch.no_grad()
def track(
    features: Float[Tensor, "1 c r r"], wanted: Float[Tensor, "p c"], handles: Float[Tensor, "p 2"], search: float
) -> Float[Tensor, "p 2"]:
    """Where each point is: the place of the feature nearest to the wanted one, in a square around it (equation 2)."""
    steps = torch.arange(-round(search / FINE), round(search / FINE) + 1).to(handles) * FINE
    offsets = torch.cartesian_prod(steps, steps)
    offsets = offsets[offsets.norm(dim=1).argsort(stable=True)]  # of equally near features the one that moved least
    places = (handles[:, None] + offsets).clamp(0, features.shape[-1])  # [P, M, 2]
    apart = (read_at(features, places) - wanted[:, None]).abs().sum(-1)
    return places[torch.arange(len(places)), apart.argmin(1)]


def read_at(features: Float[Tensor, "1 c r r"], points: Float[Tensor, "*p 2"]) -> Float[Tensor, "*p c"]:
    """The features at points, bilinear; beyond the edge those of the edge."""
    grid = points.reshape(1, 1, -1, 2) * (2 / features.shape[-1]) - 1
    found = F.grid_sample(features, grid, padding_mode="border", align_corners=False)
    return found[0, :, 0].T.reshape(*points.shape[:-1], -1)


def disc(radius: float) -> Float[Tensor, "q 2"]:
    """The offsets of whole cells within a radius."""
    steps = torch.arange(-int(radius), int(radius) + 1).float()
    offsets = torch.cartesian_prod(steps, steps)
    return offsets[offsets.norm(dim=1) <= radius]
