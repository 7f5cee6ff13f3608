"""Pickles of NVIDIA's TensorFlow StyleGAN2 (stylegan2, stylegan2-ada): networks as lists of named arrays."""

import re
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from zplus.errors import CheckpointError
from zplus.generators.checkpoints.infer import ParsedCheckpoint
from zplus.generators.checkpoints.pickles import Made, preview
from zplus.generators.checkpoints.storages import Tensors
from zplus.generators.resample import fir_kernel
from zplus.generators.stylegan2 import MAX_TAPS

NETWORK = "dnnlib.tflib.network.Network"
OLDEST = 4  # the version of a network record from which on it is StyleGAN2


def read(tree: Any, tensors: Tensors) -> ParsedCheckpoint | None:
    """The generator Gs of a tuple (G, D, Gs)."""
    if not isinstance(tree, tuple) or not tree or not all(_is_network(x) for x in tree[:4]):
        return None
    if len(tree) != 3:
        raise CheckpointError(f"This file holds {len(tree)} networks of TensorFlow, expected the 3 of a StyleGAN2.")
    network = tree[2].state
    if not isinstance(network.get("version"), int) or network["version"] < OLDEST:
        raise CheckpointError("This is a network of StyleGAN1 or older, whose layers are other ones: not supported.")
    options = network.get("static_kwargs") or {}
    held = network["components"]
    parts = {name: held[name].state for name in ("mapping", "synthesis") if _is_network(held.get(name))}
    for part in parts.values():
        options = (part.get("static_kwargs") or {}) | options
    for option, known in (("architecture", ("skip", "resnet")), ("nonlinearity", ("lrelu",))):
        if options.get(option, known[0]) not in known:
            raise CheckpointError(f"A StyleGAN2 with {option} {preview(options[option])} is not supported.")
    values = dict(_values(network, "", tensors))
    for name, part in parts.items():
        values |= dict(_values(part, f"{name}/", tensors))
    taps = options.get("resample_kernel") or [1, 3, 3, 1]
    if not isinstance(taps, list) or len(taps) > MAX_TAPS:
        raise CheckpointError("The filter of the network is none of a StyleGAN2: it is damaged or hostile.")
    kernel = fir_kernel(taps)
    return ParsedCheckpoint(dict(_renamed(values, kernel)), float(options.get("mapping_lrmul", 0.01)))


def _is_network(record: Any) -> bool:
    return isinstance(record, Made) and record.maker == NETWORK and isinstance(record.state, dict)


def _values(network: dict[str, Any], prefix: str, tensors: Tensors) -> Iterator[tuple[str, Tensor]]:
    for name, record in network.get("variables") or []:
        value = tensors.tensor(record)
        if value is not None:
            yield prefix + name, value


def _renamed(values: dict[str, Tensor], kernel: Tensor) -> Iterator[tuple[str, Tensor]]:
    """The tensors under stylegan2-ada-pytorch's names, in its order of axes."""
    if "dlatent_avg" in values:
        yield "mapping.w_avg", values["dlatent_avg"]
    for name, value in values.items():
        if found := re.fullmatch(r"mapping/(?:Dense(\d+)|LabelEmbed|LabelConcat)/(weight|bias)", name):
            layer = "embed" if found[1] is None else f"fc{found[1]}"
            yield f"mapping.{layer}.{found[2]}", value.T if found[2] == "weight" else value
    if "mapping/LabelConcat/weight" in values:  # the older kind has no bias
        yield "mapping.embed.bias", torch.zeros(values["mapping/LabelConcat/weight"].shape[1])
    if "synthesis/4x4/Const/const" in values:
        yield "synthesis.b4.const", values["synthesis/4x4/Const/const"][0]
    for name, value in values.items():
        found = re.fullmatch(r"synthesis/(\d+)x\1/(Conv|Conv0_up|Conv1|ToRGB|Skip)/(\w+)", name)
        if found:
            side, part, kind = int(found[1]), OPERATIONS[found[2]], found[3]
            path = f"synthesis.b{side}"
            yield f"{path}.resample_filter", kernel
            yield from _operation(f"{path}.{part}", kind, value, kernel)
            if part.startswith("conv") and kind == "noise_strength":
                index = 0 if side == 4 else 2 * side.bit_length() - 7 + (part == "conv1")
                yield f"{path}.{part}.noise_const", values[f"synthesis/noise{index}"][0, 0]


OPERATIONS = {"Conv": "conv1", "Conv0_up": "conv0", "Conv1": "conv1", "ToRGB": "torgb", "Skip": "skip"}


def _operation(path: str, kind: str, value: Tensor, kernel: Tensor) -> Iterator[tuple[str, Tensor]]:
    part = path.rpartition(".")[2]
    if kind == "weight":
        value = value.permute(3, 2, 0, 1)  # HWIO to OIHW
        yield f"{path}.weight", (value.flip((2, 3)) if part in ("conv0", "skip") else value).contiguous()
        if part != "torgb":
            yield f"{path}.resample_filter", kernel
    elif kind == "mod_weight":
        yield f"{path}.affine.weight", value.T.contiguous()
    elif kind == "mod_bias":
        yield f"{path}.affine.bias", value + 1
    else:
        yield f"{path}.{kind}", value
