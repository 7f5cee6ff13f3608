"""Pickles of stylegan2-ada-pytorch and its successors: networks with their source code, which is never executed."""

from collections.abc import Iterator
from typing import Any

from torch import Tensor, zeros

from zplus.errors import CheckpointError
from zplus.generators.checkpoints.infer import ParsedCheckpoint
from zplus.generators.checkpoints.infer3 import MARK as STYLEGAN3
from zplus.generators.checkpoints.infer3 import STYLEGAN_XL
from zplus.generators.checkpoints.pickles import Made, preview
from zplus.generators.checkpoints.storages import Tensors

PERSISTENT_CLASS = "torch_utils.persistence._reconstruct_persistent_obj"
DEPTH = 5  # generator, synthesis, block, layer, affine
STYLEGAN3_SETTINGS = {"num_critical": 2, "margin_size": 10, "output_scale": 0.25, "conv_clamp": 256}  # all public ones


def read(tree: Any, tensors: Tensors) -> ParsedCheckpoint | None:
    """The generator of {"G_ema": ..., "G": ..., "D": ...}, of a single pickled network, or of plain tensors."""
    networks = tree if isinstance(tree, dict) else {"G_ema": tree}
    if "synthesis.b4.const" in networks or STYLEGAN3 in networks:
        return ParsedCheckpoint(tensors.state(networks))
    name = next((key for key in ("G_ema", "G") if _is_network(networks.get(key))), None)
    if name is None:
        if _is_network(networks.get("D")):
            raise CheckpointError("This file holds a discriminator and no generator.")
        return None
    network = networks[name]
    modules = dict(_modules(network, tensors))
    kind = network.arguments[0].get("class_name")
    if "mapping" not in modules or "synthesis" not in modules:
        raise CheckpointError(f"This file holds a network of the class {preview(kind)} and no StyleGAN generator.")
    if kind == "SuperresGenerator" or "mapping.embed_proj" in modules:
        raise CheckpointError(STYLEGAN_XL)
    state = dict(_tensors(modules, tensors))
    for path, module in modules.items():
        for setting, known in STYLEGAN3_SETTINGS.items() if STYLEGAN3 in state else ():
            if module.get(setting, known) != known:
                raise CheckpointError(f"A StyleGAN3 with {setting} = {preview(module[setting])} is not supported.")
        if module.get("architecture", "skip") not in ("skip", "resnet"):
            raise CheckpointError(
                f"A StyleGAN2 of the architecture {preview(module['architecture'])} is not supported."
            )
        if module.get("activation", "lrelu") not in ("lrelu", "linear"):
            raise CheckpointError(f"A StyleGAN with the activation {preview(module['activation'])} is not supported.")
        if module.get("use_noise") is False and f"{path}.weight" in state:  # then it has no noise to load
            side = int(module["resolution"])
            state |= {f"{path}.noise_const": zeros([]).expand(side, side), f"{path}.noise_strength": zeros([])}
    first = modules.get("mapping.fc0", {})
    clamp = modules.get("synthesis.b4.conv1", {}).get("conv_clamp")
    notes = [] if name == "G_ema" else ["It has no averaged weights (G_ema): those of G are used, which look worse."]
    return ParsedCheckpoint(state, float(first.get("bias_gain", 0.01)), None if clamp is None else float(clamp), notes)


def _is_network(record: Any) -> bool:
    if not isinstance(record, Made) or record.maker != PERSISTENT_CLASS or not record.arguments:
        return False
    return isinstance(record.arguments[0], dict) and isinstance(record.arguments[0].get("state"), dict)


def _modules(record: Any, tensors: Tensors, path: str = "", depth: int = 0) -> Iterator[tuple[str, dict[str, Any]]]:
    """The attributes of a module and of those inside it, by path."""
    tensors.ask()
    if depth > DEPTH:
        raise CheckpointError("The networks of the file lie deeper in each other than those of a StyleGAN: refused.")
    if not _is_network(record):
        return  # torch's own modules hold nothing that is needed
    attributes = record.arguments[0]["state"]
    yield path, attributes
    inner = attributes.get("_modules")
    for name, module in (inner if isinstance(inner, dict) else {}).items():
        yield from _modules(module, tensors, f"{path}.{name}" if path else str(name), depth + 1)


def _tensors(modules: dict[str, dict[str, Any]], tensors: Tensors) -> Iterator[tuple[str, Tensor]]:
    for path, attributes in modules.items():
        for group in ("_parameters", "_buffers"):
            held = attributes.get(group)
            for name, record in (held if isinstance(held, dict) else {}).items():
                tensor = tensors.tensor(record)
                if tensor is not None:
                    yield f"{path}.{name}" if path else str(name), tensor
