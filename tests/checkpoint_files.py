"""Writes a StyleGAN2 as the programs of others do, with their structure and none of their code."""

import argparse
import pickle
import sys
import types
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch

from zplus.generators.checkpoints.export import genforce, rosinality
from zplus.generators.stylegan2 import StyleGAN2

SOURCE = "raise RuntimeError('the source in a checkpoint was run')"


@contextmanager
def foreign(*names: str) -> Iterator[None]:
    """Makes "module.name" exist as an empty class while a pickle that names it is written."""
    made = {}
    for full in names:
        module, _, name = full.rpartition(".")
        made.setdefault(module, types.ModuleType(module))
        setattr(made[module], name, type(name, (), {"__module__": module}))
    parents = {full.rpartition(".")[0] for full in made} | {full.split(".")[0] for full in made}
    new = {**{x: types.ModuleType(x) for x in parents if x}, **made}
    kept = {name: sys.modules.get(name) for name in new}
    sys.modules.update(new)
    try:
        yield
    finally:
        for name, module in kept.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module


# NVIDIA, PyTorch


class _Call:
    """Pickles as a call of "module.name" with these arguments."""

    def __init__(self, full: str, *arguments):
        self.full, self.arguments = full, arguments

    def __reduce__(self):
        module, _, name = self.full.rpartition(".")
        return getattr(sys.modules[module], name), self.arguments


RECONSTRUCT = "torch_utils.persistence._reconstruct_persistent_obj"


def nvidia_torch(
    generator: StyleGAN2, key: str = "G_ema", double: bool = False, protocol: int = 3, **attributes
) -> bytes:
    """{key: network}, as stylegan2-ada-pytorch pickles it; `attributes` are set on every module."""

    def record(path: str, kind: str) -> _Call:
        inner = {x[len(path) :].lstrip(".").split(".")[0] for x in tensors if x.startswith(f"{path}." if path else "")}
        own = {x: tensors[f"{path}.{x}".lstrip(".")] for x in inner if f"{path}.{x}".lstrip(".") in tensors}
        modules = OrderedDict((x, record(f"{path}.{x}".lstrip("."), "Layer")) for x in sorted(inner - own.keys()))
        state = {
            "training": False,
            "_parameters": OrderedDict((k, torch.nn.Parameter(v)) for k, v in own.items() if "noise_const" not in k),
            "_buffers": OrderedDict((k, v) for k, v in own.items() if "noise_const" in k),
            "_modules": modules,
            "_non_persistent_buffers_set": set(),
            "_init_args": [],
            "_init_kwargs": {"c_dim": generator.config.c_dim},
            **attributes,
        }
        if path.startswith("mapping.fc"):
            state["bias_gain"] = generator.config.mapping_lr
        if "conv" in path:
            state["conv_clamp"] = generator.config.conv_clamp
        meta = {"type": "class", "version": 6, "module_src": SOURCE, "class_name": kind, "state": state}
        return _Call(RECONSTRUCT, meta)

    tensors = {k: v.double() if double else v for k, v in generator.state_dict().items()}
    with foreign(RECONSTRUCT):
        return pickle.dumps(
            {key: record("", "Generator"), "training_set_kwargs": {"path": "x"}, "augment_pipe": None}, protocol
        )


# NVIDIA, TensorFlow

NETWORK = "dnnlib.tflib.network.Network"


def nvidia_tensorflow(generator: StyleGAN2, version: int = 4) -> bytes:
    """(G, D, Gs), as the TensorFlow programs pickle it."""
    tensors = {name: x.numpy() for name, x in generator.state_dict().items()}
    config = generator.config

    def network(variables, components=None, **options):
        made = sys.modules["dnnlib.tflib.network"].Network()
        vars(made).update(
            version=version, name="Gs", static_kwargs=options, components=components or {}, variables=variables,
            build_module_src=SOURCE, build_func_name="G_main",
        )  # fmt: skip
        return made

    mapping, synthesis = [], []
    for name, value in tensors.items():
        parts = name.split(".")
        if parts[0] == "mapping" and parts[1] != "w_avg":
            layer = "LabelEmbed" if parts[1] == "embed" else f"Dense{parts[1][2:]}"
            mapping.append((f"{layer}/{parts[2]}", value.T))
        elif parts[0] == "synthesis" and parts[2] == "const":
            synthesis.append(("4x4/Const/const", value[None]))
        elif parts[0] == "synthesis":
            synthesis += _tensorflow(int(parts[1][1:]), parts[2], ".".join(parts[3:]), value)
    with foreign(NETWORK):
        components = {
            "mapping": network(mapping, mapping_lrmul=config.mapping_lr),
            "synthesis": network(synthesis, architecture=config.architecture, resample_kernel=[1, 3, 3, 1]),
        }
        whole = network([("dlatent_avg", tensors["mapping.w_avg"])], components, resolution=config.resolution)
        return pickle.dumps((network([]), network([]), whole))


def _tensorflow(side: int, part: str, kind: str, value: np.ndarray) -> list[tuple[str, np.ndarray]]:
    names = {"conv0": "Conv0_up", "conv1": "Conv1" if side > 4 else "Conv", "torgb": "ToRGB", "skip": "Skip"}
    if part not in names or kind == "resample_filter":
        return []
    path = f"{side}x{side}/{names[part]}"
    if kind == "weight":
        flipped = value[:, :, ::-1, ::-1] if part in ("conv0", "skip") else value
        return [(f"{path}/weight", np.ascontiguousarray(flipped.transpose(2, 3, 1, 0)))]
    if kind == "noise_const":
        index = 2 * int(np.log2(side)) - (5 if part == "conv0" else 4)
        return [(f"noise{max(index, 0)}", value[None, None])]
    if kind == "affine.weight":
        return [(f"{path}/mod_weight", value.T)]
    if kind == "affine.bias":
        return [(f"{path}/mod_bias", value - 1)]
    return [(f"{path}/{kind}", value)]


# Files


def write(path: Path, kind: str, generator: StyleGAN2) -> Path:
    """A file of one of FORMATS."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind.startswith("nvidia"):
        path.write_bytes(nvidia_torch(generator) if kind == "nvidia_torch" else nvidia_tensorflow(generator))
        return path
    mean, options = generator.mapping.w_avg, {"_use_new_zipfile_serialization": "old" not in kind}
    trees = {
        "rosinality": lambda: {"g_ema": rosinality(generator), "latent_avg": mean, "args": argparse.Namespace(size=1)},
        "e4e": lambda: {
            "state_dict": {f"decoder.{k}": v for k, v in rosinality(generator).items()} | {"encoder.x": torch.ones(1)},
            "latent_avg": mean.expand(generator.num_codes, -1), "opts": {"stylegan_size": 32},
        },
        "genforce": lambda: {"generator_smooth": genforce(generator), "discriminator": {}},
        "plain": lambda: OrderedDict(generator.state_dict()),
    }  # fmt: skip
    torch.save(trees[kind.removesuffix("_old")](), path, **options)
    return path


SKIP_ONLY = ("rosinality", "rosinality_old", "e4e", "genforce", "genforce_old")
FORMATS = ("nvidia_torch", "nvidia_tensorflow", "plain", *SKIP_ONLY)
