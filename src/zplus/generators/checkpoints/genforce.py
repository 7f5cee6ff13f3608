"""Checkpoints of genforce and related projects: StyleGAN2 with consecutively numbered layers."""

import re
from collections.abc import Iterator
from typing import Any

from torch import Tensor

from zplus.errors import CheckpointError
from zplus.generators.checkpoints.infer import ParsedCheckpoint
from zplus.generators.checkpoints.storages import Tensors


def read(tree: Any, tensors: Tensors) -> ParsedCheckpoint | None:
    """The generator of {"generator_smooth": ..., "generator": ...}, or of plain tensors."""
    if not isinstance(tree, dict):
        return None
    models = tree["models"] if isinstance(tree.get("models"), dict) else tree  # as its trainer writes them
    key = next((key for key in ("generator_smooth", "generator") if isinstance(models.get(key), dict)), None)
    names = tree if key is None else models[key]
    if "synthesis.early_layer.const" not in names:
        if isinstance(models.get("discriminator"), dict) and key is None:
            raise CheckpointError("This file holds a discriminator and no generator.")
        return None
    if "synthesis.layer0.style.weight" not in names:
        raise CheckpointError("This is a StyleGAN1 of genforce, whose layers are other ones: only StyleGAN2 is read.")
    note = "It has no averaged weights (generator_smooth): those of generator are used, which look worse."
    return ParsedCheckpoint(dict(_renamed(tensors.state(names))), notes=[note] if key == "generator" else [])


def _renamed(state: dict[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    """The tensors under stylegan2-ada-pytorch's names, with the scale of the convolutions included."""
    if "truncation.w_avg" in state:
        yield "mapping.w_avg", state["truncation.w_avg"].flatten()
    yield "synthesis.b4.const", state["synthesis.early_layer.const"][0]
    kernel = next(x[0, 0] / x.sum() for name, x in state.items() if name.endswith("kernel"))
    for name, value in state.items():
        if found := re.fullmatch(r"mapping\.dense(\d+)\.(weight|bias)", name):
            yield f"mapping.fc{found[1]}.{found[2]}", value
        elif found := re.fullmatch(r"synthesis\.layer(\d{1,2})\.(.+)", name):
            k = int(found[1])
            path = f"synthesis.b{4 << ((k + 1) // 2)}"
            yield f"{path}.resample_filter", kernel
            turned = value.flip((2, 3)) if found[2] == "weight" and k % 2 else value  # in layers that enlarge
            yield from _part(f"{path}.conv{(k + 1) % 2}", found[2], turned, kernel)
        elif found := re.fullmatch(r"synthesis\.output(\d{1,2})\.(.+)", name):
            yield from _part(f"synthesis.b{4 << int(found[1])}.torgb", found[2], value, kernel)


def _part(path: str, kind: str, value: Tensor, kernel: Tensor) -> Iterator[tuple[str, Tensor]]:
    if kind == "weight":
        conv = value.shape[-1] > 1
        yield f"{path}.weight", value / value[0].numel() ** 0.5 if conv else value
        if conv:
            yield f"{path}.resample_filter", kernel
    elif kind == "style.bias":
        yield f"{path}.affine.bias", value + 1
    elif kind == "style.weight":
        yield f"{path}.affine.weight", value
    elif kind == "noise":
        yield f"{path}.noise_const", value[0, 0]
    elif kind in ("bias", "noise_strength"):
        yield f"{path}.{kind}", value
