"""Networks of random weights, for tests of what is done with them."""

from unittest.mock import patch

import torch

from zplus.generators import Generator
from zplus.inversion.encoder import Encoder, config_for
from zplus.perception.lpips import LPIPS, STAGES

NARROW = 32  # channels between two places where features are taken


def random_lpips(net: str, seed: int = 0, stages: tuple | None = None) -> LPIPS:
    """Weights of no meaning, with features of a spread near 1 and heads that are not negative.

    Features are as wide as the real ones, and by default all between them is narrow, which takes a quarter of the time.
    """
    stages = stages or narrow(STAGES[net])
    random, tensors = torch.Generator().manual_seed(seed), {}
    layers = [layer for stage in stages for layer in stage]
    for k, (i, o, size, _, _) in enumerate(layers):
        tensors[f"conv.{k}.weight"] = torch.randn(o, i, size, size, generator=random) * (2 / (i * size * size)) ** 0.5
        tensors[f"conv.{k}.bias"] = torch.randn(o, generator=random) * 0.1
    for k, stage in enumerate(stages):
        tensors[f"head.{k}"] = torch.rand(stage[-1][1], generator=random)
    with patch.dict(STAGES, {net: stages}):  # where the network has its sizes from
        return LPIPS(net, tensors)


def wide_lpips(net: str, seed: int = 0) -> LPIPS:
    """The same with every width as it really is, for tests of the widths and of what is learnt from features."""
    return random_lpips(net, seed, STAGES[net])


def narrow(stages: tuple) -> tuple:
    """The same stages with few channels everywhere but at their ends."""
    found, width = [], 3
    for stage in stages:
        outputs = [NARROW] * (len(stage) - 1) + [stage[-1][1]]
        inputs = [width, *outputs[:-1]]
        found.append(tuple((i, o, *rest) for i, o, (_, _, *rest) in zip(inputs, outputs, stage, strict=True)))
        width = outputs[-1]
    return tuple(found)


def random_encoder(generator: Generator, seed: int = 0, **sizes: object) -> Encoder:
    """An encoder of few weights, of no meaning, for a generator."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        encoder = Encoder(config_for(generator, **{"channels": 8, "hidden": 8, **sizes}), generator.fingerprint)
        for offset in (x for name, x in encoder.named_parameters() if "offsets" in name):
            torch.nn.init.normal_(offset, std=0.1)
    return encoder.eval().requires_grad_(False)
