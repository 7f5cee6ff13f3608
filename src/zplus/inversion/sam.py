"""Spatially adaptive inversion (SAM: Parmar et al. 2022, arXiv 2206.08357), in any space of codes.

Segments that a quick inversion of the code shows well stay with the code, which edits best. Elsewhere feature maps are
added, at deeper layers the larger the error. The paper predicts the error by networks; here it is measured.
"""

import math
from dataclasses import replace
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from zplus.errors import ZplusError
from zplus.generators import Feature, Generator, State, SynthesisInputs
from zplus.generators.contract import Layer
from zplus.generators.prior import feature_std
from zplus.inversion.minimizer import minimize
from zplus.inversion.objective import penalties
from zplus.inversion.problem import FreeCode, FreeMap, Problem
from zplus.latent import Latent
from zplus.perception.lpips import LPIPS, MIN_SIDE, at
from zplus.spaces import Space

SEGMENTS = 32  # a side: each segment is a square of the image
STEEP = 1.5  # a depth further where the error is this many times as large
MAX_DEPTHS = 3


def check(problem: Problem) -> None:
    """Raises ZplusError in F/X spaces, where F already holds the detail."""
    space = problem.space
    if space.layer is not None:
        raise ZplusError(f"SAM adds feature maps to a space of codes, not to {space.name}: choose {space.kind}.")


def adapt(problem: Problem, latent: Latent) -> Latent:
    """The latent with feature maps added at several layers, optimised together with the code.

    Raises:
        DivergedError: A row never had a finite loss.
    """
    space, generator, settings, counter = problem.space, problem.generator, problem.settings, problem.counter
    if counter.stopped:
        return latent
    code, layers = latent.inverted.code, depths(generator)
    stds = [feature_std(generator, k)[0] for k in layers]
    with torch.no_grad():
        inputs = space.inputs(code)
        first = [torch.zeros_like(generator.head(inputs, k).features) for k in layers]
        error = error_map(problem.distance.lpips, generator.synthesize(inputs), problem.target)
    chosen = choose(error, len(layers), settings.sam_threshold)
    masks = [_mask((chosen == depth).float(), generator.layers[k]) for depth, k in enumerate(layers, start=1)]
    free_code = FreeCode(problem, code)
    free = [FreeMap(problem, x, std) for x, std in zip(first, stds, strict=True)]
    synthesis = problem.execution.compile(partial(_synthesis, space, layers))

    def maps(offsets: tuple[Tensor, ...]) -> list[Tensor]:
        return [one.at(offset) for one, offset in zip(free, offsets, strict=True)]

    def objective(offset: Tensor, *offsets: Tensor) -> tuple[Tensor, Tensor]:
        moved, added = free_code.at(offset), maps(offsets)
        masked = [mask * x for mask, x in zip(masks, added, strict=True)]
        styles = space.inputs(moved).styles
        with problem.execution.autocast(code.device):
            image = synthesis(styles, masked).float()
        size = torch.stack([(x / std).square().mean((1, 2, 3)) for x, std in zip(added, stds, strict=True)]).sum(0)
        cost = penalties(space, moved, None, None, settings) + settings.sam_weight * size
        return problem.distance(image) + cost, image

    variables = [free_code.variable, *(one.variable for one in free)]
    (offset, *offsets), _ = minimize(
        objective, variables, settings.sam_steps, settings.warmup, settings.decay, settings.patience,
        report=counter.report,
    )  # fmt: skip
    shares = {f"depth_{depth}": (chosen == depth).float().mean((1, 2, 3)).tolist() for depth in range(len(layers) + 1)}
    added = zip(layers, masks, maps(tuple(offsets)), strict=True)
    return replace(
        latent,
        inverted=latent.inverted._replace(code=free_code.at(offset).detach()),
        figures=latent.figures | shares,
        added={generator.layers[k].name: (mask * x).detach() for k, mask, x in added},
    )


def _mask(where: Tensor, layer: Layer) -> Tensor:
    """A part of the image [N, 1, s, s] as a soft mask of a layer's map."""
    wide = F.interpolate(where, (layer.resolution, layer.resolution), mode="bilinear", antialias=True)
    return layer.with_margin(wide)


def _synthesis(space: Space, layers: list[int], styles: tuple[Tensor, ...], added: list[Tensor]) -> Tensor:
    features = {k: Feature(State(x), "add") for k, x in zip(layers, added, strict=True)}
    return space.generator.synthesize(SynthesisInputs(styles, space.noise, features))


def depths(generator: Generator) -> list[int]:
    """The layers after which maps are added: the last ones at three resolutions, from 16 px (or R / 4) upwards."""
    most = max(generator.resolution // 2, generator.layers[0].resolution)
    sides = sorted({x.resolution for x in generator.layers if min(16, most // 2) <= x.resolution <= most})
    return [generator.layer(str(side)) for side in sides[:MAX_DEPTHS]]


def error_map(
    lpips: LPIPS, image: Float[Tensor, "n 3 r r"], target: Float[Tensor, "n 3 r r"]
) -> Float[Tensor, "n 1 s s"]:
    """LPIPS per segment."""
    side = min(256, max(MIN_SIDE, image.shape[-1]))
    pairs = zip(lpips.features(at(image, side)), lpips.features(at(target, side)), lpips.head, strict=True)
    stages = [((x - y).square() * head.view(1, -1, 1, 1)).sum(1, keepdim=True) for x, y, head in pairs]
    return torch.stack([F.adaptive_avg_pool2d(x, SEGMENTS) for x in stages]).sum(0)


def choose(error: Float[Tensor, "n 1 s s"], count: int, threshold: float) -> Float[Tensor, "n 1 s s"]:
    """For each segment 0 (code only) if its error is below `threshold`, else a depth 1..count by its error."""
    smooth = F.avg_pool2d(F.pad(error, (1, 1, 1, 1), mode="replicate"), 3, 1)
    return (1 + torch.log(smooth / threshold) / math.log(STEEP)).floor().clamp(0, count)
