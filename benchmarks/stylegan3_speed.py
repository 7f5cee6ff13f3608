"""How fast StyleGAN3 is, forward and backward, beside a plain eager form of the same formulas; and its memory.

    python benchmarks/stylegan3_speed.py [--sizes 256 1024] [--configs t r] [--eager] [--forward] [--repeats 3]

Public sizes with random weights, batch 1, fp32. Plain is the textbook: every sample gets weights of its own in a
grouped convolution; upsampling inserts zeros, filters run at the full rate, and downsampling slices. Ours is what
inversion uses, eager and compiled. All run in turn. Memory is what the graph keeps for the gradients.
"""

import argparse
import time
from collections.abc import Callable
from itertools import pairwise
from statistics import median

import torch
from torch import Tensor
from torch.nn import functional as F

from machine import read_result, save_result
from zplus.generators import SynthesisInputs
from zplus.generators.memory import keep_freed_memory
from zplus.generators.stylegan3 import StyleGAN3, StyleGAN3Config, SynthesisLayer, samplings

LAYERS = 14
BASES = {"t": (32768, 512), "r": (65536, 1024)}  # base and most of the channels
KINDS = {"t": {}, "r": {"kernel": 1, "radial": True}}


def public(config: str, resolution: int) -> StyleGAN3:
    """A generator of the public sizes, with random weights; frequencies lie in the first band."""
    torch.manual_seed(0)
    base, most = BASES[config]
    channels = tuple(round(min(base / 2 / x.cutoff, most)) for x in samplings(resolution, LAYERS)[:-1])
    generator = StyleGAN3(StyleGAN3Config(resolution, channels=channels, **KINDS[config]), f"{config}-{resolution}")
    return generator.eval().requires_grad_(False).to(memory_format=torch.channels_last)


def plain_filter(x: Tensor, taps: Tensor) -> Tensor:
    channels = x.shape[1]
    if taps.ndim == 2:
        return F.conv2d(x, taps.expand(channels, 1, *taps.shape), groups=channels)
    line = taps.expand(channels, 1, 1, len(taps))
    return F.conv2d(F.conv2d(x, line, groups=channels), line.mT, groups=channels)


def plain_layer(layer: SynthesisLayer, x: Tensor, style: Tensor, side: int, factors: tuple[int, int]) -> Tensor:
    n, (up, down) = len(x), factors
    weight = layer.weight * layer.weight.square().mean((1, 2, 3), keepdim=True).rsqrt()
    weight = weight[None] * (style * style.square().mean().rsqrt())[:, None, :, None, None]
    weight = weight * (weight.square().sum((2, 3, 4), keepdim=True) + 1e-8).rsqrt() * layer.magnitude_ema.rsqrt()
    x = x.reshape(1, -1, *x.shape[2:])
    x = F.conv2d(x, weight.flatten(0, 1), padding=weight.shape[-1] - 1, groups=n).unflatten(1, (n, -1))[0]
    x = x + layer.bias[:, None, None]
    total = (side - 1) * down + 1 - x.shape[-1] * up + len(layer.up_filter) + len(layer.down_filter) - 2
    low = (total + up) // 2
    _, c, h, w = x.shape
    x = F.pad(x.view(n, c, h, 1, w, 1), (0, up - 1, 0, 0, 0, up - 1)).view(n, c, h * up, w * up)
    x = plain_filter(F.pad(x, [low, total - low] * 2), layer.up_filter * up)
    x = (F.leaky_relu(x, 0.2) * 2**0.5).clamp(-256, 256)
    return plain_filter(x, layer.down_filter)[:, :, ::down, ::down]


def plain(generator: StyleGAN3, styles: tuple[Tensor, ...]) -> Tensor:
    """The image of styles."""
    sampled = samplings(generator.resolution, LAYERS)
    x = generator.synthesis["input"](styles[0])
    for i, (layer, (before, after)) in enumerate(zip(generator.layers, pairwise([sampled[0], *sampled]), strict=False)):
        between = 2 * max(before.rate, after.rate)
        factors = between // before.rate, between // after.rate
        x = plain_layer(generator.synthesis[layer.name], x, styles[i + 1], after.side, factors)
    rgb = generator.synthesis[generator.rgb_name]
    weight = rgb.weight[None] * (styles[-1] / x.shape[1] ** 0.5)[:, None, :, None, None] * rgb.magnitude_ema.rsqrt()
    x = F.conv2d(x.flatten(0, 1)[None], weight.flatten(0, 1), groups=len(x)).unflatten(1, (len(x), -1))[0]
    return 0.25 * (x + rgb.bias[:, None, None])


def ways(generator: StyleGAN3, contiguous: StyleGAN3) -> dict[str, Callable[[tuple[Tensor, ...]], Tensor]]:
    """The three ways to an image from styles."""

    def ours(*styles: Tensor) -> Tensor:
        return generator.synthesize(SynthesisInputs(styles))

    compiled = torch.compile(ours, dynamic=False)
    return {"plain": lambda s: plain(contiguous, s), "eager": lambda s: ours(*s), "compiled": lambda s: compiled(*s)}


def forward(call: Callable, styles: tuple[Tensor, ...]) -> Tensor:
    with torch.inference_mode():
        return call(styles)


def both(call: Callable, styles: tuple[Tensor, ...]) -> Tensor:
    image = call(tuple(x.clone().requires_grad_() for x in styles))
    image.square().mean().backward()
    return image.detach()


def made(config: str, resolution: int) -> tuple[dict[str, Callable], tuple[Tensor, ...], list[Tensor]]:
    """The ways, styles to draw, and all weights."""
    generator = public(config, resolution)
    styles = generator.styles(generator.map(torch.randn(1, generator.num_codes, 512)))
    contiguous = public(config, resolution).to(memory_format=torch.contiguous_format)
    tensors = [x for network in (generator, contiguous) for x in (*network.parameters(), *network.buffers())]
    return ways(generator, contiguous), styles, tensors


def measured(config: str, resolution: int, given: argparse.Namespace) -> dict:
    calls, styles, generator_tensors = made(config, resolution)
    if given.eager:
        del calls["compiled"]
    result = {}
    for run in (forward,) if given.forward else (forward, both):
        result[run.__name__] = timed(run, calls, styles, given.repeats)
        print(config, resolution, run.__name__, result[run.__name__], flush=True)
    if not given.forward:
        weights = {x.untyped_storage().data_ptr() for x in generator_tensors}
        result["kept_gb"] = {name: kept(calls[name], styles, weights) for name in ("plain", "eager")}
        print(config, resolution, result["kept_gb"], flush=True)
    return result


def timed(run: Callable, calls: dict[str, Callable], styles: tuple[Tensor, ...], repeats: int) -> dict[str, float]:
    """Median seconds of each way, how many times ours are faster, and how far their images lie from the plain one."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    images = {}
    if "compiled" in calls:
        run(calls["compiled"], styles)  # which compiles it
    for _ in range(repeats):
        for name, call in calls.items():
            began = time.perf_counter()
            images[name] = run(call, styles)
            times[name].append(time.perf_counter() - began)
    size = images["plain"].abs().max().item()
    apart = max((x - images["plain"]).abs().max().item() for x in images.values()) / size
    assert apart < 1e-3, apart
    result = {name: round(median(x), 2) for name, x in times.items()} | {"largest_relative_difference": apart}
    for name in list(calls)[1:]:
        ratio = median(a / b for a, b in zip(times["plain"], times[name], strict=True))
        result[f"times_faster_{name}"] = round(ratio, 2)
    return result


def kept(call: Callable, styles: tuple[Tensor, ...], weights: set[int]) -> float:
    """Gigabytes that are kept for the gradients, weights aside."""
    held: dict[int, Tensor] = {}

    def keep(x: Tensor) -> Tensor:
        return held.setdefault(x.untyped_storage().data_ptr(), x)

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda x: x):
        call(tuple(x.clone().requires_grad_() for x in styles))
    return round(sum(x.untyped_storage().nbytes() for key, x in held.items() if key not in weights) / 2**30, 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="*", default=[256, 1024])
    parser.add_argument("--configs", nargs="*", default=["t", "r"], choices=list(BASES))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--eager", action="store_true", help="compile nothing")
    parser.add_argument(
        "--forward", action="store_true", help="no gradients: plain takes over 20 GB for those of 1024 px"
    )
    given = parser.parse_args()
    keep_freed_memory()
    for config in given.configs:
        for size in given.sizes:
            before = {key: x for key, x in read_result("stylegan3_speed").items() if key != "machine"}
            found = measured(config, size, given)
            save_result("stylegan3_speed", before | {f"{config}_{size}": found})


if __name__ == "__main__":
    main()
