"""The loss of an inversion: distance to the image plus penalties of the code and F under the prior."""

import torch
from jaxtyping import Float
from torch import Tensor

from zplus.execution import Execution
from zplus.generators import State
from zplus.inversion.settings import Settings
from zplus.perception.differentiable import Unlikeness
from zplus.perception.lpips import LPIPS, Features, at
from zplus.spaces import Space
from zplus.spaces.penalties import consensus, delta_norm, feature_consistency, p_norm


class Distance:
    """MSE at full resolution, LPIPS at a reduced one and identity, to N images whose features are computed once."""

    def __init__(self, target: Float[Tensor, "n 3 r r"], lpips: LPIPS, settings: Settings, execution: Execution):
        self.target, self.lpips, self.settings = target, lpips, settings
        self.context = execution.autocast(target.device)
        self.perceptual = execution.compile(_perceptual)
        with torch.no_grad(), self.context:
            self.features = lpips.features(at(target, settings.lpips_size))
        self.unlikeness = Unlikeness(target) if settings.identity_weight else None

    def __call__(self, image: Float[Tensor, "n 3 r r"], mse_weight: float | None = None) -> Float[Tensor, " n"]:
        """The distance [N]; `mse_weight` replaces that of the settings."""
        weight = self.settings.mse_weight if mse_weight is None else mse_weight
        with self.context:
            perceptual = self.perceptual(self.lpips, at(image, self.settings.lpips_size), self.features)
        loss = weight * (image - self.target).square().mean((1, 2, 3)) + self.settings.lpips_weight * perceptual
        return loss if self.unlikeness is None else loss + self.settings.identity_weight * self.unlikeness(image)


def _perceptual(lpips: LPIPS, image: Tensor, features: Features) -> Tensor:
    return lpips.distance(lpips.features(image), features)


def penalties(
    space: Space, code: Tensor, state: State | None, reference: State | None, settings: Settings
) -> Float[Tensor, " n"]:
    """The weighted penalties [N]; `state` is a free F, and `reference` what it is held to."""
    total = torch.zeros(len(code), device=code.device)
    for weight, penalty in (
        (settings.consensus_weight, consensus),
        (settings.p_norm_weight, p_norm),
        (settings.delta_weight, delta_norm),
    ):
        if weight:
            total = total + weight * penalty(space, code)
    if settings.consistency_weight and state is not None and reference is not None:
        total = total + settings.consistency_weight * feature_consistency(space, state, reference)
    return total
