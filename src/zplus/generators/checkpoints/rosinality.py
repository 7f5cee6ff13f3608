"""Checkpoints of rosinality's stylegan2-pytorch, and of e4e and pSp, which contain such a generator."""

import re
from collections.abc import Iterator
from typing import Any

from torch import Tensor

from zplus.errors import CheckpointError
from zplus.generators.checkpoints.infer import ParsedCheckpoint
from zplus.generators.checkpoints.storages import Tensors


def read(tree: Any, tensors: Tensors) -> ParsedCheckpoint | None:
    """The generator of {"g_ema": ..., "latent_avg": ...}, {"state_dict": {"decoder.": ...}}, or plain tensors."""
    if not isinstance(tree, dict):
        return None
    notes = []
    names = next((tree[key] for key in ("g_ema", "g") if isinstance(tree.get(key), dict)), None)
    if names is not None and "g_ema" not in tree:
        notes.append("It has no averaged weights (g_ema): those of g are used, which look worse.")
    if names is None and isinstance(tree.get("state_dict"), dict):
        inside = tree["state_dict"]
        names = {str(key).removeprefix("decoder."): x for key, x in inside.items() if str(key).startswith("decoder.")}
        if any(str(key).startswith("encoder.") for key in inside):
            notes.append("It also holds an encoder, which was left out.")
    names = tree if names is None else names
    if "input.input" not in names:
        if "d" in tree or "final_conv.0.weight" in names:
            raise CheckpointError("This file holds a discriminator and no generator.")
        return None
    found = dict(_renamed(tensors.state(names)))
    mean = tensors.tensor(tree.get("latent_avg"))
    if mean is not None:
        found["mapping.w_avg"] = mean if mean.ndim == 1 else mean.flatten(0, -2).mean(0)  # some keep it once a layer
    else:
        notes.append("It states no mean of w: samples will give it.")
    return ParsedCheckpoint(found, notes=notes)


def _renamed(state: dict[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    """The tensors under stylegan2-ada-pytorch's names, with the scale of the convolutions included."""
    yield "synthesis.b4.const", state["input.input"][0]
    for name, value in state.items():
        if found := re.fullmatch(r"style\.(\d+)\.(weight|bias)", name):
            yield f"mapping.fc{int(found[1]) - 1}.{found[2]}", value
        elif found := re.fullmatch(r"(conv1|convs\.(\d{1,2}))\.(.+)", name):
            k = -1 if found[2] is None else int(found[2])
            side, conv = 8 << (k // 2) if k >= 0 else 4, f"conv{k % 2}"
            yield from _convolution(f"synthesis.b{side}.{conv}", found[3], value)
            if found[3] == "conv.weight":
                yield f"synthesis.b{side}.{conv}.noise_const", state[f"noises.noise_{k + 1}"][0, 0]
                filters = (x.flip((0, 1)) / x.sum() for key, x in state.items() if key.endswith("kernel"))
                kernel = next(filters)
                yield f"synthesis.b{side}.{conv}.resample_filter", kernel
                yield f"synthesis.b{side}.resample_filter", kernel
        elif found := re.fullmatch(r"(to_rgb1|to_rgbs\.(\d{1,2}))\.(.+)", name):
            side = 4 if found[2] is None else 8 << int(found[2])
            yield from _to_rgb(f"synthesis.b{side}.torgb", found[3], value)


def _convolution(path: str, kind: str, value: Tensor) -> Iterator[tuple[str, Tensor]]:
    if kind == "conv.weight":  # [1, out, in, 3, 3], to be scaled by 1 / sqrt(in * 9)
        yield f"{path}.weight", value[0] / value[0, 0].numel() ** 0.5
    elif kind.startswith("conv.modulation."):
        yield f"{path}.affine.{kind.rpartition('.')[2]}", value
    elif kind == "noise.weight":
        yield f"{path}.noise_strength", value[0]
    elif kind == "activate.bias":
        yield f"{path}.bias", value


def _to_rgb(path: str, kind: str, value: Tensor) -> Iterator[tuple[str, Tensor]]:
    if kind == "conv.weight":
        yield f"{path}.weight", value[0]
    elif kind.startswith("conv.modulation."):
        yield f"{path}.affine.{kind.rpartition('.')[2]}", value
    elif kind == "bias":
        yield f"{path}.bias", value.flatten()
