"""Spatially adaptive inversion (Parmar et al. 2022, SAM, arXiv 2206.08357), in any space of codes.

What a quick inversion of the code shows well stays with the code, which edits best; where it does not, feature maps are
added, the deeper the worse it is there. The paper predicts that by networks; here it is measured.
"""

from dataclasses import replace
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from zplus.execution import Execution
from zplus.generators import Feature, Signals, State
from zplus.inversion.descend import Variable, descend
from zplus.inversion.objective import Distance, penalties
from zplus.inversion.optimize import Callback, Clock
from zplus.inversion.settings import Settings
from zplus.latent import Latent
from zplus.perception.lpips import LPIPS, at
from zplus.spaces import Space

SEGMENTS = 32  # a side: each segment is a square of the picture
STEEP = 1.5  # a depth further where the error is this many times as large
MOST_DEPTHS = 3


def adapt(
    space: Space,
    quick: Latent,
    target: Float[Tensor, "n 3 r r"],
    lpips: LPIPS,
    settings: Settings,
    execution: Execution,
    callback: Callback | None = None,
) -> Latent:
    """A latent of a code and of feature maps that are added at several depths, each where the choice fell on it.

    quick: what the code alone reached. Not for F/X spaces, where F holds everything already.
    """
    generator, layers = space.generator, depths(space)
    distance, clock = Distance(target, lpips, settings, execution), Clock.after(quick, settings.adapting, callback)
    code = quick.inverted.code.to(target.device)
    with torch.no_grad():
        head = [generator.head(space.signals(code), k).features for k in layers]
        chosen = choose(error_map(lpips, generator.synthesize(space.signals(code)), target), len(layers), settings.tau)
    masks = [
        F.interpolate((chosen == depth).float(), x.shape[-2:], mode="bilinear", antialias=True)
        for depth, x in enumerate(head, start=1)
    ]
    units = [x.flatten(1).std(1)[:, None, None, None] for x in head]
    synthesis = execution.compile(partial(_synthesis, space, layers))

    def features(offsets: tuple[Tensor, ...]) -> list[Tensor]:
        return [mask * unit * x for mask, unit, x in zip(masks, units, offsets, strict=True)]

    def objective(offset: Tensor, *offsets: Tensor) -> tuple[Tensor, Tensor]:
        moved = space.retract(code + space.spread * offset)
        with execution.autocast(target.device):
            image = synthesis(space.signals(moved).styles, features(offsets)).float()
        size = sum(x.square().mean((1, 2, 3)) for x in offsets)
        return distance(image) + penalties(space, moved, None, None, settings) + settings.added * size, image

    moving = [Variable(torch.zeros_like(x), settings.feature_lr, settings.feature_rule) for x in head]
    variables = [Variable(torch.zeros_like(code), settings.code_lr), *moving]
    best, *offsets = descend(
        objective, variables, settings.adapting, settings.warmup, settings.decay, settings.patience, clock.report
    )
    point = quick.inverted._replace(code=space.retract(code + space.spread * best).detach())
    shares = {f"depth_{depth}": (chosen == depth).float().mean((1, 2, 3)).tolist() for depth in range(len(layers) + 1)}
    figures = quick.figures | {"steps": [clock.step] * len(code), "seconds": [clock.seconds / len(code)] * len(code)}
    added = {generator.layers[k].name: x.detach() for k, x in zip(layers, features(tuple(offsets)), strict=True)}
    return replace(quick, inverted=point, figures=figures | shares, added=added)


def _synthesis(space: Space, layers: list[int], styles: tuple[Tensor, ...], added: list[Tensor]) -> Tensor:
    features = {k: Feature(State(x), "add") for k, x in zip(layers, added, strict=True)}
    return space.generator.synthesize(Signals(styles, space.noise, features))


def depths(space: Space) -> list[int]:
    """The layers after which maps may be added: the last ones at three sides, from 16 px (or a quarter of R) on."""
    generator, most = space.generator, space.generator.resolution // 2
    sides = sorted({x.resolution for x in generator.layers if min(16, most // 2) <= x.resolution <= most})
    return [generator.layer(str(side)) for side in sides[:MOST_DEPTHS]]


def error_map(
    lpips: LPIPS, image: Float[Tensor, "n 3 r r"], target: Float[Tensor, "n 3 r r"]
) -> Float[Tensor, "n 1 s s"]:
    """LPIPS segment by segment."""
    side = min(256, image.shape[-1])
    pairs = zip(lpips.features(at(image, side)), lpips.features(at(target, side)), lpips.head, strict=True)
    stages = [((x - y).square() * head.view(1, -1, 1, 1)).sum(1, keepdim=True) for x, y, head in pairs]
    return torch.stack([F.adaptive_avg_pool2d(x, SEGMENTS) for x in stages]).sum(0)


def choose(error: Float[Tensor, "n 1 s s"], count: int, tau: float) -> Float[Tensor, "n 1 s s"]:
    """For each segment 0, the code, where its error is below tau, else a depth 1..count, by the size of the error."""
    smooth = F.avg_pool2d(F.pad(error, (1, 1, 1, 1), mode="replicate"), 3, 1)
    return (1 + torch.log(smooth / tau) / torch.log(torch.tensor(STEEP))).floor().clamp(0, count)
